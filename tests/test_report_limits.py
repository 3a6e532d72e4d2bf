"""What the page says of limits and of noise: roofline, bytes saved, disturbed samples."""

import os
import unittest

from report_cases import RUN, Report, cell

import report_charts
import report_records
import report_limits
import report_noise

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
        run = report_records.read_runs(self.folder)[0]
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
        return report_noise.noise_rows(report_records.read_runs(self.folder)[0])

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
