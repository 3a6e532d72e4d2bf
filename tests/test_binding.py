"""scripts/sparsemark.py against NumPy, against the public headers, and what it refuses."""

import math
import os
import subprocess
import sys
import tempfile
import threading
import unittest

import numpy as np

from program import PROGRAM, ROOT

sys.path.insert(0, os.path.join(ROOT, "scripts"))

import sparsemark  # noqa: E402
from sparsemark import Csr, Plan, SparsemarkError  # noqa: E402

LIBRARY = os.environ.setdefault("SPARSEMARK_LIBRARY", os.path.join(
    os.path.dirname(PROGRAM), os.path.basename(sparsemark.BUILT)))
HEADERS = os.path.join(ROOT, "kernels", "include")
needs_library = unittest.skipUnless(os.path.isfile(LIBRARY), f"{LIBRARY} does not exist: build it, "
                                    "or set SPARSEMARK_LIBRARY")
SCALAR = "spmm_csr_f32_scalar_row_1x8"


class BindingTest(unittest.TestCase):
    def refuse(self, status, message, function, *arguments, **named):
        with self.assertRaises(SparsemarkError) as caught:
            function(*arguments, **named)
        self.assertIn(message, str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))
        self.assertEqual(caught.exception.status, status)


def problem(m, k, n, sparsity=0.7, seed=1):
    """w[m, k] with zeros, x[k, n], and their product in double."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((m, k)).astype(np.float32)
    w[rng.random((m, k)) < sparsity] = 0
    x = rng.standard_normal((k, n)).astype(np.float32)
    return w, x, w.astype(np.float64) @ x


@needs_library
class Product(BindingTest):
    def close(self, y, exact):
        self.assertEqual(y.dtype, np.float32)
        np.testing.assert_allclose(y, exact, rtol=1e-4, atol=1e-4)

    def test_both_layouts(self):
        for m, k, n in ((37, 53, 19), (64, 128, 48), (1, 70, 33), (70, 1, 33), (33, 65, 1),
                        (1, 1, 1), (5, 7, 2)):
            w, x, exact = problem(m, k, n)
            for layout in ("feature", "token"):
                plan = Plan(Csr.from_dense(w), n=n, layout=layout, budget=-1)
                self.close(plan.run(x, layout="feature"), exact)
                self.close(plan.run(np.ascontiguousarray(x.T), layout="token"), exact.T)
                # The plan's own layout is the default.
                given, expected = (x.T, exact.T) if layout == "token" else (x, exact)
                self.close(plan.run(np.ascontiguousarray(given)), expected)

    def test_steps_between_rows_and_transposed_views(self):
        w, x, exact = problem(20, 30, 24)
        plan = Plan(Csr.from_dense(w), n=24, budget=-1)
        wide = np.full((30, 50), 7, np.float32)
        wide[:, 3:27] = x
        target = np.full((20, 40), 9, np.float32)
        y = plan.run(wide[:, 3:27], out=target[:, 8:32])
        self.close(y, exact)
        self.assertTrue(np.shares_memory(y, target))
        self.assertTrue((target[:, :8] == 9).all() and (target[:, 32:] == 9).all())
        # Token-major memory, seen as X[K, N]; Y feature-major.
        self.close(plan.run(np.ascontiguousarray(x.T).T), exact)
        # One column of many, one feature of many.
        self.close(plan.run(wide[:, 5:6]), exact[:, 2:3])
        w, x, exact = problem(20, 1, 24)
        wide = np.repeat(x, 3, axis=1)
        self.close(Plan(Csr.from_dense(w), budget=-1).run(wide[:, ::3]), exact)

    def test_out_bias_and_clamp(self):
        w, x, exact = problem(23, 31, 17)
        plan = Plan(Csr.from_dense(w), n=17, budget=-1)
        bias = np.linspace(-2, 2, 23, dtype=np.float32)
        out = np.empty((23, 17), np.float32)
        self.assertIs(plan.run(x, out=out, bias=bias), out)
        self.close(out, exact + bias[:, None])
        clamped = np.clip(exact + bias[:, None], 0, 1.5)
        self.close(plan.run(x, bias=bias, lo=0, hi=1.5), clamped)
        self.close(plan.run(np.ascontiguousarray(x.T), bias=bias, lo=0, hi=1.5, layout="token"),
                   clamped.T)
        self.assertTrue((clamped == 1.5).any() and (clamped == 0).any())

    def test_a_bound_call_reads_its_operands_anew(self):
        w, x, exact = problem(20, 30, 8)
        call = Plan(Csr.from_dense(w), n=8, budget=-1).bind(x)
        self.close(call(), exact)
        x *= 2
        self.close(call(), 2 * exact)

    def test_nothing_to_do(self):
        w, _, _ = problem(5, 6, 1)
        plan = Plan(Csr.from_dense(w), budget=-1)
        self.assertEqual(plan.run(np.empty((6, 0), np.float32)).shape, (5, 0))

    def test_threads_share_a_plan(self):
        w, x, exact = problem(64, 96, 40)
        plan = Plan(Csr.from_dense(w), n=40, threads=2, budget=-1)
        self.assertEqual(plan.info()["threads"], 2)
        results = []
        workers = [threading.Thread(target=lambda: results.append(plan.run(x))) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(len(results), 8)
        for y in results:
            self.close(y, exact)

    def test_options_and_info(self):
        w, x, exact = problem(40, 50, 16)
        csr = Csr.from_dense(w)
        plan = Plan(csr, n=16, kernel=SCALAR, kt=20, mc=7)
        info = plan.info()
        self.assertEqual((info["kernel"], info["format"], info["isa"], info["mr"], info["nr"]),
                         (SCALAR, "csr", "scalar", 1, 8))
        self.assertEqual((info["rows"], info["cols"], info["nnz"], info["kt"], info["mc"]),
                         (40, 50, csr.val.size, 20, 7))
        self.assertGreaterEqual(info["bytes"]["values"], 4 * csr.val.size)
        self.close(plan.run(x), exact)
        for name in ("csr", "panel", "dense"):
            self.assertEqual(Plan(csr, format=name, budget=-1).info()["format"], name)
        self.assertEqual(Plan(csr, isa=["scalar"], budget=-1).info()["isa"], "scalar")
        self.assertGreater(Plan(csr, n=16, budget=0.002).info()["candidates"], 0)


@needs_library
class Matrix(BindingTest):
    def test_dense_round_trip(self):
        w = problem(17, 29, 1)[0]
        for view in (w, np.asfortranarray(w), w[::2, ::-1], w[3:4], w[:, 5:6]):
            csr = Csr.from_dense(view)
            self.assertEqual(csr.val.size, np.count_nonzero(view))
            np.testing.assert_array_equal(csr.to_dense(), view)

    def test_unpack_gives_back_what_was_packed(self):
        csr = Csr.from_dense(problem(33, 65, 1)[0])
        back = Plan(csr, budget=-1).unpack()
        self.assertEqual(back.shape, csr.shape)
        for name in ("row_ptr", "col", "val"):
            np.testing.assert_array_equal(getattr(back, name), getattr(csr, name))

    def test_arrays_are_copies(self):
        col, val = np.array([1, 0], np.int64), np.array([2, 3], np.float32)
        csr = Csr(np.array([0, 1, 2]), col, val, 2)
        col[:], val[:] = 9, 9
        np.testing.assert_array_equal(csr.to_dense(), [[0, 2], [3, 0]])
        with self.assertRaises(ValueError):
            csr.col[0] = 9

    def test_what_is_refused(self):
        one = np.array([1], np.float32)
        for row_ptr, col, val, status, message in (
                ([0, 1], [2], one, sparsemark.E_FORMAT, "expected columns below 2, got 2"),
                ([0, 2], [0], one, sparsemark.E_FORMAT, "row offset 1: expected 0 to 1, got 2"),
                ([0, 1], [0], 0 * one, sparsemark.E_FORMAT, "finite nonzero value, got 0"),
                ([0, 1], [0, 1], one, sparsemark.E_ARG, "row_ptr, col, val: expected"),
                ([0, 1], [-1], one, sparsemark.E_LIMIT, "col: expected 0 to 4294967295, got -1"),
                ([0, 1 << 32], [0], one, sparsemark.E_LIMIT, "row_ptr: expected 0 to 4294967295"),
                ([0, 1], [0.5], one, sparsemark.E_ARG, "col: expected one row of integers"),
                ([0, 1], [0], one.astype(float), sparsemark.E_ARG, "val: expected an array of")):
            self.refuse(status, message, Csr, row_ptr, col, val, 2)
        w = np.ones((3, 4), np.float32)
        w[1, 2] = np.nan
        self.refuse(sparsemark.E_FORMAT, "row 1, column 2: expected a finite value", Csr.from_dense,
                    w)
        self.refuse(sparsemark.E_ARG, "w: expected an array of float32, got float64",
                    Csr.from_dense, np.ones((3, 4)))
        self.refuse(sparsemark.E_ARG, "w: expected shape (any, any), got (3,)", Csr.from_dense,
                    np.ones(3, np.float32))


@needs_library
class Refusals(BindingTest):
    def setUp(self):
        self.w, self.x, _ = problem(6, 8, 5)
        self.csr = Csr.from_dense(self.w)

    def test_plans(self):
        for named, status, message in (
                ({"kernel": "spmm_nothing"}, sparsemark.E_ARG, "unknown kernel 'spmm_nothing'"),
                ({"isa": "mmx"}, sparsemark.E_ARG, "unknown instruction-set level 'mmx'"),
                ({"format": "coo"}, sparsemark.E_ARG, "unknown format 'coo': expected one of csr"),
                ({"format": []}, sparsemark.E_ARG, "expected at least one name"),
                ({"kernel": SCALAR, "format": "dense"}, sparsemark.E_ARG, "no kernel has"),
                ({"layout": "nchw"}, sparsemark.E_ARG, "unknown layout 'nchw': expected one of"),
                ({"n": -1}, sparsemark.E_ARG, "n: expected a whole number from 0 on, got -1"),
                ({"threads": 1.5}, sparsemark.E_ARG, "threads: expected a whole number")):
            self.refuse(status, message, Plan, self.csr, **named)
        empty = Csr.from_dense(np.empty((0, 4), np.float32))
        self.refuse(sparsemark.E_ARG, "matrix of 0 x 4: expected at least one row", Plan, empty)

    def test_operands(self):
        run = Plan(self.csr, budget=-1).run
        x, wide = self.x, np.ones((8, 40), np.float32)
        read_only = np.empty((6, 5), np.float32)
        read_only.flags.writeable = False
        memory = np.ones((8, 10), np.float32)
        unaligned = np.zeros(8 * 5 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(8, 5)
        for arguments, named, message in (
                ((x.astype(np.float64),), {}, "x: expected an array of float32, got float64"),
                ((x.tolist(),), {}, "x: expected an array of float32, got list"),
                ((x[:-1],), {}, "x: expected shape (8, any), got (7, 5)"),
                ((x[0],), {}, "x: expected shape (8, any), got (5,)"),
                ((x,), {"layout": "token"}, "x: expected shape (any, 8), got (8, 5)"),
                ((wide[:, ::8],), {}, "x: expected one stride of 1 element"),
                ((x[::-1],), {}, "x: expected one stride of 1 element"),
                ((x[:, ::-1],), {}, "x: expected one stride of 1 element"),
                ((np.broadcast_to(x[:1], x.shape),), {}, "x: expected one stride of 1 element"),
                ((unaligned,), {}, "x: expected whole floats"),
                ((x,), {"out": np.empty((5, 6), np.float32)}, "out: expected shape (6, any)"),
                ((x,), {"out": np.empty((6, 4), np.float32)}, "out: expected shape (6, 5)"),
                ((x,), {"out": read_only}, "out: expected an array that can be written"),
                ((memory[:, :5],), {"out": memory[:6, 4:9]}, "out: expected memory of its own"),
                ((x,), {"bias": np.ones(5, np.float32)}, "bias: expected shape (6), got (5,)"),
                ((x,), {"bias": np.ones(12, np.float32)[::2]}, "bias: expected a stride of 1"),
                ((x,), {"lo": 1, "hi": 0}, "lo, hi: expected lo <= hi, got 1 and 0"),
                ((x,), {"lo": float("nan")}, "lo, hi: expected lo <= hi, got nan")):
            self.refuse(sparsemark.E_ARG, message, run, *arguments, **named)

    def test_the_library(self):
        """In a process of its own: the library stays open once it is found."""
        for path, message in (("/nowhere/libsparsemark.so.1", "cannot open shared object file"),
                              ("libc.so.6", "undefined symbol: sm_abi")):
            done = subprocess.run(
                [sys.executable, "-c", "import sparsemark; sparsemark.library()"],
                env={**os.environ, "SPARSEMARK_LIBRARY": path}, check=False, encoding="utf-8",
                cwd=os.path.join(ROOT, "scripts"), stderr=subprocess.PIPE)
            self.assertIn("SparsemarkError", done.stderr)
            self.assertIn(message, done.stderr)
            self.assertIn("SPARSEMARK_LIBRARY to name libsparsemark", done.stderr)


@needs_library
class Pruning(BindingTest):
    def setUp(self):
        self.w = np.random.default_rng(5).standard_normal((24, 40)).astype(np.float32)

    def test_masks(self):
        kept, threshold = sparsemark.prune_mask(self.w, "unstructured", 0.75)
        self.assertEqual((kept.dtype, kept.shape, kept.sum()), (np.bool_, (24, 40), 240))
        np.testing.assert_array_equal(kept, np.abs(self.w) >= np.float32(threshold))
        blocks, _ = sparsemark.prune_mask(self.w, "block:4x2", 0.5, pool="max")
        largest = np.abs(self.w).reshape(6, 4, 20, 2).max((1, 3))
        expected = largest >= np.sort(largest.ravel())[-60]
        np.testing.assert_array_equal(blocks, expected.repeat(4, 0).repeat(2, 1))
        groups, threshold = sparsemark.prune_mask(self.w, "nm:2:4")
        self.assertTrue((groups.reshape(24, 10, 4).sum(2) == 2).all() and math.isnan(threshold))
        # The same weights stored in another way, in views that are not contiguous as well.
        for pattern in ("block:4x2", "nm:2:4", "rows"):
            one, _ = sparsemark.prune_mask(self.w, pattern, 0.5)
            other, _ = sparsemark.prune_mask(self.w.T, pattern, 0.5, order="in-out")
            np.testing.assert_array_equal(one, other.T)

    def test_convolutions(self):
        w = np.random.default_rng(6).standard_normal((3, 3, 8, 5)).astype(np.float32)
        kept, _ = sparsemark.prune_mask(w, "nm:1:4", order="hwio", tfmot=True)
        self.assertTrue((kept.reshape(9, 2, 4, 5).sum(2) == 1).all())
        other, _ = sparsemark.prune_mask(w.transpose(3, 2, 0, 1), "nm:1:4", order="oihw")
        np.testing.assert_array_equal(kept, other.transpose(2, 3, 1, 0))

    def test_one_threshold_for_many(self):
        parts = [self.w[:5], self.w[5:6].T, self.w[6:].reshape(2, -1)]
        threshold = sparsemark.prune_threshold(parts, 0.9)
        self.assertEqual(threshold, sparsemark.prune_mask(self.w, "unstructured", 0.9)[1])
        kept = [sparsemark.prune_mask(part, "unstructured", threshold=threshold)[0]
                for part in parts]
        self.assertEqual(sum(mask.sum() for mask in kept), 96)

    def test_schedules(self):
        decay = sparsemark.Schedule("polynomial:0.5,0.8,0,844")
        self.assertEqual([step for step in range(1, 1000) if decay.updates(step)],
                         list(range(100, 801, 100)))
        self.assertEqual((decay.sparsity(0), decay.sparsity(844)), (0.5, float(np.float32(0.8))))
        for eager in (False, True):
            self.assertAlmostEqual(decay.sparsity(422, eager), 0.8 - 0.3 / 8, places=6)
        self.assertFalse(sparsemark.Schedule("constant:0.5,10,20").updates(110))

    def test_what_is_refused(self):
        w = self.w.copy()
        w[3, 4] = np.nan
        mask = sparsemark.prune_mask
        for arguments, named, status, message in (
                ((w, "unstructured", 0.5), {}, sparsemark.E_FORMAT, "element [3,4]: expected a"),
                ((self.w, "2:4"), {}, sparsemark.E_ARG, "pattern '2:4': expected unstructured"),
                ((self.w, "unstructured"), {}, sparsemark.E_ARG, "sparsity: expected 0 to 1, got"),
                ((self.w, "rows", 0.5, "oi"), {}, sparsemark.E_ARG, "unknown order 'oi'"),
                ((self.w, "rows", 0.5), {"pool": "SUM"}, sparsemark.E_ARG, "unknown pool 'SUM'"),
                ((self.w, "rows", 0.5), {"tfmot": True}, sparsemark.E_ARG, "has no such pattern"),
                ((self.w.astype(float), "rows", 0.5), {}, sparsemark.E_ARG, "score: expected an"),
                ((self.w.tolist(), "rows", 0.5), {}, sparsemark.E_ARG, "score: expected an array"),
                ((self.w[:, :1], "nm:2:4"), {}, sparsemark.E_ARG, "weights of 1 input: expected")):
            self.refuse(status, message, mask, *arguments, **named)
        self.refuse(sparsemark.E_ARG, "arrays[1]: expected an array of float32",
                    sparsemark.prune_threshold, [self.w, None], 0.5)
        self.refuse(sparsemark.E_ARG, "schedule 'constant:1': expected", sparsemark.Schedule,
                    "constant:1")


@needs_library
class Headers(unittest.TestCase):
    """The binding repeats the headers' structs and numbers: the compiler says whether rightly."""

    def test_structs_and_numbers(self):
        expected = {"SM_ABI": sparsemark.ABI, "SM_OK": 0}
        for i, name in enumerate(sparsemark.LAYOUTS):
            expected[f"SM_{name.upper()}_MAJOR"] = i
        for prefix, names in (("ORDER", sparsemark.ORDERS), ("POOL", sparsemark.POOLS)):
            for i, name in enumerate(names):
                expected[f"SM_{prefix}_{name.upper().replace('-', '_')}"] = i
        for name in ("E_ARG", "E_NOMEM", "E_IO", "E_FORMAT", "E_ISA", "E_LIMIT"):
            expected[f"SM_{name}"] = getattr(sparsemark, name)
        for struct in sparsemark.STRUCTS:
            expected[f"sizeof({struct.__name__})"] = sparsemark.ctypes.sizeof(struct)
            for name, kind in struct._fields_:
                field = getattr(struct, name)
                expected[f"offsetof({struct.__name__}, {name})"] = field.offset
                expected[f"sizeof((({struct.__name__} *)0)->{name})"] = (
                    sparsemark.ctypes.sizeof(kind))
        lines = "".join(f'    printf("%zu\\n", (size_t)({what}));\n' for what in expected)
        includes = ("sparsemark/plan.h", "sparsemark/prune.h", "sparsemark/version.h", "stdio.h")
        text = "".join(f"#include <{name}>\n" for name in includes)
        text += f"int main(void) {{\n{lines}    return 0;\n}}\n"
        with tempfile.TemporaryDirectory() as folder:
            source, program = os.path.join(folder, "sizes.c"), os.path.join(folder, "sizes")
            with open(source, "w", encoding="utf-8") as file:
                file.write(text)
            subprocess.run([os.environ.get("CC", "cc"), "-I", HEADERS, "-o", program, source],
                           check=True)
            said = subprocess.run([program], check=True, stdout=subprocess.PIPE).stdout.split()
        self.assertEqual(dict(zip(expected, map(int, said))), expected)


if __name__ == "__main__":
    unittest.main()
