"""Reads the MNIST images and labels: four IDX files, gzipped, as they are distributed."""

import gzip
import math
import os
import zlib

import numpy as np

from common import MnistError

SIDE = 28
FILES = {"train": "train", "test": "t10k"}


def read_idx(path, rank):
    """Bytes of a gzipped IDX file: two zeros, type 8, the rank, sizes in big-endian order."""
    try:
        with gzip.open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise MnistError(f"{path}: does not exist: expected the four gzipped IDX files of MNIST in "
                         "the folder that --data names") from None
    except (OSError, EOFError, zlib.error) as error:
        raise MnistError(f"{path}: cannot be read: {error}; expected a whole gzip file") from None
    head = 4 + 4 * rank
    if len(data) < head or data[:4] != bytes((0, 0, 8, rank)):
        raise MnistError(f"{path}: offset 0: expected an IDX file of bytes of rank {rank}")
    shape = tuple(int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(rank))
    if len(data) - head != math.prod(shape):
        raise MnistError(f"{path}: {len(data) - head} bytes behind the header: expected "
                         f"{math.prod(shape)} for the shape {shape}")
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)


def read_split(folder, split):
    """(images[n, 28, 28] as bytes, labels[n])."""
    names = [os.path.join(folder, f"{FILES[split]}-{kind}.gz")
             for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    images, labels = read_idx(names[0], 3), read_idx(names[1], 1)
    if images.shape[1:] != (SIDE, SIDE) or len(images) == 0:
        raise MnistError(f"{names[0]}: shape {images.shape}: expected images of 28 x 28")
    if len(labels) != len(images):
        raise MnistError(f"{names[1]}: {len(labels)} labels: expected {len(images)}, as images")
    if labels.max() > 9:
        at = int(np.argmax(labels > 9))
        raise MnistError(f"{names[1]}: label {at} is {labels[at]}: expected 0 to 9")
    return images, labels
