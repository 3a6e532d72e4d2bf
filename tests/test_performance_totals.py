"""Totals over a model's matrices on the performance page: known sums, matrices that are missing or
marked, the interval of a total, the section's tables."""

import unittest

from report_cases import RUN, Performance, timed

import performance_sections
import performance_totals

ATTENTION, FEED = "layer.0.attention.weight", "layer.0.feed.weight"
LATER = "layer.1.feed.weight"
NOTHING_PLANNED = dict(RUN, options={"points": []})
KINDS = {"attention": "*.attention.*", "feed-forward": "*.feed.*"}


def group_name(layer, n, pattern):
    return f"m.safetensors:{layer}:out-in|{pattern}|s=0.5|n={n}"


def measured(layer, dense, sparse, n=1, pattern="unstructured", **values):
    """The group of a matrix: our sparse kernel and the best dense one."""
    shared = {"layer": layer, "n": n, "pattern": pattern, "sparsity_asked": 0.5, "sparsity": 0.5004,
              "dense_kernel": "blas", "dense_time_ns_median": float(dense), "taints": [],
              "bytes_dense_weights": 1000, "bytes_weights": 600, "bytes_moved": 700,
              "provenance": "real-weights:magnitude:m", **values}
    name = group_name(layer, n, pattern)
    return [timed(name, "ours", float(sparse), **{"speedup_dense": dense / sparse, **shared}),
            timed(name, "blas", float(dense), **{**shared, "speedup_dense": 1.0, "peer": "blas",
                                                 "format": "dense", "isa": ""})]


class Totals(Performance):
    def rows(self, *groups, run=NOTHING_PLANNED, where=()):
        return performance_totals.totals_of(
            self.run_of(*(cell for group in groups for cell in group), run=run), where)

    def section(self, *groups, **options):
        run = self.run_of(*(cell for group in groups for cell in group), run=NOTHING_PLANNED)
        lines, rows = performance_sections.totals([run], {"kind": "totals", **options}, [])
        return "\n".join(lines), rows


class Sums(Totals):
    def test_a_total_is_no_mean_of_ratios(self):
        row, = self.rows(measured(ATTENTION, 100, 50), measured(FEED, 300, 400, bytes_weights=900))
        self.assertEqual((row.count, row.left), (2, []))
        self.assertAlmostEqual(row.speedup(), 400 / 450)
        self.assertAlmostEqual(row.better(), 400 / 350)
        self.assertEqual((row.worst().layer, row.worst().speedup), (FEED, 0.75))
        self.assertEqual(row.total("bytes_weights"), 1500)
        self.assertEqual(row.mixed("bytes_dense_weights", "bytes_weights"), 1600)
        self.assertEqual((row.moved_dense(), row.total("bytes_moved")), (1900, 1400))

    def test_rows_are_a_pattern_a_sparsity_and_n(self):
        rows = self.rows(*(measured(ATTENTION, 100, 50, n, pattern) for n in (32, 1)
                           for pattern in ("unstructured", "nm:2:4")),
                         measured(FEED, 100, 50, 32, "unstructured", threads=2))
        self.assertEqual([(r.n, r.conditions["pattern"], r.conditions["threads"], r.percent,
                           len(r.matrices)) for r in rows],
                         [(1, "unstructured", 1, 50, 1), (1, "nm:2:4", 1, 50, 1),
                          (32, "unstructured", 1, 50, 1), (32, "nm:2:4", 1, 50, 1),
                          (32, "unstructured", 2, 50, 1)])

    def test_the_fastest_of_ours_that_is_right_counts(self):
        group = measured(ATTENTION, 100, 50)
        name = group[0]["group"]
        for i, (kernel, ns, taints) in enumerate((("faster", 40.0, []), ("wrong", 1.0, ["wrong"]),
                                                  ("peer", 2.0, []))):
            group.insert(i, timed(name, kernel, ns, **{**{
                k: v for k, v in group[-2].items() if k in ("layer", "n", "sparsity_asked",
                                                            "dense_kernel", "provenance")},
                "dense_time_ns_median": 100.0, "speedup_dense": 100 / ns, "taints": taints,
                "peer": "p" if kernel == "peer" else ""}))
        for cell in group:
            cell["group_cells"] = len(group)
        row, = self.rows(group)
        self.assertEqual((row.matrices[0].sparse["kernel"], row.speedup()), ("faster", 2.5))
        self.assertEqual(row.matrices[0].dense["kernel"], "blas")


class LeftOut(Totals):
    def test_a_matrix_that_is_missing_is_named(self):
        run = dict(RUN, options={"points": [group_name(ATTENTION, 1, "unstructured"),
                                            group_name(LATER, 1, "unstructured")]})
        groups = [measured(ATTENTION, 100, 50), measured(FEED, 100, 50, 32)]
        one, many = self.rows(*groups, run=run)
        planned = f"m.safetensors:{LATER}:out-in"
        self.assertEqual(one.left, [(FEED, "not measured"), (planned, "not measured")])
        self.assertEqual(many.left, [(ATTENTION, "not measured"), (planned, "not measured")])
        self.assertEqual((one.count, one.speedup()), (3, 2))
        # A section that asks for some layers only does not miss the others.
        one, _ = self.rows(*groups, run=run, where={"layer": "layer.0.*"})
        self.assertEqual(one.left, [(FEED, "not measured")])

    def test_a_matrix_without_a_result_to_believe_is_named(self):
        for why, values in (("weak-baseline", {"taints": ["weak-baseline", "noisy"]}),
                            ("not-cold", {"taints": ["not-cold"]}),
                            ("wrong result", {"taints": ["wrong"]}),
                            ("wrong result", {"sample_count": 0}),
                            ("no sparse result", {"format": "dense"}),
                            ("no dense result", {"speedup_dense": None,
                                                 "dense_time_ns_median": None})):
            row, = self.rows(measured(ATTENTION, 100, 50), measured(FEED, 300, 10, **values))
            self.assertEqual(row.left, [(FEED, why)], values)
            self.assertEqual((row.speedup(), row.total("bytes_weights")), (2, 600))

    def test_other_marks_are_used_and_counted(self):
        row, = self.rows(measured(ATTENTION, 100, 50, taints=["!precision"]),
                         measured(FEED, 300, 100))
        self.assertAlmostEqual(row.speedup(), 400 / 150)
        self.assertEqual([sorted(m.marks) for m in row.matrices], [["!precision"], []])


class Intervals(Totals):
    @staticmethod
    def sampled(layer, dense, sparse, taints=None):
        group = measured(layer, 10, 5)
        for cell, samples in zip(group, (sparse, dense)):
            cell.update(samples_ns=samples, sample_count=len(samples),
                        sample_taints=taints or [0] * len(samples))
        return group

    def test_rounds_are_drawn_for_dense_and_sparse_together(self):
        drifting = [float(v) for v in (1, 2, 3, 4, 5, 6, 7, 900)]
        twice = [2 * v for v in drifting]
        row, = self.rows(self.sampled(ATTENTION, twice, drifting, [0] * 7 + [4]))
        self.assertEqual(performance_totals.interval(row), (2, 2))

    def test_disturbed_samples_are_in_no_draw(self):
        row, = self.rows(self.sampled(ATTENTION, [2.0] * 5 + [800.0] * 4, [1.0] * 5 + [1.0] * 4,
                                      [0] * 5 + [8] * 4))
        self.assertEqual(performance_totals.interval(row), (2, 2))

    def test_it_narrows_with_the_matrices(self):
        def width(count):
            row, = self.rows(*(self.sampled(f"l{i}", [18.0, 19.0, 20.0, 21.0, 22.0], [10.0] * 5)
                               for i in range(count)))
            low, high = performance_totals.interval(row)
            self.assertTrue(1.8 <= low < 2 < high <= 2.2)
            return high - low
        self.assertLess(width(16), 0.5 * width(1))

    def test_none_without_samples_of_both(self):
        row, = self.rows(measured(ATTENTION, 100, 50), self.sampled(FEED, [10.0] * 5, [5.0] * 5))
        self.assertEqual(performance_totals.interval(row), (2, 2))
        row.matrices[1].dense = None  # as where a section's `where` leaves it out
        self.assertIsNone(performance_totals.interval(row))
        row, = self.rows(measured(FEED, 100, 50))
        del row.matrices[0].sparse["samples_ns"]
        self.assertIsNone(performance_totals.interval(row))


class Section(Totals):
    def test_tables(self):
        text, rows = self.section(measured(ATTENTION, 100e6, 50e6),
                                  measured(FEED, 300e6, 400e6, bytes_weights=900),
                                  measured(LATER, 300e6, 100e6, taints=["weak-baseline"]),
                                  kinds=KINDS, file_bytes=10000000)
        start = "| real-weights:magnitude:m | 1 | unstructured | 50 % | "
        self.assertIn(start + "400 | 450 | **0.89×** | 0.89 to 0.89 | 0.75 (layer.0.feed.weight) | "
                      "1.14× | 1 | 2 of 3 | 0 |", text)
        self.assertIn(f"| {LATER} | weak-baseline | everywhere |", text)
        self.assertIn("10.00 → 10.00 (100 %)", text)
        self.assertIn("attention (1) | feed-forward (2) |", text)
        self.assertIn(start + "2.00×, 60 % | 0.75×, 90 % (1 of 2) |", text)
        self.assertIn(f"| {LATER} | - | - | weak-baseline |", text)
        self.assertIn(f"| {FEED} | 512×256 | 0.00 | 0.75×, 90 % |", text)
        self.assertEqual(rows, [{"label": "unstructured", "facet": "N = 1", "x": 50,
                                 "value": 400 / 450, "low": 0.75, "target": None}])

    def test_a_row_without_any_matrix_is_said(self):
        text, rows = self.section(measured(ATTENTION, 100, 50, taints=["wrong"]),
                                  measured(FEED, 100, 50, n=32))
        self.assertIn("| - | 0 of 2 | 0 |", text)
        self.assertIn(f"| {ATTENTION} | wrong result | 1 unstructured 50 % |", text)
        self.assertIn(f"| {ATTENTION} | not measured | 32 unstructured 50 % |", text)
        self.assertEqual([row["facet"] for row in rows], ["N = 32"])

    def test_what_fits_no_kind_is_shown_too(self):
        text, _ = self.section(measured("pooler", 100, 50), measured(FEED, 100, 50), kinds=KINDS)
        self.assertIn("feed-forward (1) | other (1) |", text)


if __name__ == "__main__":
    unittest.main()
