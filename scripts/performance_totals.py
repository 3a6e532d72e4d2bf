"""What the matrices of a whole model take together: totals of time and bytes over a run's matrices, a
row a pattern, sparsity and N; never means of ratios.

A matrix that cannot be in a row (not measured, wrong, nothing dense to compare with, or a mark that
makes its speedup claim too much) is named with the reason, and the row knows how many it should have.
A total's interval is a percentile bootstrap: rounds are drawn anew within each matrix, dense and
sparse samples of a round together, since the cells of a group share their rounds and groups do not.
"""

import fnmatch
import warnings
from dataclasses import dataclass, field

from paired import MIN_CLEAN, groups_of, is_timed
from report_data import CONDITIONS, OUTSIDE_MEANS, asked_points
from report_data import is_sparse, outside_means, percent_of
from report_records import numeric

DRAWS, SEED = 1000, 1


@dataclass
class Matrix:
    layer: str
    sparse: dict       # cell of the fastest sparse kernel of ours
    dense: dict | None  # cell of the best dense kernel; None where the section leaves it out

    @property
    def speedup(self):
        return self.sparse["speedup_dense"]

    @property
    def loses(self):
        return self.speedup < 1

    @property
    def marks(self):
        return {*self.sparse["taints"], *(self.dense or {"taints": []})["taints"]}


@dataclass
class Row:
    conditions: dict   # CONDITIONS by name
    n: int
    percent: int
    matrices: list = field(default_factory=list)
    left: list = field(default_factory=list)  # (matrix, why) that are in none of the figures

    @property
    def count(self):
        return len(self.matrices) + len(self.left)

    def total(self, name):
        return sum(m.sparse[name] for m in self.matrices)

    def speedup(self):
        return self.total("dense_time_ns_median") / self.total("time_ns_median")

    def mixed(self, dense, sparse):
        """The total where what is slower sparse stays dense; names of the two fields."""
        return sum(m.sparse[dense if m.loses else sparse] for m in self.matrices)

    def better(self):
        return self.total("dense_time_ns_median") / self.mixed("dense_time_ns_median",
                                                               "time_ns_median")

    def moved_dense(self):
        return (self.total("bytes_moved") - self.total("bytes_weights")
                + self.total("bytes_dense_weights"))

    def worst(self):
        return min(self.matrices, key=lambda m: m.speedup)

    def part(self, layers):
        """The same row of some of its matrices only."""
        return Row(self.conditions, self.n, self.percent,
                   [m for m in self.matrices if m.layer in layers],
                   [(layer, why) for layer, why in self.left if layer in layers])


def matrix_of(group):
    """The group's matrix, or why it is in no total."""
    own = [c for c in group if is_sparse(c) and not c["peer"]]
    timed = [c for c in own if is_timed(c)]
    usable = [c for c in timed if not outside_means(c["taints"])]
    if not usable:
        marks = {mark for c in timed for mark in c["taints"] if mark in OUTSIDE_MEANS}
        return ", ".join(sorted(marks)) or ("wrong result" if own else "no sparse result")
    best = min(usable, key=lambda c: c["time_ns_median"])
    if not numeric(best["speedup_dense"]) or not numeric(best["dense_time_ns_median"]):
        return "no dense result"
    return Matrix(best["layer"], best, next(
        (c for c in group if c["format"] == "dense" and c["kernel"] == best["dense_kernel"]), None))


def _matrix_name(group):
    """What a group's name says of the matrix."""
    return group.split("|")[0]


def totals_of(run, where=()):
    """Rows by N, then in the order of the file. A matrix that the run was to measure, or measured
    under other conditions, is missed wherever it is not; where: as of a section."""
    names = {_matrix_name(c["group"]): c["layer"] for c in run.cells}
    if not {"layer", "source"} & set(where):
        for point in asked_points(run):
            names.setdefault(_matrix_name(point), _matrix_name(point))
    found = {}
    for group in groups_of(run):
        cell = group[0]
        key = tuple(cell[name] for name in CONDITIONS), cell["n"], percent_of(cell)
        found.setdefault(key, {})[_matrix_name(cell["group"])] = matrix_of(group)
    rows = []
    for (conditions, n, percent), matrices in found.items():
        row = Row(dict(zip(CONDITIONS, conditions)), n, percent)
        for name, layer in names.items():
            matrix = matrices.get(name, "not measured")
            if isinstance(matrix, Matrix):
                row.matrices.append(matrix)
            else:
                row.left.append((layer, matrix))
        rows.append(row)
    return sorted(rows, key=lambda row: row.n)


def _samples(cell):
    """What the cell's median is of: its undisturbed samples, the others NaN; all where these are too
    few."""
    import numpy as np
    clean = np.array(cell["sample_taints"]) == 0
    values = np.array(cell["samples_ns"], float)
    return values if clean.sum() < MIN_CLEAN else np.where(clean, values, np.nan)


def interval(row):
    """95 % interval of the row's speedup; None where samples are missing."""
    import numpy as np
    pairs = [(m.dense, m.sparse) for m in row.matrices]
    if not all(d and d["sample_count"] and d["sample_count"] == s["sample_count"] ==
               len(s.get("samples_ns", ())) == len(d.get("samples_ns", ())) for d, s in pairs):
        return None
    draw, sums = np.random.default_rng(SEED), np.zeros((2, DRAWS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a draw of disturbed rounds alone is NaN
        for pair in pairs:
            rounds = draw.integers(pair[0]["sample_count"], size=(DRAWS, pair[0]["sample_count"]))
            sums += [np.nanmedian(_samples(cell)[rounds], axis=1) for cell in pair]
    return tuple(np.nanpercentile(sums[0] / sums[1], (2.5, 97.5)))


def layers_of(rows):
    """Every matrix that is in a row, or should be."""
    return list(dict.fromkeys(layer for row in rows for layer in (
        *(m.layer for m in row.matrices), *(layer for layer, _ in row.left))))


def by_kind(rows, kinds):
    """kind -> its layers, in the order of kinds (name -> glob); what fits none is `other`."""
    found = {name: [] for name in (*kinds, "other")}
    for layer in layers_of(rows):
        found[next((name for name, glob in kinds.items() if fnmatch.fnmatchcase(layer, glob)),
                   "other")].append(layer)
    return {name: inside for name, inside in found.items() if inside}
