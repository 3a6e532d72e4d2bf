"""scripts/report.py on records made here: pictures, page, refusals, and the rules behind them."""

import json
import os
import re
import time
import unittest

from report_cases import RUN, Report, cell, timed

import report
import report_charts
import report_data
import report_records
import report_noise


class Pictures(Report):
    def test_everything_is_drawn(self):
        cells = [cell(layer, s, 0.3 / (1 - s), n=n, taints=["weak-baseline"] if s == 0.7 else [])
                 for layer in ("first", "second") for n in (1, 512) for s in (0.5, 0.7, 0.9)]
        page = self.draw(RUN, *cells)
        for name in ("speedup-n1", "speedup-n512", "breakeven", "bytes"):
            with open(self.path(name + ".svg"), encoding="utf-8") as file:
                svg = file.read()
            self.assertTrue(svg.startswith("<svg"))
            self.assertIn("Test CPU", svg)
            with open(self.path(name + ".png"), "rb") as file:
                self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
        for word in ("Test CPU &lt;8 &amp; more&gt;", "abc123", "with local changes", "gcc 12",
                     "isa auto, precision 0.02", "openblas", "0.3.21", "a virtual machine",
                     "weak-baseline", "How to read this", "vegaEmbed"):
            self.assertIn(word, page)
        # Nothing is loaded from anywhere; what lies between <script>s is the inlined library.
        self.assertNotRegex(page.split("<script>")[0], r"(src|href)\s*=|@import|url\(")
        self.assertNotRegex(page, r"<script [^>]*src=")

    def test_a_run_that_is_not_whole(self):
        part = dict(RUN, options=dict(RUN["options"], points=["a", "b", "c"]))
        self.assertIn("1 of 3 points", self.draw(part, cell(group="b")))
        whole = dict(RUN, options=dict(RUN["options"], points=["b"]))
        self.assertNotIn("Incomplete", self.draw(whole, cell(group="b")))

    def test_one_cell(self):
        page = self.draw(RUN, cell())
        self.assertIn("2.00×", page)
        self.assertTrue(os.path.exists(self.path("speedup-n512.png")))

    def test_without_dense(self):
        page = self.draw(RUN, cell(speedup=None), cell(sparsity=0.9, speedup=None))
        self.assertIn("there is no speedup to show", page)
        self.assertFalse(os.path.exists(self.path("speedup-n512.svg")))
        self.assertTrue(os.path.exists(self.path("bytes.svg")))

    def test_nulls(self):
        self.draw(RUN, cell(speedup_ci_low=None, speedup_ci_high=None), cell(sparsity=None),
                  cell(sparsity=0.7, bytes_dense_weights=0), cell(format="dense", sparsity=None),
                  cell(sparsity=0.9))

    def test_a_bare_card(self):
        page = self.draw({"type": "run", "schema": 2, "run_id": "r1"}, cell())
        self.assertIn("an unnamed CPU", page)

    def test_layer_names_cannot_end_the_script(self):
        page = self.draw(RUN, cell("</script><b>"))
        self.assertNotIn("</script><b>", page)

    def test_layer_names_that_no_picture_can_hold(self):
        self.assertIn("a\N{REPLACEMENT CHARACTER}b", self.draw(RUN, cell("a\x1bb")))

    def test_conditions_get_pictures_of_their_own(self):
        self.draw(RUN, cell(), cell(layout="token"), cell(layout="token", threads=2))
        names = {n for n in os.listdir(self.folder) if n.startswith("speedup") and "svg" in n}
        self.assertEqual(names, {"speedup-feature-1-n512.svg", "speedup-token-1-n512.svg",
                                 "speedup-token-2-n512.svg"})

    def test_two_runs(self):
        other = dict(RUN, run_id="r2", cpu={"brand": "Other CPU"})
        page = self.draw(RUN, cell(), other, cell(run_id="r2", speedup=4.0))
        self.assertIn("Other CPU", page)
        self.assertTrue(os.path.exists(self.path("run2-bytes.svg")))

    def test_out_folder(self):
        self.put(RUN, cell())
        code, out, _ = self.run_report("--out", self.path("pictures"))
        self.assertEqual((code, out), (0, self.path("pictures/report.html") + "\n"))
        self.assertEqual(os.listdir(self.folder).count("report.html"), 0)

    def test_long_names_stay_apart(self):
        names = [f"body_decoder_layer_{i}_{kind}_attention_multihead_attention_q_fully_connected"
                 for i in range(6) for kind in ("self", "encdec")]
        labels = report_charts.short_names(names, 30)
        self.assertEqual(len(set(labels.values())), len(names))
        self.assertLess(max(map(len, labels.values())), len(names[0]))
        lines = report_charts.wrapped(names[0], 34)
        self.assertEqual("".join(lines), names[0])
        self.assertLessEqual(max(map(len, lines)), 34)

    def test_ten_thousand_cells_in_a_minute(self):
        records = [RUN]
        for i in range(250):
            for n in (1, 32, 128, 512):
                for s in range(10):
                    records.append(cell(f"layer_{i}", s / 10, 0.5 / (1.01 - s / 10), n=n))
        start = time.monotonic()
        page = self.draw(*records)
        self.assertLess(time.monotonic() - start, 60)
        self.assertIn("Any layer", page)


class Patterns(Report):
    """Each pattern has curves and means of its own; N:M ones are points at 1 - N/M."""

    def names(self, start):
        return {n for n in os.listdir(self.folder) if n.startswith(start) and n.endswith(".svg")}

    def test_sparsities_that_patterns_fix(self):
        for pattern, fixed in (("nm:2:4", 0.5), ("nm:1:4@8", 0.75), ("nm:16:16@3", 0), ("rows", None),
                               ("unstructured", None), ("block:4x1", None), ("nm:2", None),
                               ("nm:a:4", None), ("nm:1:0", None), ("nm:2:4@", None), ("", None)):
            self.assertEqual(report_data.fixed_sparsity(pattern), fixed, pattern)

    def test_curves_and_means_do_not_mix_patterns(self):
        patterns = ["unstructured", "block:4x1", "block:1x4", "nm:2:4", "nm:4:8", "nm:2:4@8", "rows"]
        curves = self.curves(RUN, *(cell(layer, pattern=pattern, speedup=i + 2.0)
                                    for layer in ("a", "b") for i, pattern in enumerate(patterns)))
        self.assertEqual(len(curves), 2 * 2 * len(patterns))
        for curve in curves:
            self.assertEqual([round(p.speedup, 9) for p in curve.points],
                             [patterns.index(curve.pattern) + 2])
        means = report_data.means_of(curves)
        self.assertEqual({m["conditions"][1]: round(m["geomean"], 9) for m in means},
                         {pattern: i + 2 for i, pattern in enumerate(patterns)})
        self.assertEqual({m["points"] for m in means}, {2})

    def test_mean_over_layers_whose_best_series_differ(self):
        curves = self.curves(RUN, cell("a", speedup=2.0), cell("b", speedup=8.0, format="sell"))
        self.assertTrue(all(c.redundant for c in curves if c.series == "best"))
        means = {m["series"]: m for m in report_data.means_of(curves)}
        self.assertEqual(len(means), 3)
        self.assertEqual(means["best"]["points"], 2)
        self.assertAlmostEqual(means["best"]["geomean"], 4)

    def test_n_m_stands_at_its_own_sparsity(self):
        records = [cell("a", 0.48, 2.0, pattern="nm:2:4"), cell("b", 0.5, 8.0, pattern="nm:2:4"),
                   cell("a", 0.48, 2.0, pattern="rows"), cell("b", 0.5, 8.0, pattern="rows")]
        curves = self.curves(RUN, *records)
        self.assertEqual({c.points[0].sparsity for c in curves if c.fixed}, {0.5})
        means = report_data.means_of(curves)
        self.assertEqual([(m["conditions"][1], m["percent"], m["points"]) for m in means],
                         [("nm:2:4", 50, 2), ("rows", 48, 1), ("rows", 50, 1)])

    def test_pictures(self):
        page = self.draw(RUN, *(cell(sparsity=s, pattern=p) for s in (0.5, 0.9)
                                for p in ("unstructured", "block:4x1")),
                         cell(pattern="nm:2:4", speedup=3.0),
                         cell(sparsity=0.75, pattern="nm:1:4", speedup=4.0))
        tags = {"unstructured", "block-4x1"}
        self.assertEqual(self.names("breakeven"), {f"breakeven-{tag}.svg" for tag in tags})
        self.assertEqual(self.names("bytes"), {f"bytes-{tag}.svg" for tag in tags})
        self.assertEqual(self.names("speedup"),
                         {f"speedup-{tag}-n512.svg" for tag in tags | {"nm"}})
        self.assertEqual(self.names("patterns"), {"patterns-n512.svg"})
        row = re.search(r"<tr><td>nm:1:4</td>.*?</tr>", page[page.index("<h2>Break-even"):])[0]
        cells = [re.sub("<[^>]*>", "", text) for text in re.findall("<td.*?</td>", row)]
        self.assertEqual(cells, ["nm:1:4", "a", "512×256", "512", "panel avx2", "1 of 1",
                                 "4.00× at 75 %", "3.85× to 4.16×", "-", "-", "-", "38 %", ""])

    def test_points_of_the_picture_of_patterns(self):
        curves = self.curves(RUN, cell(sparsity=0.9, speedup=5.0),
                             cell(speedup=2.0, group="g", group_cells=2, pattern="nm:2:4"),
                             cell(speedup=3.0, group="g", group_cells=2, pattern="nm:2:4",
                                  format="csr"))
        charts = list(report.pattern_charts(report_records.Run(RUN), curves, ""))
        self.assertEqual([name for name, _, _ in charts], ["patterns-n512"])
        self.assertEqual({(row["series"], row["sparsity"], row["speedup"])
                          for row in charts[0][2]["data"]["values"]},
                         {("unstructured", 0.9, 5.0), ("nm:2:4", 0.5, 3.0)})

    def test_one_n_m_pattern_alone(self):
        self.draw(RUN, cell(pattern="nm:2:4@8"))
        self.assertEqual({n for n in os.listdir(self.folder) if n.endswith(".svg")},
                         {"speedup-n512.svg", "saved.svg"})


class Refusals(Report):
    def test_empty(self):
        self.put()
        self.refused("records.jsonl", "found none")

    def test_only_a_run(self):
        self.put(RUN)
        self.refused("complete group")

    def test_no_file(self):
        code, _, err = self.run_report()
        self.assertEqual((code, err.count("\n")), (2, 1))
        self.assertIn("No such file", err)

    def test_broken(self):
        for record, words in (
                ("{", (":2", "not JSON")),
                ("\x00", (":2", "not JSON")),
                ("[]", (":2", "not a record")),
                (json.dumps(cell(schema=3)), (":2", "schema 3", "1 or 2")),
                (json.dumps(cell(run_id="r9")), ("run r9",)),
                (json.dumps(cell(m="wide")), ("field m", "int")),
                (json.dumps(cell(m=0)), ("field m", "1 or more")),
                (json.dumps(cell(sample_taints=[None])), ("sample_taints", "list of int")),
                (json.dumps(cell(taints=["noisy", 1])), ("field taints", "list of str")),
                (json.dumps(cell(speedup=float("nan"))), (":2", "not JSON", "NaN")),
                (json.dumps({k: v for k, v in cell().items() if k != "kernel"}),
                 ("field kernel",))):
            with self.subTest(record[:20]):
                self.put(RUN, tail=record + "\n" + json.dumps(cell()) + "\n")
                self.refused(*words)

    def test_speedups_are_over_the_fastest_dense_of_a_group(self):
        def group(of_plan, own):
            over = {"dense_kernel": "blas", "dense_time_ns_median": 100.0, "group_cells": 4}
            self.put(RUN, timed("g", "sparse", 50.0, speedup=2.0, **over),
                     timed("g", "plan", of_plan, speedup=None, format="dense", **over),
                     timed("g", "own", own, speedup=1.0, format="dense", **over),
                     timed("g", "blas", 100.0, speedup=1.0, format="dense", **over))
            return report_records.read_runs(self.folder)[0].cells

        sparse = group(of_plan=90.0, own=80.0)[0]
        self.assertEqual((sparse["dense_kernel"], sparse["dense_time_ns_median"]), ("own", 80.0))
        self.assertAlmostEqual(sparse["speedup_dense"], 1.6)
        self.assertAlmostEqual(sparse["speedup_ci_low"], 1.6 / 1.04)
        self.assertAlmostEqual(sparse["speedup_ci_high"], 1.6 * 1.04)
        sparse = group(of_plan=90.0, own=101.0)[0]
        self.assertEqual((sparse["dense_kernel"], sparse["speedup_dense"]), ("blas", 2.0))

    def test_a_cut_tail_is_left_out(self):
        self.put(RUN, cell(), cell(group="g", group_cells=2), tail=json.dumps(cell())[:50])
        self.assertEqual(len(report_records.read_runs(self.folder)[0].cells), 1)

    def test_no_room_to_write(self):
        self.put(RUN, cell())
        os.mkdir(self.path("speedup-n512.svg"))
        code, out, err = self.run_report()
        self.assertEqual((code, out, err.count("\n")), (2, "", 1))
        self.assertIn("cannot write", err)
        self.assertFalse([name for name in os.listdir(self.folder) if name.endswith(".tmp")])


class Rules(Report):
    def test_crossings(self):
        s = [0.2, 0.4, 0.6, 0.8]
        for ratios, state, at in (([0.25, 0.5, 2, 4], "at", 0.5), ([0.25, 0.5, 8, 9], "at", 0.45),
                                  ([2, 3, 0.5, 2], "at", 0.7), ([1, 2, 3, 4], "at-most", 0.2),
                                  ([2, 2, 2, 0.99], "never", 0.8)):
            found = report_data.crossing(s, ratios)
            self.assertEqual(found.state, state)
            self.assertAlmostEqual(found.sparsity, at)
        self.assertEqual(report_data.crossing(s, [1, None, 2, 3]).state, "unknown")

    def test_fastest_of_a_group_and_best_of_formats(self):
        group = {"group": "g", "group_cells": 4}
        curves = self.curves(RUN, cell(speedup=2.0, **group), cell(speedup=3.0, **group),
                             cell(speedup=1.5, format="csr", **group),
                             cell(speedup=9.0, format="csr", isa="", peer="mkl-sparse", **group),
                             cell(sparsity=0.9, speedup=7.0, format="csr"))
        found = {c.series: [p.speedup for p in c.points] for c in curves}
        self.assertEqual(found.keys(), {"best", "panel avx2", "csr avx2", "mkl-sparse"})
        for series, speedups in {"best": [3, 7], "panel avx2": [3], "csr avx2": [1.5, 7],
                                 "mkl-sparse": [9]}.items():
            for expected, value in zip(speedups, found[series], strict=True):
                self.assertAlmostEqual(expected, value)

    def test_no_break_even_without_the_highest_sparsity(self):
        curves = self.curves(RUN, cell(sparsity=0.5, speedup=0.5, isa="avx512"),
                             cell(sparsity=0.9, speedup=2.0))
        chart = report_charts.breakeven_chart(list(map(report_data.breakeven, curves)), "x", "y")
        self.assertEqual({row["series"] for row in chart["data"]["values"]},
                         {"best", "panel avx2"})

    def test_wrong_cells_are_left_out_and_marks_kept(self):
        curves = self.curves(RUN, cell(taints=["wrong"]), cell(sparsity=0.7, taints=["noisy"]))
        self.assertEqual([len(c.points) for c in curves], [1, 1])
        self.assertEqual(curves[0].marks(), ["noisy"])
        self.assertEqual([row["cell"] for row in report_charts.speedup_rows(curves)],
                         ["marked", "marked"])

    def test_means_do_not_mix_provenances(self):
        means = report_data.means_of(self.curves(
            RUN, cell("a", speedup=2.0), cell("b", speedup=8.0),
            cell("c", speedup=100.0, provenance="pruned-network:x")))
        found = {m["conditions"][0]: m for m in means}
        self.assertEqual(len(means), 2)
        self.assertAlmostEqual(found["seeded-gaussian"]["geomean"], 4)
        self.assertAlmostEqual(found["seeded-gaussian"]["worst"], 2)
        self.assertEqual(found["seeded-gaussian"]["worst_layer"], "a")

    def test_means_join_what_was_asked_for_alike(self):
        curves = self.curves(RUN, cell("a", 0.914, 2.0, sparsity_asked=0.9),
                             cell("b", 0.895, 8.0, sparsity_asked=0.9))
        mean, = report_data.means_of(curves)
        self.assertEqual((mean["percent"], mean["points"]), (90, 2))
        self.assertAlmostEqual(mean["geomean"], 4)
        self.assertEqual({row["sparsity"] for row in report_charts.bytes_rows(curves)}, {0.9})

    def test_means_of_a_coarse_layer(self):
        """40 and 50 % are the same to it: it counts at both, and at nothing between."""
        curves = self.curves(RUN, cell("a", 0.5, 2.0, sparsity_asked=0.4),
                             cell("a", 0.5, 2.0, sparsity_asked=0.5),
                             cell("b", 0.4, 8.0, sparsity_asked=0.4),
                             cell("b", 0.5, 8.0, sparsity_asked=0.5),
                             cell("b", 0.51, 50.0, sparsity_asked=0.5),
                             cell("a", 0.625, 3.0), cell("b", 0.625, 3.0))
        means = {m["percent"]: (m["points"], round(m["geomean"], 9))
                 for m in report_data.means_of(curves)}
        self.assertEqual(means, {40: (2, 4), 50: (2, 4), 63: (2, 3)})

    def test_means_leave_out_what_is_not_what_it_claims(self):
        records = (cell("a", speedup=2.0), cell("b", speedup=8.0, taints=["noisy"]),
                   cell("c", speedup=100.0, taints=["weak-baseline"]),
                   cell("d", speedup=100.0, taints=["not-cold", "!precision"]),
                   cell("e", speedup=None, taints=["wrong"]),
                   cell("f", format="dense", taints=["weak-baseline"]))
        means = report_data.means_of(self.curves(RUN, *records))
        self.assertEqual([(m["points"], m["marked"]) for m in means], [(2, 1)])
        self.assertAlmostEqual(means[0]["geomean"], 4)
        self.assertIn("left out of these means: 1 marked <code>wrong</code>, 1 marked "
                      "<code>weak-baseline</code>, 1 marked <code>not-cold</code>.",
                      self.draw(RUN, *records))
        self.assertIn("left out of these means: none.", self.draw(RUN, records[0]))

    def test_no_mean_at_all(self):
        page = self.draw(RUN, cell(taints=["weak-baseline"]))
        self.assertIn("No cell has a speedup that a mean may use", page)
        self.assertNotIn("there is no speedup to show", page)

    def test_the_fastest_is_one_that_means_may_use(self):
        group = {"group": "g", "group_cells": 2}
        curves = self.curves(RUN, cell(speedup=9.0, taints=["not-cold"], **group),
                             cell(speedup=2.0, **group))
        for curve in curves:
            self.assertEqual([round(p.speedup, 6) for p in curve.points], [2])

    def test_bytes_beside_time(self):
        rows = report_charts.bytes_rows(self.curves(RUN, cell(sparsity=0.8, speedup=4.0)))
        shares = {row["measure"]: row["share"] for row in rows}
        stored, moved, measured = (shares[name] for name in report_charts.MEASURES)
        self.assertAlmostEqual(stored, 0.3, places=2)
        self.assertAlmostEqual(moved, 2000 / (2000 - 300 + 1000), places=2)
        self.assertAlmostEqual(measured, 0.25)
        rows = report_charts.bytes_rows(self.curves(RUN, cell(taints=["weak-baseline"])))
        self.assertEqual({row["measure"] for row in rows}, set(report_charts.MEASURES[:2]))

    def test_noise(self):
        self.put(RUN, cell(sample_count=4, sample_taints=[0, 1, 12, 0], taints=["!precision"]))
        noise = report_noise.noise_of(report_records.read_runs(self.folder)[0])
        self.assertEqual((noise["samples"], noise["tainted"]), (4, 2))
        self.assertEqual(noise["bits"], {"migrated": 1, "switched out": 0, "steal": 1,
                                         "slow probe": 1})
        self.assertEqual(noise["marks"], {"!precision": 1, "noisy": 0, "weak-baseline": 0,
                                          "not-cold": 0})


if __name__ == "__main__":
    unittest.main()
