"""scripts/sparse_peers.py on records made here: pairing by round, intervals, exceptions, exit codes."""

import contextlib
import io
import json
import unittest

from report_cases import RUN, Report, cell

import sparse_peers

ROUNDS = 10
OURS = "spmm_panel"


class SparsePeers(Report):
    def group(self, peers, ours=(100.0,) * ROUNDS, taints=(0,) * ROUNDS, layer="a", **values):
        """Our kernel, our dense one and peers {name: times}, timed together."""
        common = {"group": f"{layer}|s=0.5", "group_cells": 2 + len(peers), "plan_choice": OURS,
                  "layer": layer, "time_ns_median": 1.0, "sample_count": len(ours),
                  "sample_taints": list(taints), **values}
        cells = [cell(kernel=OURS, samples_ns=list(ours), **common),
                 cell(kernel="spmm_dense", format="dense", samples_ns=[1.0] * len(ours), **common)]
        return cells + [cell(kernel=name, peer=name, format="sparse", isa="", samples_ns=list(times),
                             **common) for name, times in peers.items()]

    def run_script(self, *records):
        self.put(RUN, *records)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = sparse_peers.main([self.path(), "--json"])
        return code, json.loads(out.getvalue() or "null"), err.getvalue()

    def test_ahead_everywhere(self):
        code, found, _ = self.run_script(
            *self.group({"mkl-sparse": [200.0] * ROUNDS, "librsb": [400.0] * ROUNDS}),
            *self.group({"mkl-sparse": [800.0] * ROUNDS, "librsb": [400.0] * ROUNDS}, layer="b"))
        self.assertEqual(code, 0)
        tables = {table["peer"]: table for table in found["tables"]}
        self.assertEqual(tables.keys(), {"mkl-sparse", "librsb", sparse_peers.FASTEST})
        for peer, mean, worst in (("mkl-sparse", 4, 2), ("librsb", 4, 4),
                                  (sparse_peers.FASTEST, 8 ** 0.5, 2)):
            self.assertAlmostEqual(tables[peer]["mean"], mean)
            self.assertAlmostEqual(tables[peer]["worst"], worst)
            self.assertEqual((tables[peer]["matrices"], tables[peer]["ahead"]), (2, 2))
        self.assertEqual(tables[sparse_peers.FASTEST]["worst_layer"], "a")
        self.assertEqual(found["exceptions"], [])

    def test_behind_and_undecided(self):
        code, found, _ = self.run_script(
            *self.group({"librsb": [90.0] * ROUNDS, "mkl-sparse": [50.0, 200.0] * (ROUNDS // 2)}))
        self.assertEqual(code, 1)
        self.assertEqual({row["peer"]: row["state"] for row in found["exceptions"]},
                         {"librsb": "behind", "mkl-sparse": "undecided"})
        code, *_ = self.run_script(*self.group({"librsb": [50.0, 200.0] * (ROUNDS // 2)}))
        self.assertEqual(code, 3)

    def test_pairs_within_rounds(self):
        """Both slow down tenfold together: the ratio of every round is 1.5, of the medians it is not."""
        ours = [100.0] * 5 + [1000.0] * 5
        code, found, _ = self.run_script(*self.group({"librsb": [1.5 * time for time in ours]}, ours))
        self.assertEqual(code, 0)
        self.assertAlmostEqual(found["tables"][0]["worst"], 1.5)

    def test_disturbed_rounds(self):
        times, taints = [200.0] * 6 + [10.0] * 4, [0] * 6 + [1] * 4
        code, found, _ = self.run_script(*self.group({"librsb": times}, taints=taints))
        self.assertEqual((code, found["tables"][0]["mean"]), (0, 2))
        taints = [0] * 4 + [1] * 6  # four are too few: all count
        code, found, _ = self.run_script(*self.group({"librsb": [200.0] * 4 + [10.0] * 6}, taints=taints))
        self.assertEqual(code, 3)
        self.assertAlmostEqual(found["tables"][0]["worst"], 0.1)

    def test_conditions_are_apart(self):
        _, found, _ = self.run_script(*self.group({"librsb": [200.0] * ROUNDS}),
                                      *self.group({"librsb": [300.0] * ROUNDS}, n=32),
                                      *self.group({"librsb": [400.0] * ROUNDS}, layout="token"))
        means = {(t["n"], t["layout"]): t["mean"] for t in found["tables"] if t["peer"] == "librsb"}
        for key, mean in (((512, "feature"), 2), ((32, "feature"), 3), ((512, "token"), 4)):
            self.assertAlmostEqual(means[key], mean)

    def test_untimed_peer(self):
        cells = self.group({"librsb": [200.0] * ROUNDS, "xnnpack": [200.0] * ROUNDS})
        cells[-1].update(taints=["wrong"], sample_count=0, samples_ns=[], sample_taints=[])
        code, found, _ = self.run_script(*cells)
        self.assertEqual(code, 3)
        self.assertEqual([row["peer"] for row in found["untimed"]], ["xnnpack"])

    def test_table(self):
        self.put(RUN, *self.group({"librsb": [90.0] * ROUNDS}))
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            sparse_peers.main([self.path()])
        self.assertIn("| librsb | 1 | 0.90 | 0.90 | a 50.0% | 0 | 0 | 1 |", out.getvalue())
        self.assertIn("- behind: librsb, a 50.0%, N = 512", out.getvalue())

    def test_interval(self):
        self.assertEqual(sparse_peers.interval([1.0] * 5), (None, None))
        # 2 / 2^6 of the cases lie outside of six values; of nine, 2 * 10 / 2^9 outside the inner seven
        self.assertEqual(sparse_peers.interval([3, 1, 2, 6, 5, 4]), (1, 6))
        self.assertEqual(sparse_peers.interval(list(range(1, 10))), (2, 8))

    def test_refusals(self):
        code, _, error = self.run_script(*self.group({}))
        self.assertEqual(code, 2)
        self.assertIn("sparse peers", error)
        cells = self.group({"librsb": [200.0] * 3})
        code, _, error = self.run_script(*cells)
        self.assertEqual(code, 2)
        self.assertIn("samples_ns", error)


if __name__ == "__main__":
    unittest.main()
