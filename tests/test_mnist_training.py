"""scripts/mnist: training with pruning in the loop, on made-up images; needs PyTorch."""

import gzip
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np

from program import PROGRAM, ROOT, needs_program, read_records, run
from test_binding import LIBRARY, needs_library

SCRIPTS = os.path.join(ROOT, "scripts", "mnist")
sys.path.insert(0, SCRIPTS)
needs_torch = unittest.skipUnless(
    all(importlib.util.find_spec(name) for name in ("torch", "safetensors", "tqdm")),
    "PyTorch is not installed: scripts/setup.sh --with-pytorch")
KERNELS = ["conv1.weight", "conv2.weight", "dense1.weight", "dense2.weight"]
IMAGES, STEPS = 300, 6  # of 270 images in batches of 128, two epochs


def write_idx(path, array):
    head = bytes((0, 0, 8, array.ndim)) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(head + array.astype(np.uint8).tobytes())


def write_images(folder):
    """A bright patch in one of ten places, which is the label, in noise."""
    rng = np.random.default_rng(1)
    for name, count in (("train", IMAGES), ("t10k", 100)):
        labels = rng.integers(0, 10, count)
        images = rng.integers(0, 100, (count, 28, 28))
        for image, label in zip(images, labels):
            y, x = divmod(label, 4)
            image[8 * y:8 * y + 6, 7 * x:7 * x + 6] += 150
        write_idx(os.path.join(folder, f"{name}-images-idx3-ubyte.gz"), images)
        write_idx(os.path.join(folder, f"{name}-labels-idx1-ubyte.gz"), labels)


def command(*arguments):
    return [sys.executable, os.path.join(SCRIPTS, "train.py"), *arguments]


ENVIRONMENT = {**os.environ, "SPARSEMARK_PROGRAM": PROGRAM, "SPARSEMARK_LIBRARY": LIBRARY,
               "OMP_NUM_THREADS": "1"}
PIPES = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
         "encoding": "utf-8", "env": ENVIRONMENT}


def call(*arguments):
    return subprocess.run(command(*arguments), check=False, timeout=300, **PIPES)


def without_times(log):
    return [{k: v for k, v in entry.items() if k != "seconds"} for entry in log]


class TrainingTest(unittest.TestCase):
    """Images and a folder for results, shared by a class; "dense" is trained first."""

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="sparsemark-test-")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = cls.temporary.name
        cls.data, cls.out = (os.path.join(cls.folder, name) for name in ("data", "out"))
        os.mkdir(cls.data)
        write_images(cls.data)

    def options(self, out=None):
        return ["--data", self.data, "--out", out or self.out, "--threads", "1"]

    def train(self, *arguments, out=None):
        done = call(*arguments, *self.options(out))
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        return done

    def refuse(self, done, *parts):
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("train: "), done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)

    def log(self, recipe, out=None):
        return read_records(os.path.join(out or self.out, recipe, "log.jsonl"))

    def model(self, recipe, out=None):
        import safetensors.numpy
        return safetensors.numpy.load_file(self.file(recipe, out))

    def file(self, recipe, out=None):
        return os.path.join(out or self.out, recipe, "model.safetensors")


@needs_torch
@needs_library
class Recipes(TrainingTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train(cls(), "dense", "gradual", "oneshot", "structured", "block-16x1")

    def masks(self, recipe):
        """layer -> what the log says of its last mask."""
        return {e["layer"]: e for e in self.log(recipe) if e["type"] == "prune"}

    def test_the_file_is_the_tutorials(self):
        shapes = {name: list(array.shape) for name, array in self.model("dense").items()}
        self.assertEqual(shapes, {
            "conv1.weight": [5, 5, 1, 32], "conv1.bias": [32], "conv2.weight": [5, 5, 32, 64],
            "conv2.bias": [64], "bn.gamma": [64], "bn.beta": [64], "bn.moving_mean": [64],
            "bn.moving_variance": [64], "dense1.weight": [3136, 1024], "dense1.bias": [1024],
            "dense2.weight": [1024, 10], "dense2.bias": [10]})
        import safetensors
        with safetensors.safe_open(self.file("dense"), "np") as file:
            self.assertEqual(file.metadata()["sparsemark.weights_order"], "in-out,hwio")

    def test_the_orders_are_tensorflows(self):
        """A forward in NumPy from the file, with its orders written out, against PyTorch's."""
        import torch
        import network
        model = network.load(self.file("dense")).eval()
        x = np.random.default_rng(2).random((2, 28, 28), np.float32)
        w = {k: v.astype(np.float64) for k, v in self.model("dense").items()}

        def conv(image, name):
            padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), (0, 1))
            return np.einsum("yxcij,ijco->yxo", windows, w[f"{name}.weight"]) + w[f"{name}.bias"]

        def pool(image):
            h, v, c = image.shape
            return np.maximum(image, 0).reshape(h // 2, 2, v // 2, 2, c).max((1, 3))

        for image in x:
            y = conv(pool(conv(image[:, :, None], "conv1")), "conv2")
            y = (y - w["bn.moving_mean"]) / np.sqrt(w["bn.moving_variance"] + 1e-3)
            y = pool(y * w["bn.gamma"] + w["bn.beta"]).reshape(-1)
            y = np.maximum(y @ w["dense1.weight"] + w["dense1.bias"], 0)
            y = y @ w["dense2.weight"] + w["dense2.bias"]
            with torch.inference_mode():
                got = model(torch.from_numpy(image)[None, None])[0].numpy()
            np.testing.assert_allclose(got, y, rtol=1e-4, atol=1e-4)

    def test_it_learns(self):
        end = self.log("gradual")[-2]
        self.assertEqual((end["type"], end["when"], end["images"]), ("test", "end", 100))
        losses = [e["loss"] for e in self.log("dense") if e["type"] == "epoch"]
        self.assertLess(losses[1], losses[0])

    def test_log(self):
        log = self.log("gradual")
        self.assertEqual([log[0]["type"], log[-1]["type"]], ["run", "end"])
        self.assertEqual(log[0]["steps"], STEPS)
        self.assertEqual({r["layer"]: r["schedules"] for r in log[0]["rules"]},
                         {name: [f"polynomial:0.5,0.8,0,{STEPS},3,1"] for name in KERNELS})
        masks = [e for e in log if e["type"] == "prune"]
        self.assertEqual([(e["step"], e["layer"]) for e in masks],
                         [(step, name) for step in range(1, STEPS + 1) for name in KERNELS])
        for entry in masks:
            p = entry["step"] / STEPS
            self.assertAlmostEqual(entry["sparsity_asked"], 0.8 - 0.3 * (1 - p) ** 3, places=5)
            self.assertAlmostEqual(entry["sparsity"], entry["sparsity_asked"], delta=1e-3)
            self.assertEqual(entry["sparsity"], 1 - entry["kept"] / entry["weights"])
            self.assertGreater(entry["threshold"], 0)
        epochs = [e for e in log if e["type"] == "epoch"]
        self.assertEqual([(e["epoch"], e["step"]) for e in epochs], [(1, 3), (2, 6)])
        for entry in epochs:
            self.assertGreater(entry["seconds"], 0)
            self.assertTrue(0 <= entry["validation_accuracy"] <= 1)

    def test_zeros_are_those_of_the_last_mask(self):
        for recipe in ("gradual", "oneshot", "structured", "block-16x1"):
            model, masks = self.model(recipe), self.masks(recipe)
            for name in KERNELS:
                zeros = np.count_nonzero(model[name] == 0)
                kept = masks.get(name, {"kept": model[name].size})["kept"]
                self.assertEqual(model[name].size - zeros, kept, (recipe, name))
                self.assertFalse(np.signbit(model[name][model[name] == 0]).any())
        self.assertEqual(set(self.masks("structured")), set(KERNELS[:3]))

    def test_one_shot_cuts_at_the_threshold(self):
        before, after = self.model("dense"), self.model("oneshot")
        for name, entry in self.masks("oneshot").items():
            expected = np.where(np.abs(before[name]) >= np.float32(entry["threshold"]),
                                before[name], np.float32(0))
            np.testing.assert_array_equal(after[name], expected)
        pruned, end = (e for e in self.log("oneshot") if e["type"] == "test" and e["step"] == 0
                       and e["when"] != "start")
        self.assertEqual((pruned["when"], pruned["correct"]), ("pruned", end["correct"]))

    def test_patterns(self):
        structured = self.model("structured")
        conv = structured["conv2.weight"].reshape(25, 8, 4, 64)  # window, 4 neighbouring inputs
        np.testing.assert_array_equal(np.count_nonzero(conv, axis=2), 2)
        dense = structured["dense1.weight"].reshape(784, 4, 1024)
        np.testing.assert_array_equal(np.count_nonzero(dense, axis=1), 2)
        blocks = self.model("block-16x1")["dense1.weight"].reshape(3136, 64, 16)
        counts = np.count_nonzero(blocks, axis=2)  # 16 neighbouring outputs of one input
        self.assertEqual(set(np.unique(counts)), {0, 16})

    @needs_program
    def test_the_program_makes_the_same_masks(self):
        pruned = os.path.join(self.folder, "pruned.safetensors")
        done = run("prune", "--input", self.file("dense"), "--sparsity", "0.8", "--out", pruned)
        self.assertEqual(done.returncode, 0, done.stderr)
        import safetensors.numpy
        for name, array in safetensors.numpy.load_file(pruned).items():
            np.testing.assert_array_equal(array, self.model("oneshot")[name])

    @needs_program
    def test_rows_make_a_smaller_network(self):
        self.train("rows")
        self.assertEqual(self.log("rows")[0]["widths"],
                         {"conv1": 16, "conv2": 32, "dense1": 512, "dense2": 10})
        self.assertEqual(self.model("rows")["dense1.weight"].shape, (7 * 7 * 32, 512))

    def test_a_finished_recipe_is_left_alone(self):
        with open(self.file("gradual"), "rb") as file:
            before = file.read()
        self.assertIn("gradual: done before", self.train("gradual").stderr)
        with open(self.file("gradual"), "rb") as file:
            self.assertEqual(file.read(), before)
        self.refuse(call("gradual", *self.options(), "--seed", "2"), "'seed': 1", "'seed': 2",
                    "another --out")


@needs_torch
@needs_library
class Resume(TrainingTest):
    def test_a_killed_training_ends_alike(self):
        whole, cut = (os.path.join(self.folder, name) for name in ("whole", "cut"))
        self.train("dense", "gradual", out=whole)
        self.train("dense", out=cut)
        with open(self.file("dense", whole), "rb") as a, open(self.file("dense", cut), "rb") as b:
            self.assertEqual(a.read(), b.read())
        checkpoint = os.path.join(cut, "gradual", "checkpoint.pt")
        arguments = ["gradual", *self.options(cut), "--checkpoint", "1"]
        process = subprocess.Popen(command(*arguments), **PIPES)
        deadline = time.monotonic() + 120
        while not os.path.exists(checkpoint) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGKILL)
        self.assertNotEqual(self.log("gradual", cut)[-1]["type"], "end")
        # What a kill in the midst of a line leaves.
        with open(os.path.join(cut, "gradual", "log.jsonl"), "ab") as file:
            file.write(b'{"type": "pru')
        self.train("gradual", "--checkpoint", "1", out=cut)
        with open(self.file("gradual", whole), "rb") as a, open(self.file("gradual", cut),
                                                                "rb") as b:
            self.assertEqual(a.read(), b.read())
        self.assertEqual(without_times(self.log("gradual", cut)),
                         without_times(self.log("gradual", whole)))
        self.assertEqual(sorted(os.listdir(os.path.join(cut, "gradual"))),
                         ["log.jsonl", "model.safetensors"])


@needs_torch
@needs_library
class Refusals(TrainingTest):
    def images(self, name, content):
        """A folder of its own with one file changed."""
        folder = tempfile.mkdtemp(dir=self.folder)
        for file in os.listdir(self.data):
            os.symlink(os.path.join(self.data, file), os.path.join(folder, file))
        path = os.path.join(folder, name)
        os.unlink(path)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content)
        return folder

    def test_images(self):
        from common import MnistError
        from images import read_split
        labels, images = "train-labels-idx1-ubyte.gz", "train-images-idx3-ubyte.gz"
        with open(os.path.join(self.data, images), "rb") as file:
            good = file.read()
        head = bytes((0, 0, 8, 1)) + IMAGES.to_bytes(4, "big")
        for name, content, message in (
                (images, None, "does not exist: expected the four gzipped IDX files"),
                (images, b"no gzip", "expected a whole gzip file"),
                (images, good[:len(good) // 2], "expected a whole gzip file"),
                (images, gzip.compress(b"\0\0\x0d\x03" + bytes(12)), "rank 3"),
                (images, gzip.compress(gzip.decompress(good)[:-1]), "behind the header"),
                (labels, gzip.compress(head[:4] + b"\0\0\0\2\1\1"), "2 labels: expected 300"),
                (labels, gzip.compress(head + bytes(200) + b"\x0a" + bytes(99)),
                 "label 200 is 10: expected 0 to 9")):
            with self.assertRaises(MnistError) as caught:
                read_split(self.images(name, content), "train")
            self.assertIn(name, str(caught.exception))
            self.assertIn(message, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))

    def test_in_one_line(self):
        nowhere = os.path.join(self.folder, "nowhere")
        self.refuse(call("dense", "--data", nowhere, "--out", self.out), nowhere, "does not exist")
        self.refuse(call("gradual", *self.options()), "train dense first")
        self.refuse(call("grdual", *self.options()), "unknown recipe 'grdual'", "gradual")


if __name__ == "__main__":
    unittest.main()
