"""sparsemark model: accuracy and logits against NumPy, what it measures, what it refuses."""

import gzip
import json
import os
import struct
import subprocess
import sys
import unittest

import numpy as np

from program import ROOT, ProgramTest, cells_of, needs_program, read_records, run

SHAPE = (10, 12)
IMAGES = 40
EPSILON = 1e-3
PYTHON = os.path.join(ROOT, ".venv", "bin", "python")


def reordered(tensors, dense, conv):
    """Weights that are in-out,hwio in other orders of the axes."""
    tensors = dict(tensors)
    if conv == "oihw":
        for name in ("conv1.weight", "conv2.weight"):
            tensors[name] = tensors[name].transpose(3, 2, 0, 1)
        w = tensors["dense1.weight"]
        w = w.reshape(-1, len(tensors["conv2.bias"]), w.shape[-1]).transpose(1, 0, 2)
        tensors["dense1.weight"] = w.reshape(-1, w.shape[-1])
    if dense == "out-in":
        for name in ("dense1.weight", "dense2.weight"):
            tensors[name] = tensors[name].T
    return tensors


def weights(seed=7, zeros=0.7, channels1=6, channels2=8, hidden=24, classes=10):
    """The tutorial's network, smaller, with some weights pruned."""
    random = np.random.default_rng(seed)
    flat = SHAPE[0] // 4 * (SHAPE[1] // 4) * channels2

    def pruned(*shape):
        values = random.standard_normal(shape).astype("f4") / np.sqrt(np.prod(shape[:-1]))
        return np.where(random.random(shape) < zeros, 0, values).astype("f4")

    def vector(size, low=-0.5, high=0.5):
        return random.uniform(low, high, size).astype("f4")

    return {
        "conv1.weight": pruned(5, 5, 1, channels1), "conv1.bias": vector(channels1),
        "conv2.weight": pruned(5, 5, channels1, channels2), "conv2.bias": vector(channels2),
        "bn.gamma": vector(channels2, 0.5, 1.5), "bn.beta": vector(channels2),
        "bn.moving_mean": vector(channels2), "bn.moving_variance": vector(channels2, 0.5, 2),
        "dense1.weight": pruned(flat, hidden), "dense1.bias": vector(hidden),
        "dense2.weight": pruned(hidden, classes), "dense2.bias": vector(classes)}


def convolve(images, kernel, bias):
    """Same padding, NHWC and HWIO, in double."""
    height, width = kernel.shape[:2]
    padded = np.pad(images, ((0, 0), (height // 2,) * 2, (width // 2,) * 2, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    return np.einsum("nhwcij,ijco->nhwo", windows, kernel.astype("f8"), optimize=True) + bias


def pool(images):
    count, height, width, channels = images.shape
    cut = images[:, :height // 2 * 2, :width // 2 * 2]
    return cut.reshape(count, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def forward(tensors, images):
    """Logits as TensorFlow computes them, BatchNorm by itself."""
    relu = lambda values: np.maximum(values, 0)
    x = images.astype("f8")[..., None] / 255
    x = pool(relu(convolve(x, tensors["conv1.weight"], tensors["conv1.bias"])))
    x = convolve(x, tensors["conv2.weight"], tensors["conv2.bias"])
    x = (x - tensors["bn.moving_mean"]) / np.sqrt(tensors["bn.moving_variance"] + EPSILON)
    x = pool(relu(x * tensors["bn.gamma"] + tensors["bn.beta"]))
    x = relu(x.reshape(len(x), -1) @ tensors["dense1.weight"] + tensors["dense1.bias"])
    return x @ tensors["dense2.weight"] + tensors["dense2.bias"]


def safetensors(tensors):
    header, data = {}, b""
    for name, values in tensors.items():
        raw = values.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(values.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def idx(values):
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def predictions(path):
    return np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)


@needs_program
class Model(ProgramTest):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(3)
        self.images = random.integers(0, 256, (IMAGES, *SHAPE), dtype="u1")
        self.tensors = weights()
        self.logits = forward(self.tensors, self.images)
        self.labels = self.logits.argmax(axis=1).astype("u1")
        self.labels[::5] = (self.labels[::5] + 1) % 10
        self.right = int((self.labels == self.logits.argmax(axis=1)).sum())
        self.weights = self.put("small.safetensors", safetensors(self.tensors))
        self.put("t10k-images-idx3-ubyte.gz", gzip.compress(idx(self.images)))
        self.put("t10k-labels-idx1-ubyte", idx(self.labels))

    def model(self, *arguments, file=None, **options):
        return run("model", "--weights", file or self.weights, "--data", self.folder, *arguments,
                   **options)

    def refused(self, *arguments, parts, file=None, code=2):
        before = self.snapshot()
        with self.subTest(" ".join(arguments)):
            self.refuse(self.model(*arguments, file=file), *parts, code=code)
            self.assertEqual(self.snapshot(), before)

    def test_accuracy_and_logits(self):
        out = self.path("predictions.csv")
        done = self.finish(self.model("--accuracy", "--predictions", out))
        self.assertIn(f"({self.right} of {IMAGES} images)", done.stdout)
        rows = predictions(out)
        self.assertEqual(rows[:, 0].tolist(), list(range(IMAGES)))
        self.assertEqual(rows[:, 1].tolist(), self.labels.tolist())
        self.assertEqual(rows[:, 2].tolist(), self.logits.argmax(axis=1).tolist())
        np.testing.assert_allclose(rows[:, 3:], self.logits, atol=1e-4, rtol=0)
        answer = json.loads(self.finish(self.model("--accuracy", "--json", "--images", "30")).stdout)
        self.assertEqual(answer["images"], 30)
        self.assertEqual(answer["right"],
                         int((self.labels[:30] == self.logits[:30].argmax(axis=1)).sum()))

    def logits_of(self, tensors, *arguments):
        out = self.path("ordered.csv")
        self.finish(self.model("--accuracy", "--predictions", out, *arguments,
                               file=self.put("ordered.safetensors", safetensors(tensors))))
        return predictions(out)[:, 3:]

    def test_orders(self):
        """PyTorch's orders, and each axis order alone, give the same logits."""
        expected = self.logits_of(self.tensors)
        for dense in ("out-in", "in-out"):
            for conv in ("oihw", "hwio"):
                tensors = reordered(self.tensors, dense, conv)
                # Kernels are chosen by time: sums may be rounded in another order.
                np.testing.assert_allclose(
                    self.logits_of(tensors, "--weights-order", f"{dense},{conv}"), expected,
                    atol=1e-6, rtol=0)
        self.refused("--accuracy", "--weights-order", "out-in,oihw",
                     parts=("conv1.weight", "read as oihw", "hwio"))
        self.refused("--accuracy", "--weights-order", "out-in",
                     parts=("dense1.weight", "read as out-in", "in-out"))
        self.refused("--accuracy", "--weights-order", "oihw,hwio", parts=("--weights-order",))

    def test_fewer_channels(self):
        """What `prune --pattern rows` leaves: sizes come from the tensors."""
        tensors = weights(channels1=2, channels2=5, hidden=7)
        out = self.path("rows.csv")
        self.finish(self.model("--accuracy", "--predictions", out,
                               file=self.put("rows.safetensors", safetensors(tensors))))
        np.testing.assert_allclose(predictions(out)[:, 3:], forward(tensors, self.images),
                                   atol=1e-4, rtol=0)

    def test_measuring(self):
        out = self.path("records.jsonl")
        done = self.finish(self.model("--batch", "1,3,70", "--budget", "0.5s", "--json", "--out",
                                      out))
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        first, *records = read_records(out)
        self.assertEqual((first["type"], first["options"]["command"]), ("run", "model"))
        self.assertEqual([record["type"] for record in records], ["model"] * 3)
        self.assertEqual([record["batch"] for record in records], [1, 3, 70])
        for line, record in zip(lines, records, strict=True):
            self.assertEqual(line, {key: value for key, value in record.items()
                                    if key not in ("type", "schema", "run_id")})
            self.check_record(record)
        self.assertEqual(cells_of(out), [])

    def check_record(self, record):
        self.assertEqual((record["right"], record["images"]), (self.right, IMAGES))
        self.assertLess(record["difference"], 1e-4)
        self.assertLess(record["reference_error"], 1e-4)
        speedup = record["speedup_dense"]
        self.assertTrue(speedup["low"] <= speedup["median"] <= speedup["high"])
        images_s = 1e9 * record["batch"] / record["time_ns"]["median"]
        self.assertAlmostEqual(record["images_s"], images_s, delta=1e-7 * images_s)
        self.assertIsNone(record["speedup_pytorch"])
        self.assertEqual([layer["name"] for layer in record["layers"]],
                         ["conv1", "conv2", "dense1", "dense2"])
        for layer in record["layers"]:
            weight = self.tensors[layer["name"] + ".weight"]
            self.assertEqual((layer["m"], layer["k"]), (weight.shape[-1], weight[..., 0].size))
            self.assertAlmostEqual(layer["sparsity"], (weight == 0).mean(), places=6)
            self.assertIn(f"_{layer['format']}_", layer["kernel"])
            self.assertIn("_dense_", layer["dense_kernel"])
            self.assertTrue(layer["time_ns"] > 0 and 0 <= layer["pack_x_share"] <= 1)
        total = sum(layer["bytes_weights"] + layer["bytes_activations"]
                    for layer in record["layers"])
        self.assertEqual(record["bytes"], total)

    def test_table(self):
        done = self.finish(self.model("--batch", "2", "--budget", "0.2s"))
        self.assertRegex(done.stdout, r"batch 2, 1 thread: \d+ images/s, .* speedup over dense "
                                      r"\d+\.\d\d \[\d+\.\d\d, \d+\.\d\d\]")
        for word in "conv1", "conv2", "dense1", "dense2", "packing", "pooling":
            self.assertIn(word, done.stdout)

    def test_two_threads(self):
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("one hardware thread")
        done = self.finish(self.model("--batch", "1,33", "--threads", "2", "--budget", "0.2s",
                                      "--json"))
        records = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([(record["batch"], record["threads"]) for record in records],
                         [(1, 2), (33, 2)])

    def test_levels(self):
        done = self.finish(self.model("--isa", "scalar", "--batch", "3", "--budget", "0.2s",
                                      "--json"))
        for layer in json.loads(done.stdout)["layers"]:
            self.assertIn("_scalar_", layer["kernel"])

    def test_usage(self):
        for arguments, parts in (
                (["--batch", "0"], ["--batch"]), (["--batch", "1,,2"], ["--batch"]),
                (["--batch", ",".join("1" * 17)], ["--batch", "16"]),
                (["--threads", "0"], ["--threads"]), (["--against", "tf"], ["--against", "pytorch"]),
                (["--python", "x"], ["--python", "--against pytorch"]),
                (["--accuracy", "--out", self.path("o")], ["--accuracy"]),
                (["--images", str(IMAGES + 1)], ["--images", str(IMAGES)]),
                (["--precision", "0"], ["--precision"]), (["--budget", "0"], ["--budget"]),
                (["--frobnicate"], ["--frobnicate"]), (["more"], ["'more'"])):
            self.refused(*arguments, parts=parts)
        self.refuse(run("model", "--weights", self.weights), "--weights", "--data")
        self.assertIn("usage: sparsemark model", run("help", "model").stdout)

    def test_weights_that_do_not_fit(self):
        for name, change, parts in (
                ("conv2.weight", lambda w: w[:, :, :3], ["conv2.weight", "expected 6"]),
                ("dense1.weight", lambda w: w[:-1], ["dense1.weight", "47", "expected 48"]),
                ("dense2.bias", lambda w: w[:-1], ["dense2.bias", "expected 10"]),
                ("bn.gamma", lambda w: w[:-1], ["bn.gamma", "expected 8"]),
                ("conv1.weight", lambda w: np.where(w == 0, np.nan, w), ["conv1.weight", "nan"]),
                ("dense2.weight", None, ["expected a tensor dense2.weight"])):
            tensors = dict(self.tensors)
            if change:
                tensors[name] = change(tensors[name])
            else:
                del tensors[name]
            # The labels suit ten classes: nothing else may be the matter.
            path = self.put("bad.safetensors", safetensors(tensors))
            if name == "dense2.bias":
                self.put("t10k-labels-idx1-ubyte", idx(np.minimum(self.labels, 8)))
            self.refused("--accuracy", file=path, parts=[path, *parts])
        whole = safetensors(self.tensors)
        path = self.put("cut.safetensors", whole[:-5])
        self.refused("--accuracy", file=path, parts=[path])

    def test_images_that_do_not_fit(self):
        name = self.path("t10k-images-idx3-ubyte.gz")
        with open(name, "rb") as file:
            whole = file.read()
        self.put("t10k-images-idx3-ubyte.gz", whole[:-20])
        self.refused("--accuracy", parts=[name, "cut"])
        self.put("t10k-images-idx3-ubyte.gz", gzip.compress(idx(self.images[:, :, :8])))
        self.refused("--accuracy", parts=["dense1.weight", "expected 32"])
        self.put("t10k-images-idx3-ubyte.gz", gzip.compress(idx(self.images[:-1])))
        self.refused("--accuracy", parts=["t10k-labels-idx1-ubyte", "expected 39"])
        self.put("t10k-images-idx3-ubyte.gz", whole)
        self.labels[3] = 10
        self.put("t10k-labels-idx1-ubyte", idx(self.labels))
        self.refused("--accuracy", parts=["t10k-labels-idx1-ubyte", "label 3 is 10"])

    def test_places_that_cannot_be_written(self):
        there = self.put("there.jsonl", "kept\n")
        self.refused("--out", there, parts=[there, "exists"])
        self.refused("--accuracy", "--predictions", self.path("missing", "p.csv"),
                     parts=["p.csv", "No such file"])
        link = self.path("link.csv")
        os.symlink(there, link)
        for place in link, "":
            self.refused("--accuracy", "--predictions", place, parts=["file"])
        self.assertTrue(os.path.islink(link))
        with open("/dev/full", "wb") as full:
            self.refuse(self.model("--accuracy", stdout=full), "standard output")

    def test_pytorch_that_is_not_there(self):
        self.refuse(self.model("--batch", "1", "--against", "pytorch", "--python",
                               self.path("python")), "--against pytorch", "cannot run",
                    self.path("python"))
        # A Python that has NumPy and no PyTorch.
        self.put("torch.py", "raise ImportError('no torch here')")
        done = self.model("--batch", "1", "--against", "pytorch", "--python", sys.executable,
                          env={"PYTHONPATH": self.folder})
        self.refuse(done, "no torch here (scripts/setup.sh --with-pytorch)")

    def test_pytorch(self):
        python = os.environ.get("SPARSEMARK_PYTORCH_PYTHON", PYTHON)
        found = os.path.exists(python) and subprocess.run(
            [python, "-c", "import torch, numpy"], stderr=subprocess.DEVNULL, check=False)
        if not found or found.returncode:
            self.skipTest(f"{python} has no PyTorch (scripts/setup.sh --with-pytorch)")
        done = self.finish(self.model("--batch", "1,50", "--budget", "0.5s", "--json", "--against",
                                      "pytorch", "--python", python))
        for line in done.stdout.splitlines():
            record = json.loads(line)
            self.assertRegex(record["pytorch"], r"^\d+\.\d+")
            self.assertIn(record["pytorch_format"], ("contiguous", "channels_last"))
            self.assertLess(record["difference"], 1e-4)
            self.assertGreater(record["pytorch_time_ns"]["low"], 0)
            speedup = record["speedup_pytorch"]
            self.assertTrue(0 < speedup["low"] <= speedup["median"] <= speedup["high"])


@needs_program
class Goldens(ProgramTest):
    """Three trained networks and what TensorFlow gave for them."""

    def test_goldens(self):
        data = os.environ.get("SPARSEMARK_DATA", "")
        if not os.path.isdir(os.path.join(data, "mnist_cnn")):
            self.skipTest("SPARSEMARK_DATA names no folder with mnist and mnist_cnn")
        for name in "dense", "unstructured", "structured":
            with self.subTest(name):
                golden = os.path.join(data, "mnist_cnn", name)
                out = self.path(name + ".csv")
                self.finish(run("model", "--weights", golden + ".safetensors", "--data",
                                os.path.join(data, "mnist"), "--accuracy", "--predictions", out))
                rows = predictions(out)
                np.testing.assert_allclose(rows[:64, 3:], np.load(golden + ".logits_first64.npy"),
                                           atol=1e-4, rtol=0)
                np.testing.assert_array_equal(rows[:, 2], np.load(golden + ".pred_10k.npy"))


if __name__ == "__main__":
    unittest.main()
