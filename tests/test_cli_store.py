"""Model files stored sparse, end to end: every reader finds the dense ones in them, bit for bit."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import unittest

import numpy as np

from model_files import normal, pack, unpack
from program import PROGRAM, ROOT, ProgramTest, cells_of, environment, needs_program, run

sys.path.insert(0, os.path.join(ROOT, "scripts"))
from read_sparse import read


def bits(array):
    return np.ascontiguousarray(array).view(np.uint8)


def sparse_weights(rng, zeros, *shape):
    return np.where(rng.random(shape) < zeros, np.float32(0), normal(rng, *shape))


def one_of_four(rng, *shape):
    w = np.zeros(int(np.prod(shape)), np.float32)
    w[4 * np.arange(w.size // 4) + rng.integers(0, 4, w.size // 4)] = 1 + rng.random(w.size // 4)
    return w.reshape(shape)


class StoreTest(ProgramTest):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(7)
        odd = np.array([[-0.0, 0.0, 1e-45, -1e-45], [3e38, 0.0, 0.0, 0.0]], np.float32)
        self.tensors = {
            "half": sparse_weights(rng, 0.5, 24, 40), "conv": sparse_weights(rng, 0.9, 6, 3, 5, 5),
            "quarter": one_of_four(rng, 16, 32), "full": normal(rng, 9, 31), "odd": odd,
            "bias": np.zeros(37, np.float32), "scalar": np.array(5, np.int64),
            "small": normal(rng, 7).astype(np.float16), "none": np.zeros((0, 4), np.float32)}
        self.dense = self.put("dense.safetensors", pack(self.tensors, {"who": "tests"}))
        self.sparse = self.path("sparse.safetensors")

    # Every tensor stays as it is: no rule takes the others, and this one loses nothing.
    COPY = ("prune", "--rule", "full=unstructured@0")

    def store(self, *arguments):
        return run(*self.COPY, "--input", self.dense, "--store", "sparse", "--out", self.sparse,
                   *arguments)

    def assert_tensors(self, found):
        self.assertEqual(set(found), set(self.tensors))
        for name, array in self.tensors.items():
            self.assertEqual((found[name].shape, found[name].dtype), (array.shape, array.dtype), name)
            np.testing.assert_array_equal(bits(found[name]), bits(array), name)


@needs_program
class Store(StoreTest):
    def setUp(self):
        super().setUp()
        self.finish(self.store())

    def test_numpy_reader(self):
        self.assert_tensors(read(self.sparse))
        self.assert_tensors(read(self.dense))

    def test_numpy_reader_refuses_in_one_line(self):
        script = os.path.join(ROOT, "scripts", "read_sparse.py")
        self.put("bad.safetensors", "garbage, and more of it")
        for words in [], [self.path("nowhere")], [self.path("bad.safetensors")], ["--help"]:
            done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True,
                                  check=False)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)

    def test_what_any_reader_finds(self):
        parts, metadata = unpack_raw(self.sparse)
        self.assertEqual(metadata["who"], "tests")
        self.assertEqual(metadata["sparsemark.weights_order"], "out-in,oihw")
        self.assertEqual(metadata["sparsemark.sparse.half"], "bitmap F32 24,40")
        self.assertEqual(metadata["sparsemark.sparse.quarter"], "1:4 F32 16,32")
        self.assertEqual(parts["half.sparse_values"], ("F32", [np.count_nonzero(self.tensors["half"])]))
        self.assertEqual(parts["half.sparse_bitmap"], ("U8", [24 * 40 // 8]))
        self.assertEqual(parts["quarter.sparse_values"], ("F32", [16 * 32 // 4]))
        self.assertEqual(parts["quarter.sparse_indices"], ("U8", [16 * 32 // 16]))
        for name in "full", "scalar", "small", "none":
            self.assertIn(name, parts)

    def test_same_layers_and_points(self):
        said = []
        for path in self.dense, self.sparse:
            shutil.copy(path, self.path("m.safetensors"))
            done = run("run", "--list", "--input", self.path("m.safetensors"), "--weights-order",
                       "out-in,oihw")
            self.assertEqual(done.returncode, 0, done.stderr)
            said.append((done.stdout,
                         [line for line in done.stderr.splitlines() if "m.safetensors" in line]))
        self.assertEqual(said[0], said[1])
        self.assertIn("half", said[0][0])

    def test_same_cells(self):
        found = []
        for path in self.dense, self.sparse:
            out = path + ".jsonl"
            self.finish(run("run", "--input", path, "--tensors", "half,quarter,conv", "--out", out,
                            "--peers", "none", "--budget", "1s", "--n", "4"))
            cells = cells_of(out)
            self.assertTrue(all(c["err_bound_ratio"] <= 1 for c in cells))
            found.append(sorted((c["layer"], c["m"], c["k"], c["nnz"], c["sparsity"])
                                for c in cells))
        self.assertEqual({row[0] for row in found[0]}, {"half", "quarter", "conv"})
        self.assertEqual(found[0], found[1])

    def test_dense_again(self):
        back = self.path("back.safetensors")
        self.finish(run(*self.COPY, "--input", self.sparse, "--out", back))
        self.assert_tensors(unpack(back)[0])
        self.assertFalse([key for key in unpack(back)[1] if key.startswith("sparsemark.sparse")])

    def test_cut_anywhere(self):
        with open(self.sparse, "rb") as file:
            data = file.read()
        for size in [0, 7, 8, 100, *range(200, len(data), 997), len(data) - 1]:
            path = self.put("cut.safetensors", data[:size])
            for command in ("run", "--list"), ("prune", "--sparsity", "0.5"):
                self.refuse(run(*command, "--input", path), path)

    def test_malformed(self):
        with open(self.sparse, "rb") as file:
            data = file.read()
        start = 8 + int.from_bytes(data[:8], "little")
        flipped = bytearray(data)
        begin = start + unpack_offsets(self.sparse)["half.sparse_bitmap"][0]
        flipped[begin] ^= 1
        cases = {"half": (bytes(flipped), "bits"),
                 "quarter": (data.replace(b"1:4 F32 16,32", b"1:4 F32 16,36"), "values"),
                 "conv": (data.replace(b'"conv.sparse_bitmap"', b'"conv.sparse_bitmao"'), "parts")}
        cases["bias"] = (data.replace(b'"bitmap F32 37"', b'"bitmap F16 37"'), "bitmap F32")
        for tensor, (bad, part) in cases.items():
            path = self.put("bad.safetensors", bad)
            for command in ("run", "--list"), ("prune", "--sparsity", "0.5"):
                with self.subTest(tensor, command=command[0]):
                    self.refuse(run(*command, "--input", path), path, tensor, part)

    def test_metadata_that_a_tool_dropped(self):
        path = self.put("bare.safetensors", without_metadata(self.sparse))
        for command in ("run", "--list"), ("prune", "--sparsity", "0.5"):
            self.refuse(run(*command, "--input", path), path, "sparsemark.sparse.", "__metadata__")


@needs_program
class Orders(StoreTest):
    def test_recorded_order_is_followed(self):
        self.finish(self.store("--weights-order", "in-out,hwio"))
        done = run("run", "--list", "--input", self.sparse, "--tensors", "half,conv")
        self.assertIn("half:in-out", done.stdout)
        self.assertIn("conv:hwio", done.stdout)
        for order in "in-out", "hwio", "hwio,in-out":
            again = run("run", "--list", "--input", self.sparse, "--tensors", "half,conv",
                        "--weights-order", order)
            self.assertEqual(again.stdout, done.stdout)

    def test_contradictions(self):
        self.finish(self.store("--weights-order", "in-out,hwio"))
        for order, names in ("out-in", ("out-in", "in-out")), ("in-out,oihw", ("oihw", "hwio")):
            for command in ("run", "--list"), ("prune", "--sparsity", "0.5"):
                self.refuse(run(*command, "--input", self.sparse, "--weights-order", order),
                            self.sparse, *names)

    def test_a_record_that_is_none(self):
        for recorded in "x", "", "in-out,", "in-out,out-in":
            bad = self.put("bad.safetensors", pack(self.tensors, {"sparsemark.weights_order": recorded}))
            for command in ("run", "--list"), ("prune", "--sparsity", "0.5"):
                self.refuse(run(*command, "--input", bad), bad, "sparsemark.weights_order")


@needs_program
class Failures(StoreTest):
    def assert_only(self, *names):
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(["layers.txt", *names]))

    def test_size_limit(self):
        limit = (2048, 2048)
        done = run(*self.COPY, "--input", self.dense, "--out", self.sparse,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
        self.refuse(done, self.sparse, "File too large")
        self.assert_only("dense.safetensors")

    def test_full_disk(self):
        disk = self.path("disk")
        os.mkdir(disk)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", disk],
                                 stderr=subprocess.PIPE, check=False) if os.geteuid() == 0 else None
        if mounted is None or mounted.returncode:
            self.skipTest("cannot mount a small tmpfs: not root, or not allowed to")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        out = os.path.join(disk, "m.safetensors")
        done = run(*self.COPY, "--input", self.dense, "--out", out)
        self.refuse(done, out, "No space left on device")
        self.assertEqual(os.listdir(disk), [])

    def test_killed_while_writing(self):
        """The old file or the new one, whole, whenever the writer dies."""
        rng = np.random.default_rng(3)
        self.tensors = {"full": normal(rng, 1024, 2048)}
        self.dense = self.put("dense.safetensors", pack(self.tensors))
        self.put("sparse.safetensors", "before")
        killed, temporary = 0, re.compile(r"sparse\.safetensors\..*tmp")
        for _ in range(40):
            process = subprocess.Popen(
                [PROGRAM, *self.COPY, "--input", self.dense, "--out", self.sparse],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
            while process.poll() is None and not any(map(temporary.match, os.listdir(self.folder))):
                time.sleep(0.0005)
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += process.returncode == -signal.SIGKILL
            with open(self.sparse, "rb") as file:
                whole = file.read(6) == b"before"
            if not whole:
                self.assert_tensors(unpack(self.sparse)[0])
            if killed >= 2:
                break
        self.assertGreater(killed, 0)


def header_of(path):
    with open(path, "rb") as file:
        return json.loads(file.read(int.from_bytes(file.read(8), "little")))


def without_metadata(path):
    """The file's bytes as a tool writes them that copies tensors only."""
    with open(path, "rb") as file:
        data = file.read()
    header = header_of(path)
    del header["__metadata__"]
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + int.from_bytes(data[:8], "little"):]


def unpack_raw(path):
    """name -> (type, shape) of what is in the file, and its metadata."""
    header = header_of(path)
    metadata = header.pop("__metadata__", {})
    return {name: (entry["dtype"], entry["shape"]) for name, entry in header.items()}, metadata


def unpack_offsets(path):
    return {name: entry["data_offsets"] for name, entry in header_of(path).items()
            if name != "__metadata__"}


if __name__ == "__main__":
    unittest.main()
