"""scripts/verdict.py: its estimators against small cases worked out here, its states against data
with known answers."""

import itertools
import json
import math
import os
import subprocess
import sys
import unittest

from ab_record import Maker
from program import ROOT

sys.path.insert(0, os.path.join(ROOT, "scripts"))

try:
    import numpy as np
    import verdict
    import verdict_record
except ImportError as error:
    raise unittest.SkipTest(f"{error}: run with .venv/bin/python") from None

verdict.RESAMPLES = 999  # a tenth of the usual, for speed: no answer here is a close one
SCRIPT = os.path.join(ROOT, "scripts", "verdict.py")


def states(record):
    return [cell["state"] for cell in verdict.judge(record)["cells"]]


class Estimators(unittest.TestCase):
    def test_hodges_lehmann(self):
        for values in ([3.0], [1.0, 2.0], [1.0, 5.0, 2.0, 8.0], [0.3, -0.1, 7.0, 0.2, 0.25]):
            pairs = sorted((a + b) / 2 for a, b in
                           itertools.combinations_with_replacement(values, 2))
            middle = len(pairs) // 2
            expected = (pairs[middle] if len(pairs) % 2
                        else (pairs[middle - 1] + pairs[middle]) / 2)
            self.assertAlmostEqual(verdict.hodges_lehmann(np.array(values)), expected)

    def test_hodges_lehmann_bears_wild_values(self):
        self.assertLess(abs(verdict.hodges_lehmann(np.array([0.01] * 8 + [9.0, 9.0]))), 0.02)

    def wilcoxon_by_counting(self, values):
        """All signs are equally likely: how many sums of ranks are as far out as this one?"""
        ranks = [1 + sorted(map(abs, values)).index(abs(v)) for v in values]
        seen = sum(r for r, v in zip(ranks, values, strict=True) if v > 0)
        centre = sum(ranks) / 2
        sums = [sum(r for r, s in zip(ranks, signs, strict=True) if s)
                for signs in itertools.product((0, 1), repeat=len(ranks))]
        return sum(abs(s - centre) >= abs(seen - centre) for s in sums) / len(sums)

    def test_wilcoxon(self):
        for values in ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, -2.0, 3.0, 4.0, 5.5, -0.5, 7.0],
                       [-1.0, -2.5, -3.0, -4.0, 0.2], [1.0, -2.0, 3.0, -4.0]):
            self.assertAlmostEqual(verdict.wilcoxon(np.array(values)),
                                   self.wilcoxon_by_counting(values))

    def test_wilcoxon_without_differences(self):
        self.assertEqual(verdict.wilcoxon(np.zeros(10)), 1.0)

    def test_benjamini_hochberg(self):
        """q of the k-th smallest p of m: the smallest p_j m / j of all j >= k."""
        effects = [0.0, 0.01, 0.1, 0.0, 0.02]
        cells = verdict.judge(Maker().record(effects))["cells"]
        ps = [cell["p"] for cell in cells]
        ranked = sorted(range(len(ps)), key=lambda i: ps[i])
        for k, i in enumerate(ranked):
            expected = min(min(1.0, ps[j] * len(ps) / (r + 1))
                           for r, j in enumerate(ranked) if r >= k)
            self.assertAlmostEqual(cells[i]["q"], expected)

    def test_interval(self):
        rng = np.random.default_rng(5)
        values = rng.normal(0.05, 0.01, 12)
        low, high = verdict.interval(values)
        self.assertTrue(low < verdict.hodges_lehmann(values) < high)
        self.assertTrue(values.min() <= low and high <= values.max())
        self.assertEqual((low, high), verdict.interval(values))
        self.assertEqual(verdict.interval(np.full(10, 0.5)), (0.5, 0.5))
        self.assertEqual(verdict.interval(np.array([0.25])), (0.25, 0.25))

    def test_rounds_needed(self):
        """The smallest n for which one cell's best possible p survives Benjamini-Hochberg."""
        for cells in (1, 2, 7, 24, 100, 1000):
            n = next(n for n in range(1, 99) if cells * 2.0 ** (1 - n) < 0.05)
            self.assertEqual(verdict.rounds_needed(cells), n)

    def test_clopper_pearson(self):
        (low, high), (_, all_high) = verdict.rates([[0, 200], [200, 200]])
        self.assertEqual((low, all_high), (0, 1))
        self.assertAlmostEqual(high, 1 - 0.025 ** (1 / 200))


class Reduction(unittest.TestCase):
    def entry(self, base, cand, taints=None):
        ns = [base, base, cand, cand]
        return verdict_record.Entry(0, ns, taints or [[0] * len(arm) for arm in ns], [[1, 1]] * 4)

    def test_the_quick_end(self):
        d, doubtful = verdict_record.difference(
            self.entry([100, 101, 102, 103, 900], [200, 202, 204, 206, 1800]))
        self.assertAlmostEqual(d, math.log(2))
        self.assertFalse(doubtful)

    def test_disturbed_samples_are_left_out_where_enough_remain(self):
        wild = [100] * 5 + [9000] * 3
        clean, dirty = [0] * 8, [0] * 5 + [8] * 3
        d, doubtful = verdict_record.difference(
            self.entry(wild[:5] + [50] * 3, [100] * 8, [dirty, dirty, clean, clean]))
        self.assertEqual((d, doubtful), (0, False))
        d, doubtful = verdict_record.difference(
            self.entry([50] * 8, [100] * 8, [[8] * 8, [8] * 8, clean, clean]))
        self.assertAlmostEqual(d, math.log(2))
        self.assertTrue(doubtful)

    def test_the_copies(self):
        entry = self.entry([100] * 5, [300] * 5)
        entry.ns[1] = [110] * 5
        self.assertAlmostEqual(verdict_record.copies_difference(entry)[0], math.log(1.1))


class States(unittest.TestCase):
    def test_same(self):
        self.assertEqual(states(Maker().record([0.0, 0.005, -0.005])), ["SAME"] * 3)

    def test_slow_and_fast_need_two_blocks(self):
        effects = [0.1, -0.1, 0.0]
        answer = verdict.judge(Maker().record(effects))
        self.assertEqual([cell["state"] for cell in answer["cells"]],
                         ["AMBIGUOUS", "AMBIGUOUS", "SAME"])
        self.assertEqual(answer["suspects"], [0, 1])
        self.assertIn("not measured again", answer["cells"][0]["reason"])
        answer = verdict.judge(Maker().record(effects, again={0: 0.1, 1: -0.1}))
        self.assertEqual([cell["state"] for cell in answer["cells"]], ["SLOW", "FAST", "SAME"])
        self.assertEqual(answer["counts"], {"SLOW": 1, "FAST": 1, "SAME": 1, "AMBIGUOUS": 0})
        self.assertAlmostEqual(answer["cells"][0]["effect"], 0.1, delta=0.01)
        self.assertAlmostEqual(answer["cells"][1]["again"]["effect"], -0.1, delta=0.01)

    def test_what_does_not_show_again(self):
        for effect in (0.0, -0.1):
            answer = verdict.judge(Maker().record([0.1, 0.0], again={0: effect}))
            self.assertEqual(answer["cells"][0]["state"], "AMBIGUOUS")
            self.assertIn("SLOW once, then", answer["cells"][0]["reason"])

    def test_an_effect_about_delta(self):
        self.assertEqual(states(Maker(scatter=0.02).record([0.03], again={0: 0.03})), ["AMBIGUOUS"])

    def test_uniform_changes_are_real(self):
        """All cells slower by the same share: nothing is centred away."""
        effects = [0.1] * 6
        self.assertEqual(states(Maker().record(effects, again=dict(enumerate(effects)))),
                         ["SLOW"] * 6)

    def test_few_rounds(self):
        self.assertEqual(states(Maker().record([0.0, 0.1], rounds=5)), ["AMBIGUOUS"] * 2)
        answer = verdict.judge(Maker().record([0.1] + [0.0] * 30, rounds=9))
        self.assertEqual(answer["cells"][0]["state"], "AMBIGUOUS")
        self.assertIn("9 rounds are too few for 31 cells: 11 needed", answer["cells"][0]["reason"])

    def test_copies_that_differ_widen_delta(self):
        record = Maker(copies=0.06).record([0.08], again={0: 0.08})
        answer = verdict.judge(record)
        self.assertGreater(answer["cells"][0]["delta"], 0.11)
        self.assertEqual(answer["cells"][0]["state"], "AMBIGUOUS")
        self.assertEqual(states(Maker().record([0.08], again={0: 0.08})), ["SLOW"])

    def test_a_wide_delta_does_not_make_things_the_same(self):
        answer = verdict.judge(Maker(copies=0.06).record([0.05]))
        self.assertLess(answer["cells"][0]["high"], answer["cells"][0]["delta"])
        self.assertEqual(answer["cells"][0]["state"], "AMBIGUOUS")

    def test_delta_is_the_users(self):
        for delta, state in ((0.03, "SLOW"), (0.2, "SAME")):
            record = Maker().record([0.1], again={0: 0.1}, delta=delta)
            self.assertEqual(states(record), [state])

    def test_the_order_of_cells_in_a_block(self):
        record = Maker().record([0.1, 0.0], again={0: 0.1})
        record["blocks"][0]["cells"].reverse()
        self.assertEqual(states(record), ["SLOW", "SAME"])

    def test_a_control_that_moves(self):
        for control in (0.08, -0.08):
            answer = verdict.judge(Maker().record([0.0, 0.1], again={1: 0.1}, control=control))
            self.assertTrue(answer["control"]["moved"])
            self.assertEqual({cell["state"] for cell in answer["cells"]}, {"AMBIGUOUS"})
        self.assertFalse(verdict.judge(Maker().record([0.0], control=0.03))["control"]["moved"])

    def test_busy(self):
        answer = verdict.judge(Maker(tainted=0.43).record([0.0, 0.0]))
        self.assertAlmostEqual(answer["disturbed"], 0.43, delta=0.05)
        self.assertTrue(answer["busy"])
        self.assertFalse(verdict.judge(Maker(tainted=0.1).record([0.0]))["busy"])
        answer = verdict.judge(Maker(tainted=0.9).record([0.0]))
        self.assertEqual(answer["cells"][0]["noisy_rounds"], 11)

    def test_no_alarm_in_many_equal_cells(self):
        answer = verdict.judge(Maker(scatter=0.02).record([0.0] * 60, rounds=12))
        self.assertEqual(answer["suspects"], [])


class Script(unittest.TestCase):
    def ask(self, task, text, code=0):
        done = subprocess.run([sys.executable, SCRIPT, task], input=text, capture_output=True,
                              encoding="utf-8", check=False, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (code, ""), done.stderr)
        return done.stdout

    def test_the_same_data_give_the_same_answer(self):
        text = json.dumps(Maker(tainted=0.3).record([0.05, 0.0, -0.02], again={0: 0.05}))
        self.assertEqual(self.ask("judge", text), self.ask("judge", text))

    def test_cells_do_not_depend_on_each_other(self):
        """But for q: the bootstrap of a cell starts from the same seed, whatever else there is."""
        record = Maker().record([0.02, 0.0])
        alone = json.loads(json.dumps(record))
        alone["cells"].pop()
        alone["blocks"][0]["cells"].pop()
        for taken in alone["blocks"][0]["rounds"]:
            taken["cells"] = [entry for entry in taken["cells"] if entry["cell"] != 1]
        both, one = verdict.judge(record)["cells"][0], verdict.judge(alone)["cells"][0]
        for name in ("effect", "low", "high", "p", "delta"):
            self.assertEqual(both[name], one[name])

    def test_rounds(self):
        self.assertEqual(json.loads(self.ask("rounds", "1")), {"rounds": 10})
        self.assertEqual(json.loads(self.ask("rounds", "84")), {"rounds": 12})

    def test_what_is_no_json(self):
        self.assertIn("not JSON", json.loads(self.ask("judge", "{"))["error"])

    def broken(self, change):
        record = Maker().record([0.0, 0.1], again={1: 0.1})
        change(record)
        with self.assertRaises(verdict_record.RecordError) as caught:
            verdict.judge(record)
        return str(caught.exception)

    def test_broken_records(self):
        first = ("blocks", 0, "rounds", 3, "cells", 1)
        for where, value in (
                (("type",), "run"), (("schema",), 2), (("machine",), None), (("machine", "slug"), 1),
                (("machine", "warnings"), [1]), (("only_in", "cand"), None),
                (("base",), []), (("cand", "file"), None), (("options", "delta"), 0),
                (("options", "delta"), "x"), (("options", "delta"), 7), (("points",), None),
                (("points", 0, "layer"), 5), (("points", 0, "n"), "32"), (("cells", 0, "kernel"), 3),
                (("cells", 1, "point"), 1), (("cells", 1, "point"), -1), (("cells", 1, "point"), True),
                (("blocks",), []), (("blocks",), {}), (("blocks", 0, "cells"), [0]),
                (("blocks", 0, "cells"), [0, 0]), (("blocks", 0, "cells"), [0, 2]),
                (("blocks", 1, "cells"), []), (("blocks", 0, "rounds"), []), (first, None),
                ((*first, "cell"), 7), ((*first, "ns"), []), ((*first, "ns", 2), []),
                ((*first, "ns", 2, 0), 0), ((*first, "ns", 2, 0), "x"), ((*first, "ns", 2, 0), math.inf),
                ((*first, "ns", 2, 0), math.nan), ((*first, "ns", 2, 0), 10 ** 400),
                ((*first, "taints", 1), [0]), ((*first, "taints", 1, 0), 0.5),
                ((*first, "blocking"), [])):
            def change(record, where=where, value=value):
                for key in where[:-1]:
                    record = record[key]
                record[where[-1]] = value
            with self.subTest(where):
                self.assertIn("expected", self.broken(change))
        self.assertIn("once", self.broken(lambda r: r["blocks"][0]["rounds"][3]["cells"].pop()))
        with self.assertRaises(verdict_record.RecordError):
            verdict.judge([])


if __name__ == "__main__":
    unittest.main()
