"""The log of a training, JSON lines, and TensorBoard's beside it when asked for."""

import json
import os

from common import MnistError


def read_log(path):
    """The objects of its whole lines; none where there is no log."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise MnistError(f"{path}: cannot be read: {error.strerror}") from None
    lines = data[:data.rfind(b"\n") + 1].splitlines()
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        raise MnistError(f"{path}: {error}: expected a JSON object a line") from None


class Log:
    """Appends objects; begins at a given length, as a checkpoint remembers it."""

    def __init__(self, path, length, board):
        self.board = board
        try:
            self.file = open(path, "ab")
            self.file.truncate(length)
        except OSError as error:
            raise MnistError(f"{path}: cannot be written: {error.strerror}") from None

    def write(self, entry):
        self.file.write(json.dumps(entry).encode() + b"\n")
        self.file.flush()
        if self.board:
            tag = "/".join(entry[name] for name in ("type", "when", "layer") if name in entry)
            for name, value in entry.items():
                if "step" in entry and name != "step" and isinstance(value, (int, float)):
                    self.board.add_scalar(f"{tag}/{name}", value, entry["step"])

    def length(self):
        """On disk up to here."""
        os.fsync(self.file.fileno())
        return self.file.seek(0, os.SEEK_END)

    def close(self):
        self.file.close()
        if self.board:
            self.board.close()


def tensorboard(folder, step):
    """A writer for a training that goes on behind this step."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MnistError("--tensorboard: the module tensorboard is missing: .venv/bin/pip install "
                         "tensorboard") from None
    return SummaryWriter(os.path.join(folder, "tensorboard"), purge_step=step + 1)
