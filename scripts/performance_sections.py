"""The kinds of section of the performance page: from records to tables, and rows for a picture.

Each function takes (runs, section, targets) and returns (lines of Markdown, rows of a picture). A row
of a picture has label, x, value, low, target (None where nothing was to be reached) and, where there
are several views, facet.
"""

import os

from adversarial import wrong
from hot_loops import Loop, load, table as loops_table
from paired import ROOT, markdown
from performance_data import against_peers, breakevens, byte_shares, layout_costs, level_of
from performance_data import speedups, target_of, thread_scaling
from performance_totals import by_kind, interval, layers_of, totals_of
from plan_choice import WITHIN, against_dense, choices, missed, summary, worst_cases
from report_charts import short_names
from report_data import CONDITIONS
from report_page import calls_text
from scaling import lines_of as scaling_lines
from scaling import read as read_scaling

MISSED = "**missed**"


def times(value):
    return f"{value:.2f}×"


def percent(share):
    return f"{100 * share:.0f} %"


def reached(value, target):
    """The target, and whether the value that is held to it reaches it as printed."""
    if target is None:
        return "-"
    return f"{target:g}, " + ("reached" if round(value, 2) >= target else MISSED)


def labels_of(runs):
    """layer -> a name that is short and still its own."""
    return short_names([cell["layer"] for run in runs for cell in run.cells], 30)


def worst_of(row, labels):
    return f"{row['worst']:.2f} ({labels[row['worst_layer']]})"


def picture_row(label, row, x="percent", value="value"):
    return {"label": label, "x": row[x], "value": row[value], "low": row["worst"],
            "target": row.get("target")}


def speedup(runs, section, targets, native=False):
    """Speedup over the best dense: mean and worst layer, how near to what skipping zeros gives."""
    labels = labels_of(runs)
    rows = [row for run in runs for row in speedups(run, targets, native)]
    several = {name for name in ("layout", "threads", "cache", "pattern")
               if len({row[name] for row in rows}) > 1}
    extra = [name for name in ("pattern", "layout", "threads", "cache") if name in several]
    cells = [[row["provenance"], "own" if native else row["n"], *(row[name] for name in extra),
              f"{row['percent']} %", f"**{times(row['geomean'])}**", worst_of(row, labels),
              percent(row["geomean"] * (1 - row["percent"] / 100)),
              reached(row["geomean"], row["target"]), calls_text(row["payback"]), row["points"],
              row["marked"]] for row in rows]
    lines = markdown(["weights", "N", *extra, "sparsity", "geometric mean", "worst layer",
                      "of 1/(1−s)", "target", "packing paid after (calls)", "layers", "marked"],
                     cells)
    breaks = [] if native else [b for run in runs for b in breakevens(run, targets)]
    if breaks:
        lines += ["", *markdown(
            ["weights", "pattern", "N", "layers", "breaks even at (earliest)", "latest", "target"],
            [[b["provenance"], b["pattern"], b["n"], b["layers"], b["first"],
              f"{b['last']} ({labels[b['last_layer']]})", "-" if b["target"] is None else
              f"≤ {percent(b['target'])}, "
              + ("reached" if b["last_at"] <= b["target"] else MISSED)] for b in breaks])]

    def label(row):
        return " ".join([f"N = {'own' if native else row['n']}", *(str(row[n]) for n in extra)])

    return lines, [picture_row(label(r), r, value="geomean") for r in rows]


def native(runs, section, targets):
    """Layers that have an N of their own."""
    return speedup(runs, section, targets, native=True)


def cold(runs, section, targets):
    """Weights from memory: does the time shrink as the bytes do."""
    labels = labels_of(runs)
    rows = [row for run in runs for row in byte_shares(run, targets)]
    lines = markdown(
        ["weights", "N", "sparsity", "speedup", "bytes would allow", "share of that", "worst layer",
         "target", "layers"],
        [[r["provenance"], r["n"], f"{r['percent']} %", f"**{times(r['time'])}**",
          times(r["bytes"]), f"{r['value']:.2f}", worst_of(r, labels), reached(r["value"], r["target"]),
          r["points"]] for r in rows])
    return lines, [picture_row(f"N = {r['n']}", r) for r in rows]


def threads(runs, section, targets):
    """Speed with several threads over one."""
    labels = labels_of(runs)
    rows = [row for run in runs for row in thread_scaling(run, targets)]
    if not rows:
        return [], []
    lines = markdown(
        ["weights", "N", "sparsity", "threads", "as fast as one", "worst layer",
         "multiply-adds alone", "worst / that", "target", "layers"],
        [[r["provenance"], r["n"], f"{r['percent']} %", r["threads"], f"**{times(r['value'])}**",
          worst_of(r, labels), times(r["fma"]) if r["fma"] else "-",
          f"{r['share']:.2f}" if r["share"] else "-",
          reached(r["share"], r["target"]) if r["share"] else "-", r["points"]] for r in rows])
    return lines, [picture_row(f"N = {r['n']}", r) for r in rows]


def layouts(runs, section, targets):
    """Token-major activations against feature-major ones."""
    labels = labels_of(runs)
    rows = [row for run in runs for row in layout_costs(run, targets)]
    if not rows:
        return [], []
    lines = markdown(
        ["weights", "N", "sparsity", "speed of feature-major", "worst layer", "target", "layers"],
        [[r["provenance"], r["n"], f"{r['percent']} %", f"**{r['value']:.2f}**", worst_of(r, labels),
          reached(r["value"], r["target"]), r["points"]] for r in rows])
    return lines, [picture_row(f"N = {r['n']}", r) for r in rows]


def _peers(runs, targets, dense):
    labels, rows, behind = labels_of(runs), [], []
    for run in runs:
        found = against_peers(run, dense, targets)
        rows += found[0]
        behind += found[1]
    if not rows:
        return [], []
    head = ["weights", "N", "geometric mean", "worst layer", "target", "cells", "behind"]
    cells = [[r["provenance"], r["n"], f"**{r['value']:.2f}**", worst_of(r, labels),
              reached(r["value"] if dense else r["worst"], r["target"]), r["points"], r["behind"]]
             for r in rows]
    if not dense:
        head.insert(2, "sparsity")
        cells = [[*line[:2], f"{r['percent']} %", *line[2:]] for line, r in zip(cells, rows)]
    lines = markdown(head, cells)
    if behind and not dense:
        lines += ["", "Exceptions:", "", *markdown(
            ["layer", "N", "sparsity", "peer", "ours", "peer's time / ours"],
            [[labels[b["layer"]], b["n"], percent(b["sparsity"]), b["peer"], b["own"],
              f"{b['ratio'].value:.2f} [{b['ratio'].low:.2f}, {b['ratio'].high:.2f}]"]
             for b in behind[:20]])]
    return lines, rows


def peers(runs, section, targets):
    """The fastest sparse library of other projects, cell by cell."""
    lines, rows = _peers(runs, targets, dense=False)
    return lines, [picture_row(f"N = {r['n']}", r) for r in rows]


def dense(runs, section, targets):
    """Our dense control against the fastest dense library."""
    return _peers(runs, targets, dense=True)[0], []


def _within(rows, target, word):
    share = sum(r["ratio"] <= WITHIN for r in rows) / len(rows)
    return (f"{percent(share)} of {len(rows)} cases are within {percent(WITHIN - 1)} of {word}"
            + (f" (target: {percent(target)}, {'reached' if share >= target else MISSED})."
               if target else "."))


def _strip(rows):
    """Points of a picture: one a case, the limit as the target."""
    return [{"label": "a case", "x": r["n"], "value": r["ratio"], "low": r["ratio"],
             "target": WITHIN} for r in rows]


def plan(runs, section, targets):
    """What a plan chooses against an exhaustive sweep."""
    rows = [row for run in runs for row in choices(run)]
    if not rows:
        return [], []
    target = target_of(targets, "plan", level_of(runs[0]))
    return [_within(rows, target, "the best of the sweep"), "",
            *summary(rows, ("provenance", "n")), "", *worst_cases(rows), "",
            *missed(rows)], _strip(rows)


def adversarial(runs, section, targets):
    """Hard shapes against our own dense control."""
    rows = [row for run in runs for row in against_dense(run)]
    if not rows:
        return [], []
    worst = max(rows, key=lambda r: r["ratio"])
    limit = target_of(targets, "adversarial", level_of(runs[0])) or WITHIN
    bad = sorted({c["layer"] for c in wrong(runs)})
    return [f"Time of the plan over that of dense: {len(rows)} cases, worst {worst['ratio']:.2f} "
            f"({worst['layer']}, N = {worst['n']}); at most {limit:g} is allowed, "
            f"{'reached' if worst['ratio'] <= limit else MISSED}. "
            + (f"WRONG results: {', '.join(bad)}." if bad else
               "Every result is within its bound."), "",
            *summary(rows, ("n",)), "", *worst_cases(rows)], _strip(rows)


def scaling(runs, section, targets):
    """Slopes and fixed costs; its picture is drawn by scaling.py."""
    _, cells, series = read_scaling(section["folder"])
    lines = scaling_lines(cells, series)
    limit = target_of(targets, "packing", level_of(runs[0]))
    packed = [c["pack_ns"] / 1e9 for c in cells if c["layer"] == "large"]
    if limit and packed:
        lines += ["", f"Packing the large layer: {max(packed):.2f} s at most; {limit:g} s allowed, "
                  f"{'reached' if max(packed) <= limit else MISSED}."]
    return lines, []


TOTALS = """\
A total is the sum over the matrices of their medians: *dense* each by the dense kernel that is best for
it, *sparse* each by its fastest sparse kernel, *better of both* dense where a matrix's speedup is below
1. Its interval is a 95 % bootstrap over rounds, within each matrix. Bytes are stored weights; *moved a
call* adds activations and output, each once, as modelled. A total is no run from end to end: every
matrix is timed alone, warm ones with weights still in cache, and what a model does between them is not in it."""


def _megabytes(before, after):
    return f"{before / 1e6:.2f} → {after / 1e6:.2f} ({percent(after / before)})"


def _total_times(row, labels):
    if not row.matrices:
        return ["-"] * 7 + [f"0 of {row.count}", 0]
    ends, worst = interval(row), row.worst()
    return [f"{row.total('dense_time_ns_median') / 1e6:.3g}",
            f"{row.total('time_ns_median') / 1e6:.3g}", f"**{times(row.speedup())}**",
            f"{ends[0]:.2f} to {ends[1]:.2f}" if ends else "-",
            f"{worst.speedup:.2f} ({labels[worst.layer]})", times(row.better()),
            sum(m.loses for m in row.matrices), f"{len(row.matrices)} of {row.count}",
            sum(bool(m.marks) for m in row.matrices)]


def _total_bytes(row, file_bytes):
    """What is not in the row stays dense in the whole file."""
    if not row.matrices:
        return ["-"] * (4 if file_bytes else 3)
    dense, packed = row.total("bytes_dense_weights"), row.total("bytes_weights")
    return [_megabytes(dense, packed),
            _megabytes(dense, row.mixed("bytes_dense_weights", "bytes_weights")),
            _megabytes(row.moved_dense(), row.total("bytes_moved")),
            *([_megabytes(file_bytes, file_bytes - dense + packed)] if file_bytes else [])]


def _together(row, value=None):
    """Speedup and stored bytes of part of a row; why not, where nothing is left of it."""
    if not row.matrices:
        return ", ".join(sorted({why for _, why in row.left})) or "-"
    share = row.total("bytes_weights") / row.total("bytes_dense_weights")
    return (f"{times(value or row.speedup())}, {percent(share)}"
            + (f" ({len(row.matrices)} of {row.count})" if row.left else "")
            + ("*" if any(m.marks for m in row.matrices) else ""))


def _one_matrix(rows, layer):
    """A line of the table of every matrix: what it is, and its own speedup in each row."""
    alone = [row.part([layer]) for row in rows]
    cell = next((row.matrices[0].sparse for row in alone if row.matrices), None)
    return [layer, *([f"{cell['m']}×{cell['k']}", f"{cell['bytes_dense_weights'] / 1e6:.2f}"]
                     if cell else ["-", "-"]),
            *(_together(row, row.matrices[0].speedup if row.matrices else None) for row in alone)]


def _each_matrix(rows, several):
    """Every matrix of every row, folded away: a table of what differs in nothing but pattern and
    sparsity."""
    tables, lines = {}, []
    for row in rows:
        scene = [row.conditions["provenance"], f"N = {row.n}", *(row.conditions[n] for n in several)]
        tables.setdefault(", ".join(map(str, scene)), []).append(row)
    for scene, inside in tables.items():
        lines += ["", "<details>", f"<summary>Every matrix, {scene}: speedup, stored bytes of dense; "
                  "* marked</summary>", "", *markdown(
                      ["matrix", "M×K", "dense, MB",
                       *(f"{row.conditions['pattern']} {row.percent} %" for row in inside)],
                      [_one_matrix(inside, layer) for layer in layers_of(inside)]), "", "</details>"]
    return lines


def _left_out(rows, named):
    """Lines that name every matrix that is in no total, why and where."""
    found = {}
    for row in rows:
        for left in row.left:
            found.setdefault(left, []).append(" ".join(map(str, named(row)[1:])))
    return ["", "In no total:", "", *markdown(
        ["matrix", "why", "N, pattern and sparsity"],
        [[*left, "everywhere" if len(where) == len(rows) else ", ".join(where)]
         for left, where in found.items()])] if found else []


def totals(runs, section, targets):
    """All matrices of a model together: time and bytes, by kind of matrix, and every one."""
    labels = labels_of(runs)
    rows = [row for run in runs for row in totals_of(run, section.get("where", ()))]
    file_bytes, kinds = section.get("file_bytes"), section.get("kinds", {})
    several = [name for name in CONDITIONS if name not in ("provenance", "pattern")
               and len({row.conditions[name] for row in rows}) > 1]

    def named(row):
        return [row.conditions["provenance"], row.n,
                *(row.conditions[name] for name in ("pattern", *several)), f"{row.percent} %"]

    names = ["weights", "N", "pattern", *several, "sparsity"]
    lines = [*TOTALS.split("\n"), "", *markdown(
        [*names, "dense, ms", "sparse, ms", "speedup", "interval", "worst matrix", "better of both",
         "dense better for", "matrices", "marked"],
        [named(row) + _total_times(row, labels) for row in rows]), *_left_out(rows, named)]
    lines += ["", "Bytes in MB, dense → sparse:", "", *markdown(
        [*names, "every one sparse", "better of both", "moved a call",
         *(["whole file"] if file_bytes else [])],
        [named(row) + _total_bytes(row, file_bytes) for row in rows])]
    if kinds:
        layers = by_kind(rows, kinds)
        lines += ["", "By kind of matrix, speedup of the total and stored bytes of dense; * marked:", "",
                  *markdown([*names, *(f"{kind} ({len(inside)})" for kind, inside in layers.items())],
                            [named(row) + [_together(row.part(inside)) for inside in layers.values()]
                             for row in rows])]
    return lines + _each_matrix(rows, several), [
        {"label": " ".join(map(str, named(row)[2:-1])), "facet": f"N = {row.n}", "x": row.percent,
         "value": row.speedup(), "low": row.worst().speedup, "target": None}
        for row in rows if row.matrices]


def instructions(runs, section, targets):
    """Loads per FMA and spills, as stored beside the tests."""
    stored = load(os.path.join(ROOT, "tests", "data", "hot_loops.json"))
    kernels = {name: [Loop(**loop) for loop in loops] for name, loops in stored["kernels"].items()}
    return [f"Compiled by {stored['compiler']} {stored['major']}; `stack` counts spills.", "", "```",
            *loops_table(kernels, False), "```"], []


KINDS = {f.__name__: f for f in (speedup, native, cold, threads, layouts, peers, dense, plan,
                                 adversarial, scaling, totals, instructions)}
