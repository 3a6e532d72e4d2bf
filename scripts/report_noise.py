"""How much a run was disturbed: shares of samples, marks of cells, a picture over the run's time."""

import math
from collections import defaultdict

from report_charts import PALETTE, _base, _round, _title

TAINT_BITS = {1: "migrated", 2: "switched out", 4: "steal", 8: "slow probe"}
ANY = "any of them"
MARKS = ("!precision", "noisy", "weak-baseline", "not-cold")
BARS = 300


def _count(cells):
    """Samples, and how many of them carry each taint."""
    found = dict.fromkeys(("samples", ANY, *TAINT_BITS.values()), 0)
    for cell in cells:
        found["samples"] += cell["sample_count"]
        for word in cell["sample_taints"]:
            found[ANY] += word != 0
            for bit, name in TAINT_BITS.items():
                found[name] += bool(word & bit)
    return found


def noise_of(run):
    """Samples by taint, and how many cells carry which mark."""
    counts = _count(run.cells)
    marks = defaultdict(int, dict.fromkeys(MARKS, 0))
    for cell in run.cells:
        for mark in cell["taints"]:
            marks[mark] += 1
    return {"samples": counts["samples"], "tainted": counts[ANY],
            "bits": {name: counts[name] for name in TAINT_BITS.values()}, "marks": dict(marks)}


def disturbed_share(run):
    noise = noise_of(run)
    return noise["tainted"] / noise["samples"] if noise["samples"] else 0.0


def noise_rows(run):
    """Groups in the order in which they ran, several to a bar where there are many; per taint the
    share of their samples."""
    groups = defaultdict(list)
    for cell in run.cells:
        groups[cell["_group"]].append(cell)
    groups = [groups[key] for key in sorted(groups)]
    each = math.ceil(len(groups) / BARS)
    rows = []
    for first in range(0, len(groups), each):
        part = groups[first:first + each]
        counts = _count(cell for cells in part for cell in cells)
        for name in (ANY, *TAINT_BITS.values()):
            rows.append({"from": first, "to": first + len(part), "taint": name,
                         "share": _round(counts[name] / counts["samples"]) if counts["samples"]
                         else 0, "group": part[0][0]["group"]})
    seen = {row["taint"] for row in rows if row["share"]}
    return [row for row in rows if row["taint"] in seen]


def noise_chart(run, cpu):
    """Share of disturbed samples over the run, a strip a taint; None where nothing disturbed it."""
    rows = noise_rows(run)
    if not rows:
        return None
    taints = list(dict.fromkeys(row["taint"] for row in rows))
    last = max(row["to"] for row in rows)
    x = {"field": "from", "type": "quantitative",
         "axis": {"title": "groups of cells in the order in which they were timed", "format": "d",
                  "grid": False, "tickMinStep": 1},
         "scale": {"domain": [0, last], "nice": False}}
    colours = dict(zip((ANY, *TAINT_BITS.values()), ["#555555", *PALETTE]))
    spec = _base(_title(f"What disturbed the run on {cpu}",
                        "share of each group's samples; disturbed samples are left out of the "
                        "estimates"), rows)
    spec.update({
        "facet": {"row": {"field": "taint", "type": "nominal", "title": None, "sort": taints,
                          "header": {"labelAngle": 0, "labelAlign": "left"}}},
        "spacing": 12,
        "spec": {"width": 700, "height": 60,
                 "mark": {"type": "rect"},
                 "encoding": {
                     "x": x, "x2": {"field": "to"},
                     "y": {"field": "share", "type": "quantitative", "title": None,
                           "axis": {"format": ".0%", "tickCount": 3},
                           "scale": {"domain": [0, max(r["share"] for r in rows)]}},
                     "y2": {"datum": 0},
                     "color": {"field": "taint", "type": "nominal", "legend": None,
                               "scale": {"domain": taints,
                                         "range": [colours[name] for name in taints]}},
                     "tooltip": [{"field": "taint"}, {"field": "group", "type": "nominal"},
                                 {"field": "share", "type": "quantitative", "format": ".1%"}]}}})
    return spec
