"""scripts/report.py on records made here: pictures, page, refusals, and the rules behind them."""

import contextlib
import io
import json
import os
import re
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "scripts"))

import report  # noqa: E402
import report_charts  # noqa: E402
import report_data  # noqa: E402
import report_limits  # noqa: E402
import report_noise  # noqa: E402

RUN = {"type": "run", "schema": 2, "run_id": "r1",
       "cpu": {"brand": "Test CPU <8 & more>", "vendor": "X"},
       "build": {"commit": "abc123", "dirty": True, "compiler": "gcc 12"},
       "options": {"points": ["a|s=0.5"], "isa": ["auto"], "precision": 0.02},
       "peers": [{"name": "openblas", "kind": "dense", "usable": True, "version": "0.3.21",
                  "core": "Zen", "reason": ""}],
       "warnings": ["a virtual machine"]}
DEFAULTS = {"str": "", "int": 0, "real": None, "bool": True, "words": [], "reals": [], "ints": []}


def fields():
    """(kind, name) of every field, from the list that the program is built from."""
    with open(os.path.join(ROOT, "harness", "records", "cell.inc"), encoding="utf-8") as file:
        return re.findall(r"^SM_CELL\((\w+), *(\w+)\)", file.read(), re.MULTILINE)


def cell(layer="a", sparsity=0.5, speedup=2.0, **values):
    """A group of one cell: panel on AVX2 with a +-4 % interval."""
    made = {"type": "cell", "schema": 2, "run_id": "r1"}
    made.update({name: DEFAULTS[kind] for kind, name in fields()})
    made.update(layer=layer, sparsity=sparsity, speedup_dense=speedup, group_cells=1, m=512, k=256,
                n=512, format="panel", isa="avx2", kernel="spmm_panel", op="spmm", threads=1,
                pattern="unstructured", dtype="f32", layout="feature", cache="warm",
                provenance="seeded-gaussian", bytes_dense_weights=1000,
                bytes_weights=int(1500 * (1 - (sparsity or 0))), bytes_moved=2000)
    if speedup is not None:
        made.update(speedup_ci_low=speedup / 1.04, speedup_ci_high=speedup * 1.04)
    made.update(values)
    return made


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name="records.jsonl"):
        return os.path.join(self.folder, name)

    def put(self, *records, tail=""):
        with open(self.path(), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)
            file.write(tail)

    def run_report(self, *arguments):
        """(exit code, stdout, stderr)"""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = report.main([self.folder, *arguments])
        return code, out.getvalue(), err.getvalue()

    def draw(self, *records):
        self.put(*records)
        code, out, err = self.run_report()
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out, self.path("report.html") + "\n")
        with open(self.path("report.html"), encoding="utf-8") as file:
            page = file.read()
        self.assertFalse([name for name in os.listdir(self.folder) if name.endswith(".tmp")])
        return page

    def curves(self, *records):
        self.put(*records)
        return report_data.curves_of(report_data.read_runs(self.folder)[0])

    def refused(self, *words):
        code, out, err = self.run_report()
        self.assertEqual((code, out, err.count("\n")), (2, "", 1), err)
        for word in words:
            self.assertIn(word, err)
        self.assertEqual(os.listdir(self.folder), ["records.jsonl"])


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
        charts = list(report.pattern_charts(report_data.Run(RUN), curves, ""))
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
                (json.dumps({k: v for k, v in cell().items() if k != "kernel"}),
                 ("field kernel",))):
            with self.subTest(record[:20]):
                self.put(RUN, tail=record + "\n" + json.dumps(cell()) + "\n")
                self.refused(*words)

    def test_a_cut_tail_is_left_out(self):
        self.put(RUN, cell(), cell(group="g", group_cells=2), tail=json.dumps(cell())[:50])
        self.assertEqual(len(report_data.read_runs(self.folder)[0].cells), 1)

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
        noise = report_noise.noise_of(report_data.read_runs(self.folder)[0])
        self.assertEqual((noise["samples"], noise["tainted"]), (4, 2))
        self.assertEqual(noise["bits"], {"migrated": 1, "switched out": 0, "steal": 1,
                                         "slow probe": 1})
        self.assertEqual(noise["marks"], {"!precision": 1, "noisy": 0, "weak-baseline": 0,
                                          "not-cold": 0})


ROOF = {"threads": [1, 2],
        "peaks": [{"dtype": "f32", "isa": "scalar", "gops": [7.0, 14.0]},
                  {"dtype": "f32", "isa": "avx2", "gops": [100.0, 200.0]},
                  {"dtype": "f32", "isa": "avx512", "gops": [None, None]},
                  {"dtype": "bf16", "isa": "avx512bf16", "gops": [400.0, 800.0]}],
        "bandwidth": [{"memory": "L1", "read_gbytes_s": [400.0, 800.0]},
                      {"memory": "L2", "read_gbytes_s": [200.0, 400.0]},
                      {"memory": "L3", "read_gbytes_s": [190.0, 380.0]},
                      {"memory": "DRAM", "read_gbytes_s": [20.0, 25.0]}]}


def under_roof(**values):
    made = {"arithmetic_intensity": 2.0, "gflops_nnz": 30.0, "roof_gflops": 40.0,
            "roof_share": 0.75, "roof_limit": "DRAM", **values}
    return cell(**made)


class Limits(Report):
    def test_roofline(self):
        page = self.draw(dict(RUN, schema=2, roof=ROOF), under_roof(schema=2),
                         under_roof(schema=2, sparsity=0.9, arithmetic_intensity=0.5))
        self.assertNotIn(report_limits.NO_ROOF, page)
        with open(self.path("roofline.svg"), encoding="utf-8") as file:
            svg = file.read()
        for label in "L1 400 GB/s", "L2 200, L3 190 GB/s", "DRAM 20 GB/s", "FMA avx2 100 GFLOP/s":
            self.assertIn(label, svg)
        for label in "scalar", "800", "bf16":  # no cell has that level, threads or type
            self.assertNotIn(label, svg)

    def test_a_facet_for_every_number_of_threads(self):
        self.draw(dict(RUN, roof=ROOF), under_roof(), under_roof(threads=2), under_roof(threads=3))
        with open(self.path("roofline.svg"), encoding="utf-8") as file:
            svg = file.read()
        for label in "1 thread", "2 threads", "FMA avx2 200 GFLOP/s", "DRAM 25 GB/s":
            self.assertIn(label, svg)
        self.assertNotIn("3 threads", svg)  # no roof was measured for them

    def test_old_and_odd_records_have_no_roof(self):
        for roof in (None, [], "x", {}, {"threads": 1}, {"threads": [1]},
                     {"threads": [1], "peaks": ["x"], "bandwidth": [1]},
                     {"threads": [1], "peaks": [{"dtype": "f32", "isa": "avx2", "gops": ["x"]}],
                      "bandwidth": [{"memory": "L1", "read_gbytes_s": [True]}]}):
            with self.subTest(roof=roof):
                page = self.draw(dict(RUN, roof=roof), under_roof())
                self.assertIn("Roofline: " + report_limits.NO_ROOF, page)
        self.draw(dict(RUN, roof=ROOF), cell())  # cells without intensity
        self.assertFalse(os.path.exists(self.path("roofline.svg")))

    def test_points(self):
        self.put(dict(RUN, roof=ROOF), under_roof(), under_roof(taints=["wrong"]),
                 under_roof(format="dense"), under_roof(threads=4),
                 under_roof(arithmetic_intensity=None), under_roof(gflops_nnz=0.0),
                 under_roof(roof_share=None, roof_limit="L2", isa="", peer="mkl-sparse"))
        run = report_data.read_runs(self.folder)[0]
        points = report_limits.roof_points(run, report_limits.roofs_of(run))
        self.assertEqual([(p["series"], p["intensity"], p["share"], p["limit"]) for p in points],
                         [("panel avx2", 2, 0.75, "DRAM"), ("mkl-sparse", 2, None, "L2")])

    def test_slopes_end_at_the_ridge_and_close_ones_share_a_label(self):
        lines = {"fma": {"avx2": 100.0}, "memory": {"L1": 100.0, "L2": 80.0, "L3": 60.0, "DRAM": 2.0}}
        rows = report_limits._memory_lines(1, lines, (0.01, 100), (1, 200), 1.5)
        for row in rows:
            self.assertLessEqual(row["gflops"], 100 * 1.0001)
        ends = {row["line"]: row["intensity"] for row in rows if row["kind"] == "roof"}
        self.assertEqual(ends, {"L1": 1, "L2": 1.25, "L3": 1.6667, "DRAM": 50})
        self.assertEqual([row["label"] for row in rows if row["kind"] == "slope"],
                         ["L1 100, L2 80, L3 60 GB/s", "DRAM 2 GB/s"])

    def test_bytes_saved_beside_speedup(self):
        rows = report_limits.saved_rows(self.curves(
            RUN, cell(sparsity=0.8, speedup=4.0), cell("b", speedup=None),
            cell("c", threads=2, taints=["noisy"])))
        self.assertEqual([(r["facet"], r["layer"], r["speedup"], r["cell"]) for r in rows],
                         [("threads 1", "a", 4, "clean"), ("threads 2", "c", 2, "marked")])
        self.assertAlmostEqual(rows[0]["bytes"], (2000 - 300 + 1000) / 2000, places=2)

    def test_bytes_saved_is_drawn(self):
        self.draw(RUN, cell(), cell(sparsity=0.9, speedup=9.0, taints=["noisy"]))
        with open(self.path("saved.svg"), encoding="utf-8") as file:
            self.assertIn("marked cells (noisy)", file.read())
        self.draw(RUN, *(cell(provenance=f"pruned-network:{i}") for i in range(30)))
        with open(self.path("saved.svg"), encoding="utf-8") as file:
            self.assertIn(f"{report_charts.FACETS} of 30 conditions", file.read())


class Noise(Report):
    def rows(self, *cells):
        self.put(RUN, *cells)
        return report_noise.noise_rows(report_data.read_runs(self.folder)[0])

    def test_groups_in_the_order_of_time(self):
        pair = {"group": "g1", "group_cells": 2, "sample_count": 2}
        rows = self.rows(cell(sample_taints=[0, 2], **pair), cell(sample_taints=[6, 0], **pair),
                         cell(group="g2", sample_count=4, sample_taints=[0, 0, 0, 8]),
                         cell(group="g3"))
        found = {(r["taint"], r["from"]): r["share"] for r in rows}
        self.assertEqual(found, {("any of them", 0): 0.5, ("any of them", 1): 0.25,
                                 ("any of them", 2): 0, ("switched out", 0): 0.5,
                                 ("switched out", 1): 0, ("switched out", 2): 0,
                                 ("steal", 0): 0.25, ("steal", 1): 0, ("steal", 2): 0,
                                 ("slow probe", 0): 0, ("slow probe", 1): 0.25,
                                 ("slow probe", 2): 0})

    def test_many_groups_share_bars(self):
        cells = [cell(sample_count=1, sample_taints=[i % 2]) for i in range(1001)]
        rows = [r for r in self.rows(*cells) if r["taint"] == "migrated"]
        self.assertLessEqual(len(rows), report_noise.BARS)
        self.assertEqual((rows[0]["from"], rows[-1]["to"]), (0, 1001))
        self.assertAlmostEqual(sum(r["share"] * (r["to"] - r["from"]) for r in rows), 500, places=1)

    def test_picture_and_tables(self):
        page = self.draw(RUN, cell(sample_count=4, sample_taints=[0, 0, 0, 4],
                                   taints=["!precision"]))
        with open(self.path("noise.svg"), encoding="utf-8") as file:
            svg = file.read()
        self.assertIn("steal", svg)
        self.assertNotIn("migrated", svg)
        section = page[page.index("<h2>Noise</h2>"):]
        for mark, count in (("!precision", 1), ("noisy", 0), ("weak-baseline", 0), ("not-cold", 0)):
            self.assertRegex(section, f"{mark}</span></td><td class=num>{count}</td>")

    def test_quiet(self):
        page = self.draw(RUN, cell(sample_count=5, sample_taints=[0] * 5))
        self.assertFalse(os.path.exists(self.path("noise.svg")))
        self.assertNotIn("The machine was busy", page)

    def test_a_busy_machine_is_said_on_top(self):
        for taints, busy in (([1, 0, 0, 0, 0], False), ([1, 1, 0, 0, 0], True)):
            page = self.draw(RUN, cell(sample_count=5, sample_taints=taints))
            self.assertEqual("The machine was busy" in page.split("<h2>")[0], busy)


if __name__ == "__main__":
    unittest.main()
