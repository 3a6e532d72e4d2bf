"""scripts/independent.py: the right products are timed and rightly judged. No timing is tested."""

import contextlib
import io
import json
import os
import subprocess
import sys
import unittest
from unittest import mock

import numpy as np

from program import PROGRAM, ROOT, ProgramTest, needs_program, run

sys.path.insert(0, os.path.join(ROOT, "scripts"))
os.environ.setdefault("SPARSEMARK_LIBRARY", os.path.join(os.path.dirname(PROGRAM),
                                                         "libsparsemark.so.1"))
import independent  # noqa: E402
import independent_cell  # noqa: E402

SCALAR, DENSE = "spmm_csr_f32_scalar_row_1x8", "spmm_dense_f32_scalar_tile_4x8"


def peers():
    """name -> file of the dense libraries that can be used here."""
    found = json.loads(run("list", "peers", "--json").stdout)
    return {p["name"]: p["path"] for p in found if p["usable"] and p["kind"] == "dense"}


@needs_program
class Cell(ProgramTest):
    def setUp(self):
        super().setUp()
        self.pattern = self.path("pattern.smtx")
        independent.write_pattern(self.pattern, 37, 29, 0.6, 1)

    def request(self, dense, n=7, token=False, **changes):
        made = {"pattern": self.pattern, "n": n, "token": token, "rounds": 2, "seed": 1,
                "sparse": {"kernel": SCALAR, "kt": 16, "mc": 8},
                "dense": {"kt": 29, "mc": 40, "file": "", **dense}}
        return {**made, **changes}

    def test_every_opponent_computes_the_product(self):
        """time_cell() checks both products before it times them."""
        with mock.patch.object(independent_cell, "SAMPLE_NS", 1e5):
            for dense in [{"kernel": DENSE}, *({"kernel": name, "file": file}
                                               for name, file in peers().items())]:
                for n, token in ((7, False), (7, True), (1, False), (1, True)):
                    answer = independent_cell.time_cell(self.request(dense, n, token))
                    self.assertGreater(min(answer.values()), 0, dense)

    def test_a_wrong_product_is_found(self):
        def idle(*_):
            return lambda: None

        def doubled(_, w, x, y, token):
            return lambda: np.matmul(2 * w, x, out=y)

        with mock.patch.dict(independent_cell.PEERS, idle=idle, doubled=doubled):
            for name in "idle", "doubled":
                with self.assertRaisesRegex(independent_cell.Wrong, f"{name} did not compute W X"):
                    independent_cell.time_cell(self.request({"kernel": name, "file": "libc.so.6"}))

    def test_what_cannot_be_timed_says_why(self):
        for request, message in (
                (self.request({"kernel": "atlas", "file": "libc.so.6"}), "no way to call atlas"),
                (self.request({"kernel": "blis", "file": "/nowhere/libblis.so"}), "/nowhere/"),
                (self.request({"kernel": "blis", "file": "libc.so.6"}), "undefined symbol: bli_"),
                (self.request({"kernel": "spmm_nothing"}), "unknown kernel 'spmm_nothing'"),
                (self.request({"kernel": DENSE, "mc": 41}), "those of the record, 29 and 41")):
            done = subprocess.run([sys.executable, independent.CELL], input=json.dumps(request),
                                  stdout=subprocess.PIPE, encoding="utf-8", check=True)
            self.assertIn(message, json.loads(done.stdout)["skipped"])

    def test_a_process_that_dies_is_a_skipped_cell(self):
        cell = {"speedup_dense": 2.0, "threads": 1, "source": "/nowhere.smtx", "n": 4,
                "layout": "feature", "kernel": SCALAR, "kt": 1, "mc": 1}
        options = independent.parse(["--program", PROGRAM])
        with mock.patch.object(independent, "CELL", self.put("dies.py", "raise SystemExit('why')")):
            answer = independent.time_again(cell, {}, options)
        self.assertEqual(answer, {"skipped": "its process ended with code 1: why"})


@needs_program
class Whole(ProgramTest):
    def script(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = independent.main(arguments)
        return code, out.getvalue(), err.getvalue()

    def call(self, *arguments):
        return subprocess.run(
            [sys.executable, os.path.join(ROOT, "scripts", "independent.py"), "--program", PROGRAM,
             "--shapes", "24x16,16x24", "--sparsity", "0.5", "--rounds", "1", *arguments, "--",
             "--n", "8", "--budget", "2s", "--layout", "token"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", check=False)

    def test_cells_are_compared_with_the_records(self):
        done = self.call("--json")
        result = json.loads(done.stdout)
        self.assertEqual((done.returncode, result["code"]), (3, 3), done.stderr)
        self.assertEqual((result["compared"], result["skipped"], result["enough"]), (2, 0, 12))
        self.assertEqual({cell["layer"] for cell in result["cells"]}, {"24x16-0.5", "16x24-0.5"})
        for cell in result["cells"]:
            self.assertEqual((cell["n"], cell["layout"]), (8, "token"))
            self.assertAlmostEqual(cell["difference"], cell["independent"] / cell["printed"] - 1)
            self.assertGreater(min(cell["sparse_ns"], cell["dense_ns"]), 0)
        done = self.call()
        self.assertEqual(done.returncode, 3, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 4)
        self.assertIn("2 cells compared, 0 skipped", lines[-1])
        self.assertTrue(lines[-1].endswith("undecided, expected at least 12 cells"))

    def test_what_is_refused(self):
        code, out, err = self.script("--program", "/nowhere/sparsemark")
        self.assertEqual((code, out), (2, ""))
        self.assertIn("independent.py: /nowhere/sparsemark: cannot be run", err)
        for arguments in (["--shapes", "3x"], ["--sparsity", "1"], ["--rounds", "0"]):
            with self.assertRaises(SystemExit) as caught, contextlib.redirect_stderr(io.StringIO()):
                independent.main(arguments)
            self.assertEqual(caught.exception.code, 2)

    def test_peers_are_neither_steered_nor_threaded(self):
        with mock.patch.dict(os.environ, OPENBLAS_CORETYPE="Haswell", OPENBLAS_L2_SIZE="1",
                             OMP_NUM_THREADS="8"):
            found = independent.environment("/somewhere/sparsemark")
        self.assertFalse({"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & set(found))
        self.assertEqual({found[name] for name in independent.COUNTS}, {"1"})
        self.assertEqual(found["SPARSEMARK_LIBRARY"], "/somewhere/libsparsemark.so.1")


class Judgement(unittest.TestCase):
    def rows(self, *differences):
        return [{"layer": "a", "n": 8, "layout": "feature", "kernel": "k", "dense_kernel": "d",
                 "taints": ["noisy"], "printed": 2.0, "independent": d and 2.0 * (1 + d),
                 "difference": d, "skipped": "" if d is not None else "because"}
                for d in differences]

    def test_the_median_decides(self):
        for differences, code, median in (
                ([0.04, -0.04] * 6, 0, 0.04), ([0.06, -0.06] * 6, 1, 0.06),
                ([-0.01] * 7 + [0.5] * 5, 0, 0.01), ([0.01] * 5 + [-0.5] * 7, 1, 0.5),
                ([0.01] * 11 + [None], 3, 0.01), ([None], 3, None)):
            result = independent.summary(self.rows(*differences))
            self.assertEqual(result["code"], code)
            self.assertEqual(result["median_difference"], median)
            self.assertEqual(result["skipped"], differences.count(None))

    def test_the_table_shows_marks_and_reasons(self):
        rows = self.rows(*[0.01] * 12, None)
        text = independent.table(rows, independent.summary(rows))
        self.assertIn("skipped: because", text)
        self.assertIn("+1.0%  k / d noisy", text)
        self.assertIn("12 cells compared, 1 skipped: difference 1.0% in the median, 1.0% at worst; "
                      "within 5%", text)

    def test_a_record_without_speedup_or_with_threads_is_skipped(self):
        for cell, message in (({"speedup_dense": None}, "the record has no speedup"),
                              ({"speedup_dense": 2.0, "threads": 2}, "2 threads: one is timed")):
            answer = independent.time_again(cell, {}, None)
            self.assertIn(message, answer["skipped"])


if __name__ == "__main__":
    unittest.main()
