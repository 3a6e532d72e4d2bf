"""What the performance page says of each kind of section: rows of figures, and what was to be reached.

A section names records and which of their cells count (`where`); cells of different provenance never
share a row.
"""

import fnmatch
import json
import math
import os
from collections import defaultdict
from dataclasses import replace

from paired import geomean, groups_of, is_timed, own_dense_of, ratio_of
from report_data import CONDITIONS, breakeven, curves_of, means_of, outside_means
from report_records import ReportError, Run, numeric, read_runs

LARGE = 1 << 26  # M·K·N from which on fixed costs do not show


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: cannot be read: {error}") from None


def matches(cell, where):
    """Whether every field named is one of the values, or fits one of the globs."""
    for name, wanted in where.items():
        values = wanted if isinstance(wanted, list) else [wanted]
        if not any(fnmatch.fnmatchcase(cell[name], v) if isinstance(v, str) else cell[name] == v
                   for v in values):
            return False
    return True


def runs_of(folder, where):
    """The runs of a folder with the cells that count; none where there are no records yet."""
    if not os.path.exists(os.path.join(folder, "records.jsonl")):
        return []
    runs = [Run(run.card, [c for c in run.cells if matches(c, where)])
            for run in read_runs(folder)]
    return [run for run in runs if run.cells]


def level_of(run):
    """The widest hand-written level among the sparse cells: the dense control may use any."""
    found = {c["isa"] for c in run.cells if c["format"] != "dense"}
    return next((isa for isa in ("avx512", "avx2") if isa in found), "")


def target_of(targets, kind, level, **facts):
    """The figure to reach, of the first target whose conditions fit; None without one."""
    for target in targets:
        if target["kind"] == kind and matches(facts, {
                name: value for name, value in target.items()
                if name in facts}) and not set(target) - {"kind", "avx2", "avx512"} - set(facts):
            return target.get(level)
    return None


def own_best_curves(run):
    """Of the fastest sparse kernel of ours, also where one series stands behind it."""
    return [replace(c, behind=()) for c in curves_of(run) if c.series == "best"]


def speedups(run, targets, native=False):
    """means_of() rows of the best kernel, with the target; native: each layer at its own N."""
    cells = [dict(c, n=0) for c in run.cells] if native else run.cells
    rows = means_of(own_best_curves(Run(run.card, cells)))
    for row in rows:
        row.update(zip(CONDITIONS, row["conditions"]), level=level_of(run), native=native)
        row["target"] = target_of(targets, "speedup", level_of(run), n=row["n"], native=native,
                                  percent=row["percent"], pattern=row["pattern"],
                                  provenance=row["provenance"], cache=row["cache"],
                                  layout=row["layout"], threads=row["threads"])
    return rows


def breakevens(run, targets):
    """Per provenance, pattern and N: layers, the earliest and the latest break-even."""
    buckets = defaultdict(list)
    for curve in own_best_curves(run):
        found = None if curve.fixed or len(curve.points) < 2 else breakeven(curve)
        if found and found.at.state != "unknown":
            buckets[(curve.conditions[0], curve.pattern, curve.n)].append(found)
    rows = []
    for (provenance, pattern, n), found in sorted(buckets.items()):
        def place(b):
            return math.inf if b.at.state == "never" else b.at.sparsity
        first, last = min(found, key=place), max(found, key=place)
        rows.append({"provenance": provenance, "pattern": pattern, "n": n, "layers": len(found),
                     "first": first.short(), "last": last.short(), "last_at": place(last),
                     "last_layer": last.curve.layer,
                     "target": target_of(targets, "breakeven", level_of(run), n=n, pattern=pattern,
                                         provenance=provenance)})
    return rows


def byte_shares(run, targets):
    """Time saved against bytes saved, per provenance, N and sparsity."""
    buckets = defaultdict(list)
    for curve in own_best_curves(run):
        for p in curve.points:
            if p.speedup and p.bytes_share and not outside_means(p.marks):
                buckets[(curve.conditions[0], curve.n, round(100 * p.sparsity))].append(
                    (p.speedup, 1 / p.bytes_share, curve.layer))
    rows = []
    for (provenance, n, percent), found in sorted(buckets.items()):
        worst = min(found, key=lambda f: f[0] / f[1])
        rows.append({"provenance": provenance, "n": n, "percent": percent, "points": len(found),
                     "time": geomean(f[0] for f in found), "bytes": geomean(f[1] for f in found),
                     "value": geomean(f[0] / f[1] for f in found), "worst": worst[0] / worst[1],
                     "worst_layer": worst[2],
                     "target": target_of(targets, "bytes", level_of(run), n=n, percent=percent)})
    return rows


def _fastest(run):
    """The fastest sparse cell of ours of each group."""
    found = []
    for group in groups_of(run):
        own = [c for c in group if not c["peer"] and c["format"] != "dense" and is_timed(c)
               and not outside_means(c["taints"])]
        if own:
            found.append(min(own, key=lambda c: c["time_ns_median"]))
    return found


def _pairs(run, field, first):
    """(cell with field = first, cell with another value) of points that are alike but for it."""
    alike = defaultdict(dict)
    names = ("layer", "source", "provenance", "pattern", "m", "k", "n", "layout", "threads",
             "cache", "nnz")
    for cell in _fastest(run):
        alike[tuple(cell[n] for n in names if n != field)][cell[field]] = cell
    return [(values[first], other) for values in alike.values() if first in values
            for value, other in values.items() if value != first]


def _bucketed(values, describe):
    """values: (key, ratio, cell). Rows with mean and worst (the least)."""
    buckets = defaultdict(list)
    for key, ratio, cell in values:
        buckets[key].append((ratio, cell["layer"]))
    rows = []
    for key, found in sorted(buckets.items()):
        worst = min(found)
        rows.append({**describe(*key), "points": len(found), "value": geomean(r for r, _ in found),
                     "worst": worst[0], "worst_layer": worst[1],
                     "behind": sum(r < 1 for r, _ in found)})
    return rows


def thread_scaling(run, targets):
    """How many times as fast with more threads, as a share of what the multiply-adds reach; layers
    that are large enough only."""
    roof = run.card.get("roof") or {}
    fma = (roof.get("scaling") or {}).get("fma")
    values = [((c["provenance"], c["n"], round(100 * c["sparsity"]), other["threads"]),
               c["time_ns_median"] / other["time_ns_median"], c)
              for c, other in _pairs(run, "threads", 1) if c["m"] * c["k"] * c["n"] >= LARGE]
    rows = _bucketed(values, lambda provenance, n, percent, threads: {
        "provenance": provenance, "n": n, "percent": percent, "threads": threads,
        "target": target_of(targets, "threads", level_of(run), threads=threads)})
    for row in rows:
        row["fma"] = fma if numeric(fma) and row["threads"] == 2 else None
        row["share"] = row["worst"] / row["fma"] if row["fma"] else None
    return rows


def layout_costs(run, targets):
    """Speed with token-major activations as a share of that with feature-major ones."""
    values = [((c["provenance"], c["n"], round(100 * c["sparsity"])),
               c["time_ns_median"] / other["time_ns_median"], c)
              for c, other in _pairs(run, "layout", "feature")]
    return _bucketed(values, lambda provenance, n, percent: {
        "provenance": provenance, "n": n, "percent": percent,
        "target": target_of(targets, "layouts", level_of(run), steep=percent > 80, few=n < 32)})


def against_peers(run, dense, targets):
    """Ours against the fastest peer of the kind, paired over rounds: (rows, exceptions)."""
    values, behind = [], []
    for group in groups_of(run):
        kind = [c for c in group if is_timed(c) and (c["format"] == "dense") == dense]
        peers = [c for c in kind if c["peer"]]
        own = own_dense_of(group) if dense else min(
            (c for c in kind if not c["peer"]), key=lambda c: c["time_ns_median"], default=None)
        if not peers or own is None:
            continue
        peer = min(peers, key=lambda c: c["time_ns_median"])
        ratio = ratio_of(peer, own)
        # A dense kernel does the same whatever the sparsity.
        percent = -1 if dense else round(100 * own["sparsity"])
        values.append(((own["provenance"], own["n"], percent), ratio.value, own))
        if ratio.value < 1:
            behind.append({"layer": own["layer"], "n": own["n"], "sparsity": own["sparsity"],
                           "peer": peer["kernel"], "own": own["kernel"], "ratio": ratio})
    kind = "dense" if dense else "peers"
    rows = _bucketed(values, lambda provenance, n, percent: {
        "provenance": provenance, "n": n, "percent": percent,
        "target": target_of(targets, kind, level_of(run), n=n)})
    return rows, sorted(behind, key=lambda b: b["ratio"].value)
