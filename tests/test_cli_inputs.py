"""Real weights as inputs of a run: .mtx, .npy and .safetensors, their orders, zeros and lies."""

import json
import os
import re
import struct
import unittest

import numpy as np

from program import NOTE, TESTS, ProgramTest, cells_of, errors, needs_program, run, table

CORPUS = os.path.join(TESTS, "corpus")
RNG = np.random.default_rng(1)


def notes(done):
    return [line[len(NOTE):] for line in done.stderr.splitlines() if line.startswith(NOTE)]


def weights(*shape):
    """No two of the same magnitude, so that pruning is exact."""
    count = int(np.prod(shape))
    signed = (RNG.permutation(count) + 1).reshape(shape) * RNG.choice([-1, 1], shape)
    return signed.astype("<f4")


def safetensors(tensors):
    """name -> array; bfloat16 as (bits, "BF16")."""
    header, data = {"__metadata__": {"format": "np"}}, b""
    names = {"<f2": "F16", "<f4": "F32", "<f8": "F64", "<i8": "I64"}
    for name, array in tensors.items():
        array, kind = array if isinstance(array, tuple) else (array, names[array.dtype.str])
        body = array.tobytes()
        header[name] = {"dtype": kind, "shape": array.shape,
                        "data_offsets": [len(data), len(data) + len(body)]}
        data += body
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


class InputTest(ProgramTest):
    def put_npy(self, name, array):
        path = self.path(name)
        np.save(path, array)
        return path

    def measure(self, *arguments, **options):
        """One cell for each group, and what the program noted."""
        out = self.path("r.jsonl")
        if os.path.exists(out):
            os.remove(out)
        done = self.finish(run("run", "--peers", "none", "--budget", "1s", "--n", "4", "--kernels",
                               "spmm_csr_f32_scalar_row_1x8", "--out", out, *arguments, **options))
        return [cell for cell in cells_of(out) if cell["format"] == "csr"], notes(done)

    def refused(self, *arguments, parts):
        with self.subTest(" ".join(arguments)):
            self.refuse(run("run", "--peers", "none", "--n", "4", *arguments), *parts)


@needs_program
class Dense(InputTest):
    def test_every_type_and_order_of_numpy(self):
        w = weights(24, 40)
        for dtype in "<f2", "<f4", "<f8":
            for order in "C", "F":
                with self.subTest(dtype=dtype, order=order):
                    path = self.put_npy("w.npy", np.asarray(w, dtype=dtype, order=order))
                    cells, _ = self.measure("--input", path, "--sparsity", "0.5,0.9")
                    self.assertEqual([(c["layer"], c["m"], c["k"], c["nnz"], c["sparsity_asked"],
                                       c["provenance"], c["source"]) for c in cells],
                                     [("w", 24, 40, 480, 0.5, "real-weights:magnitude:w", path),
                                      ("w", 24, 40, 96, 0.9, "real-weights:magnitude:w", path)])
                    self.assertIn("w.npy:out-in|24x40|", cells[0]["group"])

    def test_the_default_sweep(self):
        path = self.put_npy("w.npy", weights(8, 9))
        lines = self.finish(run("run", "--input", path, "--list")).stdout.splitlines()
        self.assertEqual(len(lines), 12)
        self.assertIn("|s=0.95|", lines[-2])

    def test_tensors_of_a_model(self):
        path = self.put("model.safetensors", safetensors({
            "ids": np.zeros((1, 8), "<i8"), "fc.bias": weights(16), "fc.weight": weights(16, 24),
            "half": weights(8, 9).astype("<f2"), "norm": weights(1, 24),
            "brain": ((weights(6, 5).view("<u4") >> 16).astype("<u2"), "BF16"),
            "conv3": weights(8, 4, 3, 3), "conv1": weights(8, 4, 1, 1)}))
        cells, said = self.measure("--input", path, "--sparsity", "0.75")
        self.assertEqual([(c["layer"], c["m"], c["k"], c["nnz"], c["taints"].count("im2col-gemm"))
                          for c in cells],
                         [("fc.weight", 16, 24, 96, 0), ("half", 8, 9, 18, 0), ("brain", 6, 5, 8, 0),
                          ("conv3", 8, 36, 72, 1), ("conv1", 8, 4, 8, 0)])
        self.assertEqual({c["provenance"] for c in cells}, {"real-weights:magnitude:model"})
        mine = [line for line in said if "model.safetensors" in line]
        self.assertEqual(len(mine), 1)
        for part in ("5 weight matrices", "out-in", "oihw", "1 of a rank other than 2 and 4 (fc.bias)",
                     "1 of a type other than F16, BF16, F32 and F64 (ids)",
                     "1 with fewer than 2 rows or columns (norm)"):
            self.assertIn(part, mine[0])
        cells, said = self.measure("--input", path, "--sparsity", "0.5", "--tensors", "conv*,half")
        self.assertEqual([c["layer"] for c in cells], ["half", "conv3", "conv1"])
        self.assertTrue(any("5 not named by --tensors (ids, ...)" in line for line in said), said)

    def test_the_mark_of_a_convolution_is_in_the_table(self):
        path = self.put("model.safetensors", safetensors({"c": weights(8, 4, 3, 3)}))
        done = self.finish(run("run", "--peers", "none", "--budget", "1s", "--n", "4", "--input", path,
                               "--sparsity", "0.5"))
        for row in table(done.stdout)[1]:
            self.assertIn("im2col-gemm", row)

    def test_orders_said_after_the_input(self):
        path = self.put("tf.safetensors", safetensors({"dense": weights(9, 5),
                                                       "conv": weights(3, 2, 4, 8)}))
        for orders, shapes in [("in-out,hwio", [(5, 9), (8, 24)]), ("hwio", [(9, 5), (8, 24)]),
                               ("in-out", [(5, 9), (3, 64)]), ("oihw,out-in", [(9, 5), (3, 64)])]:
            with self.subTest(orders):
                cells, said = self.measure("--input", path, "--weights-order", orders, "--sparsity",
                                           "0.5")
                self.assertEqual([(c["m"], c["k"]) for c in cells], shapes)
                names = {"in-out" if "in-out" in orders else "out-in",
                         "hwio" if "hwio" in orders else "oihw"}
                self.assertEqual({cell["group"].split("|")[0].split(":")[-1] for cell in cells},
                                 names)
                self.assertTrue(any(all(name in line for name in names) for line in said))

    def test_a_folder_of_every_kind(self):
        os.makedirs(self.path("in", "deep"))
        self.put_npy("in/a.npy", weights(6, 7))
        self.put("in/deep/b.safetensors", safetensors({"x": weights(4, 6), "y": weights(4, 7)}))
        self.put("in/c.mtx", "%%MatrixMarket matrix array real general\n2 2\n1\n2\n3\n4\n")
        self.put("in/d.smtx", "2, 2, 1\n0 1 1\n0\n")
        self.put("in/readme.txt", "nothing")
        self.put_npy("in/labels.npy", np.arange(5))
        done = self.finish(run("run", "--list", "--input", self.path("in")))
        self.assertTrue(any("labels.npy: left out" in line and "<i8" in line for line in notes(done)))
        points = re.findall(r"(?m)^.*/in/(\S+?)\|.*\|s=([^|]+)", done.stdout)
        self.assertEqual(len(points), 45)
        self.assertEqual([name for name, sparsity in points if sparsity in ("0", "own")],
                         ["a.npy:out-in", "c.mtx:out-in", "d.smtx", "deep/b.safetensors:x:out-in",
                          "deep/b.safetensors:y:out-in"])
        cells, _ = self.measure("--input", self.path("in"), "--tensors", "d,y")
        self.assertEqual({c["layer"] for c in cells}, {"d", "deep/b/y"})

    def test_a_resumed_run_knows_its_tensors(self):
        path = self.put("model.safetensors", safetensors({"a": weights(4, 6), "b": weights(4, 6)}))
        out = self.path("r.jsonl")
        command = ["run", "--peers", "none", "--budget", "1s", "--n", "4", "--sparsity", "0.5",
                   "--input", path, "--out", out]
        self.finish(run(*command))
        before = cells_of(out)
        self.assertEqual(len({c["group"] for c in before}), 2)
        self.finish(run(*command, "--resume"))
        self.assertEqual(cells_of(out), before)
        self.refuse(run(*command, "--resume", "--weights-order", "in-out"), "--resume", "options")


@needs_program
class Sparse(InputTest):
    def setUp(self):
        super().setUp()
        self.w = weights(10, 20)
        self.w[np.abs(self.w) <= 120] = 0
        self.pruned = self.put("net.safetensors", safetensors({"w": self.w, "full": weights(4, 5)}))

    def test_weights_that_are_pruned_run_once(self):
        cells, said = self.measure("--input", self.pruned)
        mine = [c for c in cells if c["layer"] == "w"]
        self.assertEqual([(c["nnz"], c["sparsity_asked"], c["provenance"]) for c in mine],
                         [(80, None, "real-weights:own:net")])
        self.assertEqual(len(cells), 12)
        self.assertTrue(any("1 are at least 25 % zero" in line for line in said), said)
        self.refused("--input", self.pruned, "--sparsity", "0.9",
                     parts=["--sparsity", "net.safetensors:w", "sparse already", "--reprune"])

    def test_a_quarter_of_zeros_is_where_sparse_begins(self):
        w = weights(10, 20)
        for zeros, points in (49, 11), (50, 1):
            w[np.abs(w) <= zeros] = 0
            done = self.finish(run("run", "--list", "--input", self.put_npy("w.npy", w)))
            self.assertEqual(len(done.stdout.splitlines()) - 1, points)

    def test_pruned_again(self):
        cells, _ = self.measure("--input", self.pruned, "--reprune", "--sparsity", "0.6,0.9")
        self.assertEqual([(c["layer"], c["nnz"], c["provenance"]) for c in cells],
                         [("w", 80, "real-weights:repruned:net"), ("w", 20, "real-weights:repruned:net"),
                          ("full", 8, "real-weights:magnitude:net"),
                          ("full", 2, "real-weights:magnitude:net")])
        self.refused("--input", self.pruned, "--reprune",
                     parts=["--reprune", "net.safetensors:w", "60.0 %", "got 0"])
        smtx = self.put("p.smtx", "2, 2, 1\n0 1 1\n0\n")
        self.refused("--input", smtx, "--reprune", "--sparsity", "0.9", parts=["p.smtx", "sparse already"])

    def test_matrix_market(self):
        rows, cols = np.nonzero(self.w)
        lines = "".join(f"{r + 1} {c + 1} {self.w[r, c]}\n" for r, c in zip(rows, cols))
        real = self.put("real.mtx", f"%%MatrixMarket matrix coordinate real general\n10 20 {len(rows)}\n"
                        + lines)
        pattern = self.put("pattern.mtx", "%%MatrixMarket matrix coordinate pattern symmetric\n"
                           "5 5 3\n1 1\n4 2\n5 1\n")
        cells, _ = self.measure("--input", real, "--input", pattern, "--weights-order", "in-out")
        self.assertEqual([(c["layer"], c["m"], c["k"], c["nnz"], c["provenance"]) for c in cells],
                         [("real", 20, 10, 80, "real-weights:own:real"),
                          ("pattern", 5, 5, 5, "pattern-file")])
        cells, _ = self.measure("--input", real, "--reprune", "--sparsity", "0.9")
        self.assertEqual([c["nnz"] for c in cells], [20])


@needs_program
class Refusals(InputTest):
    def test_every_file_of_the_corpora_is_measured_or_refused(self):
        """Those whose name says so are right; a message is one line that names the file. Listing
        reads all of a dense file, of a sparse one the header only."""
        for kind in "mtx", "npy", "safetensors":
            for name in sorted(os.listdir(os.path.join(CORPUS, kind))):
                path = os.path.join(CORPUS, kind, name)
                how = [] if kind == "mtx" and "array" not in name else ["--list"]
                with self.subTest(path):
                    done = run("run", "--input", path, "--peers", "none", "--budget", "1s", "--n", "3",
                               "--kernels", "spmm_csr_f32_scalar_row_1x8", *how)
                    if name.startswith("valid") or name == "empty.mtx":
                        self.finish(done)
                    else:
                        self.refuse(done, path, "expected")
                        self.assertLessEqual(done.stdout.count("\n"), 1)

    def test_cut_files(self):
        with open(self.put_npy("w.npy", weights(6, 7)), "rb") as file:
            array = file.read()
        whole = {"w.npy": array, "w.safetensors": safetensors({"w": weights(6, 7)}),
                 "w.mtx": b"%%MatrixMarket matrix array real general\n6 7\n" + b"1.5\n" * 42}
        for name, content in whole.items():
            for size in {0, 1, 7, 8, 9, 60, len(content) // 2, len(content) - 4, len(content) - 1}:
                path = self.put(name, content[:size])
                self.refused("--input", path, parts=[path, "expected"])
            self.finish(run("run", "--list", "--input", self.put(name, content)))
            self.refused("--input", self.put(name, content + b"7"), parts=[name, "expected"])

    def test_numbers_that_are_not_finite(self):
        w = weights(6, 7)
        for value, word in (np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity"):
            w[4, 2] = value
            self.refused("--input", self.put_npy("w.npy", w), parts=["w.npy", "[4,2]", word])
            path = self.put("w.safetensors", safetensors({"a": weights(2, 2), "b": w}))
            self.refused("--input", path, parts=[path, "b: element [4,2]", word])
            cells, _ = self.measure("--input", path, "--tensors", "a", "--sparsity", "0")
            self.assertEqual(len(cells), 1)
        large = weights(6, 7).astype("<f8")
        large[0, 1] = 1e39
        self.refused("--input", self.put_npy("w.npy", large), parts=["[0,1]", "f32"])

    def test_nothing_is_written_before_a_bad_file(self):
        os.mkdir(self.path("in"))
        self.put_npy("in/a.npy", weights(6, 7))
        self.put("in/b.safetensors", safetensors({"w": weights(6, 7)})[:-1])
        self.refused("--input", self.path("in"), "--out", self.path("r.jsonl"),
                     parts=["b.safetensors", "expected 168 bytes of data, got 167"])
        self.assertFalse(os.path.exists(self.path("r.jsonl")))

    def test_other_kinds(self):
        os.mkdir(self.path("empty"))
        for name in "model.bin", "model.pt", "weights":
            self.refused("--input", self.put(name, "x"), parts=[name, ".smtx, .mtx, .npy or .safetensors"])
        self.refused("--input", self.path("empty"), parts=[".smtx, .mtx, .npy or .safetensors"])
        self.put_npy("empty/v.npy", weights(5))
        self.refused("--input", self.path("empty"), parts=["expected a weight matrix", "1 file"])
        os.symlink(".", self.path("empty", "loop"))
        self.refused("--input", self.path("empty"), parts=["loop", "cycle"])

    def test_options(self):
        path = self.put_npy("w.npy", weights(6, 7))
        for value in ("", "x", "in-out,", "in-out,out-in", "oihw,hwio", "hwio,hwio", "ohwi", "IN-OUT",
                      "in-out,hwio,oihw"):
            self.refused("--input", path, "--weights-order", value, parts=["--weights-order"])
        for value in "", ",", "a,,b", "a,":
            self.refused("--input", path, "--tensors", value, parts=["--tensors"])
        self.refused("--input", path, "--tensors", "x*", parts=["w.npy", "named x*", "1 file"])
        for option in ["--tensors", "*"], ["--weights-order", "in-out"], ["--reprune"]:
            self.refused("--layers", self.layers, *option, parts=[option[0], "--input"])
            self.refused("--input", path, "--" + option[0][2:], *option[1:], "--quick",
                         parts=["--quick", "--input"])
        for option in "--tensors", "--weights-order":
            self.refused(option, parts=[option, "needs a value"])
        self.refused("--input", path, "--reprune=yes", parts=["--reprune"])
        self.refused("--input", path, "--n", "native", parts=["native", "w.npy"])

    def test_names_of_tensors_do_not_break_lines(self):
        text = json.dumps({"a\nb\x1b[2J": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]}})
        path = self.put("w.safetensors", struct.pack("<Q", len(text)) + text.encode() + b"\0" * 4)
        done = run("run", "--input", path)
        self.refuse(done, "printable", "a\\x0ab\\x1b[2J")
        self.assertEqual(len(errors(done.stderr)), 1)
        self.assertIsNone(re.search(r"[\x00-\x09\x0b-\x1f]", done.stderr))

    def test_a_name_that_is_no_utf8(self):
        folder = os.path.join(os.fsencode(self.folder), b"in")
        os.mkdir(folder)
        for name in b"\xe9.npy", b"\xe8.npy":
            with open(os.path.join(folder, name), "wb") as file:
                np.save(file, weights(6, 7))
        cells, _ = self.measure("--input", self.path("in"), "--sparsity", "0.5")
        self.assertEqual(len({c["group"] for c in cells}), 2)


if __name__ == "__main__":
    unittest.main()
