"""The kinds of section of the performance page: from records to tables, and rows for a picture.

Each function takes (runs, section, targets) and returns (lines of Markdown, rows of a picture). A row
of a picture has label, x, value, low and, where something was to be reached, target.
"""

import os

from adversarial import wrong
from hot_loops import Loop, load, table as loops_table
from paired import ROOT, markdown
from performance_data import against_peers, breakevens, byte_shares, layout_costs, level_of
from performance_data import speedups, target_of, thread_scaling
from plan_choice import WITHIN, against_dense, choices, missed, summary, worst_cases
from report_charts import short_names
from report_page import calls_text
from scaling import lines_of as scaling_lines
from scaling import read as read_scaling

MISSED = "**missed**"


def times(value):
    return f"{value:.2f}×"


def percent(share):
    return f"{100 * share:.0f} %"


def reached(value, target):
    """The target, and whether the mean reaches it as printed."""
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
              reached(r["value"], r["target"]), r["points"], r["behind"]] for r in rows]
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


def instructions(runs, section, targets):
    """Loads per FMA and spills, as stored beside the tests."""
    stored = load(os.path.join(ROOT, "tests", "data", "hot_loops.json"))
    kernels = {name: [Loop(**loop) for loop in loops] for name, loops in stored["kernels"].items()}
    return [f"Compiled by {stored['compiler']} {stored['major']}; `stack` counts spills.", "", "```",
            *loops_table(kernels, False), "```"], []


KINDS = {f.__name__: f for f in (speedup, native, cold, threads, layouts, peers, dense, plan,
                                 adversarial, scaling, instructions)}
