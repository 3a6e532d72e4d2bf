"""Runs of records for drawing: curves of speedup over sparsity, break-evens, means.

The rules are those of `sparsemark breakeven`: of several kernels of a format and ISA the fastest of
a group counts, duplicates are averaged geometrically, log(speedup) is linear between neighbours,
and no curve or mean mixes runs, provenances or conditions. N:M patterns, which fix their sparsity,
stand at 1 - N/M.
"""

import math
import re
from collections import defaultdict
from dataclasses import dataclass, replace

from report_records import numeric

SAME_SPARSITY = 0.002
CONDITIONS = ("provenance", "pattern", "dtype", "layout", "threads", "cache")
# Shown, but in no mean: what the speedup is over, or what the kernel did, is not what it claims.
OUTSIDE_MEANS = ("weak-baseline", "not-cold", "im2col-gemm")


def fixed_sparsity(pattern):
    """What nm:N:M and nm:N:M@V say themselves; None for patterns that leave it open."""
    found = re.fullmatch(r"nm:(\d+):([1-9]\d*)(@\d+)?", pattern)
    return 1 - int(found[1]) / int(found[2]) if found else None


@dataclass
class Point:
    sparsity: float
    percents: frozenset  # that were asked for, or are its own where nothing was
    speedup: float | None
    low: float | None
    high: float | None
    bytes_share: float  # packed weights / dense weights
    moved_share: float  # modelled traffic / dense kernel's modelled traffic
    marks: tuple
    kernel: str
    payback: float | None = None  # calls after which packing has paid; inf: never


@dataclass
class Curve:
    layer: str
    m: int
    k: int
    n: int
    conditions: tuple
    series: str  # "best", "panel avx2", "mkl-sparse"
    points: list
    behind: tuple = ()    # of a best one: the series that it is made of
    measured: tuple = ()  # sparsities of the layer's best curve

    @property
    def redundant(self):
        """Whether it is the same curve twice: a best one with only one series behind it."""
        return len(self.behind) == 1

    @property
    def shape(self):
        return f"{self.m}×{self.k}"

    @property
    def pattern(self):
        return self.conditions[CONDITIONS.index("pattern")]

    @property
    def fixed(self):
        """Whether the pattern fixes the sparsity: one point, and no break-even to look for."""
        return fixed_sparsity(self.pattern) is not None

    def renamed(self, pattern, series):
        """The same points under other names, to be drawn together with other patterns'."""
        conditions = tuple(pattern if name == "pattern" else value
                           for name, value in zip(CONDITIONS, self.conditions))
        return replace(self, conditions=conditions, series=series)

    @property
    def reaches_top(self):
        """Whether it was timed at the highest sparsity: without that no break-even is known."""
        return not self.measured or (self.points[-1].sparsity
                                     >= self.measured[-1] - SAME_SPARSITY)

    def marks(self):
        return sorted({mark for point in self.points for mark in point.marks})


def outside_means(marks):
    return not set(marks).isdisjoint(OUTSIDE_MEANS)


def left_out(run):
    """mark -> how many sparse cells are in no mean because of it."""
    cells = [cell for cell in run.cells if is_sparse(cell)]
    counts = {mark: sum(mark in cell["taints"] for cell in cells)
              for mark in ("wrong", *OUTSIDE_MEANS)}
    return {mark: count for mark, count in counts.items() if count}


def _ratio(a, b):
    return a / b if b else math.nan


def _series(cell):
    return cell["peer"] or f"{cell['format']} {cell['isa']}".strip()


def _place(cell):
    """Where the cell stands on its curve; a last group that is not full does not move N:M."""
    fixed = fixed_sparsity(cell["pattern"])
    return cell["sparsity"] if fixed is None else fixed


def percent_of(cell):
    """The sparsity that was asked for, its own where none was; halves go up."""
    known = cell.get("sparsity_asked"), _place(cell)
    return math.floor(100 * next((s for s in known if s is not None), 0) + 0.5)


def _mean(values):
    values = list(values)
    if any(v is None or not v > 0 for v in values):
        return None
    return math.exp(sum(math.log(v) for v in values) / len(values))


def _point(cells):
    def moved(cell):
        dense = cell["bytes_moved"] - cell["bytes_weights"] + cell["bytes_dense_weights"]
        return _ratio(cell["bytes_moved"], dense)

    return Point(
        sparsity=sum(map(_place, cells)) / len(cells),
        percents=frozenset(map(percent_of, cells)),
        speedup=_mean(c["speedup_dense"] for c in cells),
        low=_mean(c["speedup_ci_low"] for c in cells),
        high=_mean(c["speedup_ci_high"] for c in cells),
        bytes_share=_mean(_ratio(c["bytes_weights"], c["bytes_dense_weights"]) for c in cells),
        moved_share=_mean(moved(c) for c in cells),
        marks=tuple(sorted({taint for c in cells for taint in c["taints"]})),
        kernel=", ".join(sorted({c["kernel"] for c in cells})),
        payback=max((p for p in map(_payback, cells) if p is not None), default=None))


def _payback(cell):
    """Calls until what sparse saves against dense is what packing took; None where unknown."""
    times = [cell.get(name) for name in ("pack_ns", "time_ns_median", "dense_time_ns_median")]
    if not all(map(numeric, times)):
        return None
    pack, time, dense = times
    return pack / (dense - time) if dense > time else math.inf


def _merge(cells):
    cells = sorted(cells, key=_place)
    points, start = [], 0
    for i in range(1, len(cells) + 1):
        if i == len(cells) or _place(cells[i]) - _place(cells[start]) > SAME_SPARSITY:
            points.append(_point(cells[start:i]))
            start = i
    return points


def asked_points(run):
    """The groups that the run was to measure, as far as its card says."""
    options = run.card.get("options")
    return (options if isinstance(options, dict) else {}).get("points") or []


def points_of(run):
    """How many points the run was to measure, and how many of them it has."""
    points = set(asked_points(run))
    return len(points), len(points & {cell["group"] for cell in run.cells})


def is_sparse(cell):
    return cell["format"] != "dense" and cell["sparsity"] is not None


def _rank(cell):
    """What counts first of the kernels of a format and ISA: those that means may use."""
    return not outside_means(cell["taints"]), cell["speedup_dense"] or 0


def curves_of(run):
    """All curves of a run in the order of the file, each layer's best before its series."""
    fastest = defaultdict(dict)  # curve key -> group -> cell
    for cell in run.cells:
        if not is_sparse(cell) or "wrong" in cell["taints"]:
            continue
        where = (tuple(cell[name] for name in CONDITIONS), cell["n"], cell["layer"], cell["m"],
                 cell["k"])
        for series in [_series(cell)] + ([] if cell["peer"] else ["best"]):
            held = fastest[where + (series,)].get(cell["_group"])
            if held is None or _rank(cell) > _rank(held):
                fastest[where + (series,)][cell["_group"]] = cell
    curves, measured = [], {}
    for (conditions, n, layer, m, k, series), cells in fastest.items():
        behind = {_series(c) for c in cells.values()}
        curve = Curve(layer, m, k, n, conditions, series, _merge(cells.values()),
                      tuple(sorted(behind)) if series == "best" else ())
        curves.append(curve)
        if series == "best":
            measured[conditions, n, layer, m, k] = tuple(p.sparsity for p in curve.points)
    for curve in curves:
        curve.measured = measured.get((curve.conditions, curve.n, curve.layer, curve.m, curve.k),
                                      ())
    return curves


@dataclass
class Crossing:
    state: str  # at, at-most, never, unknown
    sparsity: float | None


def crossing(sparsities, ratios):
    """The sparsity from which on every ratio is at least 1."""
    if not ratios or any(r is None or not r > 0 for r in ratios):
        return Crossing("unknown", None)
    first = len(ratios)
    while first > 0 and ratios[first - 1] >= 1:
        first -= 1
    if first == len(ratios):
        return Crossing("never", sparsities[-1])
    if first == 0:
        return Crossing("at-most", sparsities[0])
    below, above = math.log(ratios[first - 1]), math.log(ratios[first])
    t = -below / (above - below)
    return Crossing("at", sparsities[first - 1] + t * (sparsities[first] - sparsities[first - 1]))


@dataclass
class BreakEven:
    curve: Curve
    at: Crossing
    earliest: Crossing
    latest: Crossing

    @property
    def noisy(self):
        ends = (self.earliest.sparsity, self.latest.sparsity)
        return None not in ends and ends[1] - ends[0] > 0.2

    def short(self):
        if self.at.state == "never":
            return "never"
        text = f"{100 * self.at.sparsity:.0f} %"
        return f"≤ {text}" if self.at.state == "at-most" else text

    def interval(self):
        def end(c):
            return {"never": "never", "unknown": "?"}.get(c.state) or (
                f"{100 * c.sparsity:.0f} %" + (" or less" if c.state == "at-most" else ""))
        low, high = end(self.earliest), end(self.latest)
        return low if low == high else f"{low} to {high}"


def breakeven(curve):
    """The curve's break-even, or None where no point has a speedup."""
    points = [p for p in curve.points if p.speedup]
    if not points:
        return None
    s = [p.sparsity for p in points]
    return BreakEven(curve, crossing(s, [p.speedup for p in points]),
                     crossing(s, [p.high for p in points]), crossing(s, [p.low for p in points]))


def are_redundant(curves):
    """Whether the best ones of several layers are one other series twice."""
    return len({series for curve in curves for series in curve.behind}) == 1


def means_of(curves):
    """Rows of geometric means over layers, with the worst layer: one a series and sparsity."""
    buckets = defaultdict(list)
    for curve in curves:
        if curve.series == "best" and are_redundant(
                c for c in curves if (c.conditions, c.n) == (curve.conditions, curve.n)):
            continue
        nearest = {}  # a layer counts once at a percent
        for point in curve.points:
            if point.speedup and not outside_means(point.marks):
                for percent in point.percents:
                    nearest[percent] = min(nearest.get(percent, point), point,
                                           key=lambda p: abs(100 * p.sparsity - percent))
        for percent, point in nearest.items():
            buckets[(curve.conditions, curve.n, curve.series, percent)].append((point, curve))
    rows = []
    for (conditions, n, series, percent), found in sorted(
            buckets.items(), key=lambda kv: (kv[0][0], kv[0][1], kv[0][2] != "best", *kv[0][2:])):
        worst = min(found, key=lambda pc: pc[0].speedup)
        rows.append({"conditions": conditions, "n": n, "series": series, "percent": percent,
                     "geomean": _mean(p.speedup for p, _ in found), "worst": worst[0].speedup,
                     "worst_layer": worst[1].layer, "points": len(found),
                     "payback": max((p.payback for p, _ in found if p.payback is not None),
                                    default=None),
                     "marked": sum(bool(p.marks) for p, _ in found)})
    return rows
