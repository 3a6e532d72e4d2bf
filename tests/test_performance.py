"""The performance page and what stands behind it, on records made here: ratios, rows, sections."""

import contextlib
import io
import json
import math
import os
import unittest

from program import ROOT
from report_cases import RUN, Performance, Report, cell, timed

import adversarial
import paired
import performance_data
import performance_page
import performance_sections
import plan_choice
import report_records
import scaling
from report_page import calls_text

TARGETS = performance_data.read_json(os.path.join(ROOT, "results", "targets.json"))


def with_roof(**scaling_of):
    return dict(RUN, roof={"scaling": scaling_of})


class Ratios(Performance):
    def test_only_rounds_in_which_nothing_was_disturbed(self):
        a = {"samples_ns": [2.0] * 5 + [90.0], "sample_taints": [0] * 5 + [4]}
        b = {"samples_ns": [1.0] * 6, "sample_taints": [0] * 6}
        found = paired.ratio_of(a, b)
        self.assertEqual((found.value, found.low, found.high, found.noisy), (2, 2, 2, False))
        a["sample_taints"][0] = 8
        found = paired.ratio_of(a, b)
        self.assertEqual((found.high, found.noisy), (90, True))
        self.assertIsNone(paired.ratio_of({"samples_ns": [], "sample_taints": []}, b))

    def test_intervals_hold_the_median_and_shrink(self):
        values = [math.sin(i) for i in range(101)]
        middle, low, high = paired.median_interval(values)
        self.assertTrue(low < middle < high)
        self.assertGreater(sum(low <= v <= high for v in values), 15)
        self.assertLess(sum(low <= v <= high for v in values), 25)
        self.assertEqual(paired.median_interval([1, 9]), (5, 1, 9))
        for n, rank in (5, 0), (6, 0), (8, 0), (9, 1), (16, 3), (48, 16), (100, 39), (120, 48):
            self.assertEqual(paired.median_interval(range(n))[1:], (rank, n - 1 - rank), n)


class Choices(Performance):
    def records(self):
        dense = {"format": "dense", "isa": "avx512"}
        return [timed("g", "plan", 106, group_cells=4), timed("g", "a", 100, group_cells=4),
                timed("g", "b", 150, group_cells=4), timed("g", "c", 95, group_cells=4, **dense),
                timed("h", "plan", 80, n=32), timed("h", "d", 120, n=32, **dense)]

    def test_the_plan_against_the_fastest_other_and_against_dense(self):
        run = self.run_of(*self.records())
        self.assertEqual([(r["other"], round(r["ratio"], 3), r["n"])
                          for r in plan_choice.choices(run)],
                         [("c", 1.116, 512), ("d", 0.667, 32)])
        self.assertEqual([r["other"] for r in plan_choice.against_dense(run)], ["c", "d"])

    def test_a_peer_is_no_rival_and_a_wrong_kernel_neither(self):
        records = self.records()
        records[1].update(taints=["wrong"])
        records[3].update(peer="openblas", kernel="openblas")
        run = self.run_of(*records)
        self.assertEqual(plan_choice.choices(run)[0]["other"], "b")
        self.assertEqual([r["n"] for r in plan_choice.against_dense(run)], [32])

    def test_a_plan_that_is_dense_is_not_its_own_control(self):
        run = self.run_of(timed("g", "plan", 100, format="dense"),
                          timed("g", "c", 100, format="dense"))
        self.assertEqual([r["other"] for r in plan_choice.against_dense(run)], ["c"])

    def test_tables(self):
        rows = plan_choice.choices(self.run_of(*self.records()))
        lines = plan_choice.summary(rows, ("provenance", "n"))
        self.assertIn("| seeded-gaussian | 512 | 1 | 0 (0.0 %) | 1 | 1.116 | 1.12 | a, N = 512 |",
                      lines)
        self.assertIn("| all | all | 2 | 1 (50.0 %) | 1 |", lines[-1])
        self.assertEqual(len(plan_choice.worst_cases(rows)), 3)
        self.assertIn("No case", plan_choice.worst_cases(rows[1:])[0])
        rows[0]["provenance"] = "other"
        self.assertIn("| - | 1.12 |", plan_choice.summary(rows, ("provenance",))[-1])


class HardShapes(Performance):
    def test_matrices(self):
        made = adversarial.matrices(8)
        for places in made.values():
            self.assertEqual(len(set(places)), len(places))
            self.assertTrue(all(0 <= r < 8 and 0 <= c < 8 for r, c in places))
        self.assertEqual({r for r, _ in made["dense-row"]}, {4})
        self.assertEqual(len(made["dense-column"]), 8)
        self.assertEqual((made["no-weight"], len(made["triangle"])), ([], 36))
        adversarial.write_mtx(self.path("m.mtx"), 8, made["triangle"])
        with open(self.path("m.mtx"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual((lines[1], len(lines)), ("8 8 36", 38))
        self.assertTrue(all(float(line.split()[2]) for line in lines[2:]))

    def test_wrong_results_are_said(self):
        run = self.run_of(timed("g", "plan", 100), timed("g", "c", 100, format="dense"),
                          timed("h", "plan", 1, taints=["wrong"], layer="bad"),
                          timed("h", "c", 1, format="dense"))
        self.assertEqual(adversarial.lines_of([run])[0], "WRONG results: bad.")


class Scaling(Performance):
    def test_fits_find_what_made_the_points(self):
        for t0, c, p in ((500.0, 2.0, 1.0), (10.0, 3.0, 1.3), (4000.0, 0.5, 0.8)):
            found = scaling.fit([(x, t0 + c * x ** p) for x in 2.0 ** scaling_range()])
            self.assertAlmostEqual(found[2], p, 2)
            self.assertAlmostEqual(found[0] / t0, 1, 1)
            self.assertLess(found[3], 0.01)
        linear = scaling.fit([(x, 500 + 2 * x) for x in 2.0 ** scaling_range()], 1)
        self.assertEqual(linear[2], 1)
        self.assertAlmostEqual(linear[0] / 500, 1, 3)
        self.assertIsNone(scaling.fit([(1, 2), (2, 3), (3, 4)]))

    def test_series_are_of_the_fastest_sparse_cells(self):
        cells = scaling.best_cells([self.run_of(
            *(timed(f"g{i}", "a", 100 * i, layer="scale-n", n=i) for i in (1, 1, 2, 2)),
            timed("k", "slow", 900, layer="scale-k/64", k=64),
            timed("k", "fast", 800, layer="scale-k/64", k=64),
            timed("d", "a", 7, layer="one-weight"),
            timed("d", "c", 3, layer="one-weight", format="dense"))])
        series = scaling.series_of(cells, [[2, 20], [1, 10]])
        self.assertEqual(series, {"n": [(1, 100), (2, 200)], "k": [(64, 800)],
                                  "layers": [(1, 10), (2, 20)]})
        self.assertEqual(scaling.fixed_cost(cells), 7)


def scaling_range():
    import numpy as np
    return np.arange(4, 16)


class Rows(Performance):
    def test_packing_is_paid_after_the_calls_of_the_slowest_layer(self):
        run = self.run_of(
            cell("a", pack_ns=100.0, time_ns_median=10.0, dense_time_ns_median=50.0),
            cell("b", pack_ns=100.0, time_ns_median=10.0, dense_time_ns_median=12.0),
            cell("c", 0.7, pack_ns=100.0, time_ns_median=10.0, dense_time_ns_median=9.0))
        rows = performance_data.speedups(run, [])
        self.assertEqual([row["payback"] for row in rows], [50, math.inf])
        self.assertEqual([calls_text(row["payback"]) for row in rows], ["50", "never"])
        self.assertEqual([calls_text(calls) for calls in (0.2, 1.5, None)], ["1", "2", "-"])

    def test_targets(self):
        def find(**facts):
            return performance_data.target_of(TARGETS, "speedup", "avx2", **{
                "n": 512, "native": False, "percent": 70, "pattern": "unstructured",
                "provenance": "pruned-network:x", "cache": "warm", "layout": "feature",
                "threads": 1, **facts})
        self.assertEqual(find(), 2.7)
        self.assertEqual(find(pattern="block:8x1", percent=90), 8)
        self.assertEqual(find(pattern="nm:2:4@8", percent=50), 1.88)
        self.assertEqual(find(native=True, n=0), 2)
        for facts in ({"provenance": "seeded-gaussian"}, {"percent": 60}, {"n": 64},
                      {"threads": 2}, {"pattern": "rows"}):
            self.assertIsNone(find(**facts))
        for target in TARGETS:
            self.assertLessEqual({"kind", "avx2", "avx512"}, set(target))

    def test_the_level_is_that_of_the_sparse_kernels(self):
        run = self.run_of(cell(), cell(format="dense", isa="avx512"))
        self.assertEqual(performance_data.level_of(run), "avx2")

    def test_threads_and_layouts_pair_what_is_alike(self):
        run = self.run_of(timed("a", "x", 100, m=4096, k=1024, group_cells=1),
                          timed("b", "x", 55, m=4096, k=1024, threads=2, group_cells=1),
                          timed("c", "x", 125, m=4096, k=1024, layout="token", group_cells=1),
                          timed("d", "x", 50, n=128, group_cells=1),
                          timed("e", "x", 50, n=128, threads=2, group_cells=1),
                          run=with_roof(fma=2.0))
        rows = performance_data.thread_scaling(run, TARGETS)
        self.assertEqual([(round(r["value"], 3), round(r["share"], 3), r["points"], r["target"])
                          for r in rows], [(1.818, 0.909, 1, 0.93)])
        rows = performance_data.layout_costs(run, TARGETS)
        self.assertEqual([(r["value"], r["target"]) for r in rows], [(0.8, 0.92)])

    def test_peers(self):
        sparse = {"peer": "mkl-sparse", "format": "sparse", "isa": "", "group_cells": 4}
        dense = {"format": "dense", "group_cells": 4}
        run = self.run_of(timed("g", "a", 100, group_cells=4), timed("g", "mkl-sparse", 90, **sparse),
                          timed("g", "c", 200, **dense),
                          timed("g", "blas", 220, peer="blas", **dense))
        rows, behind = performance_data.against_peers(run, False, TARGETS)
        self.assertEqual([(round(r["value"], 3), r["behind"]) for r in rows], [(0.9, 1)])
        self.assertEqual([b["peer"] for b in behind], ["mkl-sparse"])
        rows, _ = performance_data.against_peers(run, True, TARGETS)
        self.assertEqual([(round(r["value"], 3), r["target"]) for r in rows], [(1.1, 0.95)])

    def test_peers_are_held_to_every_matrix(self):
        sparse = {"peer": "mkl-sparse", "format": "sparse", "isa": "", "group_cells": 2}
        cells = [timed("g", "a", 100, group_cells=2), timed("g", "mkl-sparse", 90, **sparse),
                 timed("h", "a", 100, group_cells=2), timed("h", "mkl-sparse", 200, **sparse)]
        lines, _ = performance_sections.peers([self.run_of(*cells)], {}, TARGETS)
        self.assertIn("missed", lines[2])
        lines, _ = performance_sections.peers([self.run_of(*cells[2:])], {}, TARGETS)
        self.assertIn("reached", lines[2])

    def test_time_against_bytes(self):
        rows = performance_data.byte_shares(self.run_of(
            cell(n=1, sparsity=0.9, speedup=4.0, bytes_weights=200)), TARGETS)
        self.assertEqual([(round(r["value"], 6), r["target"]) for r in rows], [(0.8, 0.8)])


class Page(Report):
    def setUp(self):
        super().setUp()
        self.machine = self.path("machine")
        for name in ("speedup", "plan"):
            os.makedirs(os.path.join(self.machine, name))
        with open(self.path("targets.json"), "w", encoding="utf-8") as file:
            json.dump(TARGETS, file)

    def records(self, name, *records):
        with open(os.path.join(self.machine, name, "records.jsonl"), "w",
                  encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in (RUN, *records))

    def write(self, *sections):
        with open(os.path.join(self.machine, "performance.json"), "w", encoding="utf-8") as file:
            json.dump({"name": "a test", "sections": sections}, file)
        with open(performance_page.write_page(self.machine), encoding="utf-8") as file:
            return file.read()

    def test_sections(self):
        self.records("speedup", *(cell(layer, s, 2.0 + i, provenance=p) for p in ("seeded-gaussian",
                                  "pruned-network:x") for i, layer in enumerate("ab")
                                  for s in (0.5, 0.7)))
        self.records("plan", timed("g", "plan", 100), timed("g", "c", 90, format="dense"))
        page = self.write(
            {"kind": "speedup", "title": "One", "record": "speedup", "command": "sparsemark run x",
             "where": {"provenance": "pruned-*", "n": [1, 512]}},
            {"kind": "plan", "title": "Two", "record": "plan"},
            {"kind": "scaling", "title": "Three", "record": "nowhere"},
            {"kind": "layouts", "title": "Four", "record": "speedup"},
            {"kind": "speedup", "title": "Five", "record": "speedup", "where": {"n": 7}},
            {"kind": "adversarial", "title": "Six", "record": "plan"},
            {"kind": "native", "title": "Seven", "record": "speedup"},
            {"kind": "instructions", "title": "Eight"})
        self.assertIn("| pruned-network:x | 512 | 50 % | **2.45×** | 2.00 (a) | 122 % | "
                      "1.65, reached | - | 2 | 0 |", page)
        one = page[page.index("## One"):page.index("## Two")]
        self.assertNotIn("seeded-gaussian", one)
        self.assertIn("    sparsemark run x", one)
        self.assertIn("commit abc123 with local changes", one)
        self.assertIn("0 % of 1 cases are within 5 % of the best of the sweep (target: 95 %, "
                      "**missed**)", page)
        self.assertIn("## Three\n\n**Not measured yet**: there is no `nowhere`.", page)
        self.assertEqual(page.count("**Not measured yet**: there are no such cells in `speedup`"), 2)
        self.assertIn("at most 1.05 is allowed, **missed**", page)
        self.assertIn("loads/FMA", page)
        for name in "one", "two", "six", "seven":
            self.assertTrue(os.path.exists(os.path.join(self.machine, "performance",
                                                        f"{name}.png")), name)
            self.assertIn(f"(performance/{name}.png)", page)

    def test_totals_have_a_view_an_n(self):
        dense = {"dense_kernel": "c", "dense_time_ns_median": 90.0}
        self.records("speedup", *(made for n in (1, 32) for made in (
            timed(f"x|{n}", "a", 30, n=n, speedup=3.0, **dense),
            timed(f"x|{n}", "c", 90, n=n, format="dense", **dense))))
        page = self.write({"kind": "totals", "title": "All", "record": "speedup"},
                          {"kind": "totals", "title": "Later", "record": "nowhere"})
        self.assertEqual(page.count("| **3.00×** | 3.00 to 3.00 | 3.00 (a) | 3.00× | 0 |"), 2)
        self.assertIn("## Later\n\n**Not measured yet**: there is no `nowhere`.", page)
        self.assertIn("(performance/all.png)", page)
        with open(os.path.join(self.machine, "performance", "all.svg"), encoding="utf-8") as file:
            drawn = file.read()
        for words in "N = 1<", "N = 32<", "total, down to the worst matrix":
            self.assertIn(words, drawn)

    def test_refusals(self):
        for sections, words in (([{"kind": "speed", "title": "x", "record": "y"}], "section 1"),
                                ([{"kind": "speedup", "title": "x"}], "expected title, record"),
                                ([{"kind": "speedup", "title": "x", "record": "y"}],
                                 "no section has records")):
            with self.assertRaisesRegex(report_records.ReportError, words):
                self.write(*sections)
        with contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(performance_page.main([self.path("nothing")]), 2)
        self.assertEqual(err.getvalue().count("\n"), 1)
        for text in "{}", "[]", '{"sections": 1}':
            os.makedirs(self.path("wrong"), exist_ok=True)
            with open(os.path.join(self.path("wrong"), "performance.json"), "w",
                      encoding="utf-8") as file:
                file.write(text)
            with self.assertRaisesRegex(report_records.ReportError, "with sections"):
                performance_page.write_page(self.path("wrong"))


if __name__ == "__main__":
    unittest.main()
