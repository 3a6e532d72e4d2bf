"""What limits a kernel: cells under the roofs that their run measured, and bytes saved against time
saved. Specifications of Vega-Lite, as in report_charts.py."""

import math

from report_charts import FACETS, PALETTE, _base, _log_axis, _round, _series_scale
from report_charts import _title, marks_note, spread
from report_data import CONDITIONS, _series, is_sparse
from report_records import numeric

NO_ROOF = "no roof in this record"
POINTS = 3000
MEMORIES = ["L1", "L2", "L3", "DRAM"]
LIMITS = ["fma", *MEMORIES]
SHAPES = ["circle", "square", "diamond", "triangle-up", "cross"]
# Lines that are closer than so many pixels share a label.
LABEL_GAP = 17


def _at(figures, i):
    """The figure for the i-th number of threads, None where it was not measured."""
    known = isinstance(figures, list) and i < len(figures) and numeric(figures[i])
    return figures[i] if known and figures[i] > 0 else None


def _entries(roof, name):
    return [entry for entry in roof.get(name) or [] if isinstance(entry, dict)]


def roofs_of(run):
    """threads -> {"fma": {isa: GFLOP/s}, "memory": {name: GB/s}} as the run measured them, of f32;
    empty where the record has none."""
    roof = run.card.get("roof")
    if not isinstance(roof, dict) or not isinstance(roof.get("threads"), list):
        return {}
    found = {}
    for i, threads in enumerate(roof["threads"]):
        fma = {entry.get("isa"): _at(entry.get("gops"), i) for entry in _entries(roof, "peaks")
               if entry.get("dtype") == "f32"}
        memory = {entry.get("memory"): _at(entry.get("read_gbytes_s"), i)
                  for entry in _entries(roof, "bandwidth")}
        lines = {"fma": {isa: value for isa, value in fma.items() if value},
                 "memory": {name: value for name, value in memory.items() if value}}
        if all(lines.values()):
            found[threads] = lines
    return found


def _labels(figures, gap):
    """(text, largest value) of lines that are within a factor of gap of the one before."""
    found, last = [], math.inf
    for name, value in sorted(figures.items(), key=lambda item: -item[1]):
        if last / value >= gap:
            found.append(([], value))
        found[-1][0].append(f"{name} {value:.3g}")
        last = value
    return [(", ".join(texts), value) for texts, value in found]


def roof_points(run, roofs):
    """A row for every sparse cell that can be set against a roof."""
    rows = []
    for cell in run.cells:
        intensity, gflops = cell.get("arithmetic_intensity"), cell.get("gflops_nnz")
        if (not is_sparse(cell) or "wrong" in cell["taints"] or cell["threads"] not in roofs
                or not numeric(intensity) or not numeric(gflops) or not min(intensity, gflops) > 0):
            continue
        rows.append({
            "kind": "point", "facet": cell["threads"], "series": _series(cell),
            "intensity": _round(intensity), "gflops": _round(gflops),
            "share": _round(cell["roof_share"]) if numeric(cell.get("roof_share")) else None,
            "limit": str(cell.get("roof_limit") or "?"), "isa": cell["isa"], "layer": cell["layer"], "n": cell["n"],
            "sparsity": _round(cell["sparsity"]), "kernel": cell["kernel"],
            "marks": " ".join(cell["taints"])})
    return spread(rows, POINTS)


def _domains(rows, roofs):
    peaks = [max(lines["fma"].values()) for lines in roofs.values()]
    rates = [value for lines in roofs.values() for value in lines["memory"].values()]
    # Room on the left for the labels of the slopes.
    left = min(min(row["intensity"] for row in rows) / 3, max(peaks) / max(rates) / 4)
    right = max(max(row["intensity"] for row in rows) * 1.6, max(peaks) / min(rates) * 3)
    bottom = min(min(row["gflops"] for row in rows) / 1.6, min(peaks) / 4)
    top = max(max(row["gflops"] for row in rows), max(peaks)) * 1.9
    return (left, right), (bottom, top)


def _memory_lines(threads, lines, x, y, gap):
    """The slopes, each from the edge of the view to its ridge; labels stand at their starts."""
    peak = max(lines["fma"].values())

    def ends(rate):
        return max(x[0], y[0] / rate), min(peak / rate, x[1])

    seen = {name: rate for name, rate in lines["memory"].items() if ends(rate)[0] < ends(rate)[1]}
    rows = [{"kind": "roof", "facet": threads, "line": name, "intensity": _round(at),
             "gflops": _round(at * rate)} for name, rate in seen.items() for at in ends(rate)]
    for text, rate in _labels(seen, gap):
        place = ends(rate)[0] * (x[1] / x[0]) ** 0.015
        rows.append({"kind": "slope", "facet": threads, "intensity": _round(place),
                     "gflops": _round(place * rate), "label": f"{text} GB/s"})
    return rows


def _fma_lines(threads, lines, x, levels, gap):
    """The flat lines: of the levels that cells have, and the highest; labels stand at their ends."""
    fastest, highest = max(lines["memory"].values()), max(lines["fma"].values())
    seen = {isa: peak for isa, peak in lines["fma"].items() if isa in levels or peak == highest}
    rows = [{"kind": "roof", "facet": threads, "line": isa, "intensity": _round(at),
             "gflops": _round(peak)}
            for isa, peak in seen.items() for at in (max(x[0], peak / fastest), x[1])]
    rows += [{"kind": "flat", "facet": threads, "intensity": _round(x[1]), "gflops": _round(peak),
              "label": f"FMA {text} GFLOP/s"} for text, peak in _labels(seen, gap)]
    return rows


def _points_layer(x, y, rows):
    series = sorted({row["series"] for row in rows})
    limits = [limit for limit in LIMITS if any(row["limit"] == limit for row in rows)]
    limits += sorted({row["limit"] for row in rows} - set(limits))
    tooltip = [{"field": "layer", "type": "nominal"}, {"field": "n", "title": "N"},
               {"field": "sparsity", "type": "quantitative", "format": ".1%"},
               {"field": "kernel", "type": "nominal"},
               {"field": "intensity", "type": "quantitative", "format": ".3~g",
                "title": "FLOP a byte"},
               {"field": "gflops", "type": "quantitative", "format": ".3~g", "title": "GFLOP/s"},
               {"field": "share", "type": "quantitative", "format": ".0%", "title": "of its roof"},
               {"field": "limit", "title": "roof"}, {"field": "marks", "type": "nominal"}]
    return {"mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.8, "stroke": "white",
                     "strokeWidth": 0.6},
            "transform": [{"filter": "datum.kind == 'point'"}],
            "encoding": {
                "x": x, "y": y, "tooltip": tooltip,
                "color": {"field": "series", "type": "nominal", "scale": _series_scale(series),
                          "title": "format and level"},
                "shape": {"field": "limit", "type": "nominal", "title": "lowest roof",
                          "scale": {"domain": limits,
                                    "range": [SHAPES[i % len(SHAPES)]
                                              for i in range(len(limits))]}}}}


def roofline_chart(run, cpu):
    """GFLOP/s on nonzeros against FLOP a byte, a facet a number of threads; None without roofs."""
    roofs = roofs_of(run)
    points = roof_points(run, roofs)
    if not points:
        return None
    roofs = {t: lines for t, lines in roofs.items() if any(p["facet"] == t for p in points)}
    (left, right), (bottom, top) = x, y = _domains(points, roofs)
    width, height = (640, 400) if len(roofs) == 1 else (460, 340)
    decade = height / math.log10(top / bottom)
    slope = math.degrees(math.atan2(decade, width / math.log10(right / left)))
    rows, gap = list(points), 10 ** (LABEL_GAP / decade)
    for threads, lines in roofs.items():
        rows += _memory_lines(threads, lines, x, y, gap)
        rows += _fma_lines(threads, lines, x, {p["isa"] for p in points}, gap)
    for row in rows:
        row["facet"] = f"{row['facet']} thread{'s' if row['facet'] > 1 else ''}"
    intensity = {"field": "intensity", "type": "quantitative",
                 **_log_axis(x, "FLOP on nonzeros a byte moved (modelled)", "")}
    gflops = {"field": "gflops", "type": "quantitative",
              **_log_axis(y, "GFLOP/s on nonzeros", "")}
    text = {"type": "text", "fontSize": 11, "color": "#333"}
    layers = [
        {"mark": {"type": "line", "color": "#666", "strokeWidth": 1.5},
         "transform": [{"filter": "datum.kind == 'roof'"}],
         "encoding": {"x": intensity, "y": gflops, "detail": {"field": "line"}}},
        _points_layer(intensity, gflops, points),
        {"mark": {**text, "align": "left", "baseline": "bottom", "dy": -3, "angle": -slope},
         "transform": [{"filter": "datum.kind == 'slope'"}],
         "encoding": {"x": intensity, "y": gflops, "text": {"field": "label"}}},
        {"mark": {**text, "align": "right", "baseline": "bottom", "dx": -6, "dy": -3},
         "transform": [{"filter": "datum.kind == 'flat'"}],
         "encoding": {"x": intensity, "y": gflops, "text": {"field": "label"}}}]
    facets = list(dict.fromkeys(row["facet"] for row in rows))
    spec = _base(_title(f"Sparse cells under the roofs of {cpu}",
                        "slopes: what each memory delivers at best, flat: what multiply-adds do at "
                        "best, both as this run measured them",
                        facets[0] if len(facets) == 1 else ""), rows)
    spec.update(_faceted(facets, {"width": width, "height": height, "layer": layers}, 2))
    return spec


def _faceted(facets, view, columns):
    """A view for each facet, or the view alone."""
    if len(facets) == 1:
        return view
    return {"facet": {"field": "facet", "type": "nominal", "title": None, "sort": facets},
            "columns": columns, "resolve": {"axis": {"x": "independent"}}, "spec": view}


def saved_rows(curves):
    """A row for every point of the layers' best curves: bytes and time that dense needs in excess."""
    best = [c for c in curves if c.series == "best"]
    columns = list(zip(*(c.conditions for c in best)))
    differ = [i for i, values in enumerate(columns) if len(set(values)) > 1]
    rows = []
    for curve in best:
        facet = ", ".join(f"{CONDITIONS[i]} {curve.conditions[i]}" for i in differ)
        rows += [{"facet": facet, "layer": curve.layer, "shape": curve.shape, "n": curve.n,
                  "sparsity": _round(p.sparsity), "kernel": p.kernel, "bytes": _round(1 / p.moved_share),
                  "speedup": _round(p.speedup), "cell": "marked" if p.marks else "clean",
                  "marks": " ".join(p.marks)}
                 for p in curve.points if p.speedup and p.moved_share]
    return rows


def saved_chart(curves, cpu):
    """Speedup against the factor by which fewer bytes move; None without speedups."""
    rows = saved_rows(curves)
    if not rows:
        return None
    facets = list(dict.fromkeys(row["facet"] for row in rows))
    shown = spread(facets, FACETS)
    rows = spread([row for row in rows if row["facet"] in shown], POINTS)
    ends = [[min(0.8, min(values) / 1.15), max(1.25, max(values) * 1.15)]
            for values in ([row[name] for row in rows] for name in ("bytes", "speedup"))]
    x = {"field": "bytes", "type": "quantitative",
         **_log_axis(ends[0], "dense bytes / sparse bytes (all, modelled)")}
    y = {"field": "speedup", "type": "quantitative",
         **_log_axis(ends[1], "speedup over the best dense")}
    ns = sorted({row["n"] for row in rows})
    colour = {"field": "n", "type": "ordinal", "title": "N", "sort": ns,
              "scale": {"domain": ns, "range": [PALETTE[i % len(PALETTE)] for i in range(len(ns))]}}
    tooltip = [{"field": "layer", "type": "nominal"}, {"field": "shape", "title": "M×K"},
               {"field": "n", "title": "N"}, {"field": "kernel", "type": "nominal"},
               {"field": "sparsity", "type": "quantitative", "format": ".1%"},
               {"field": "bytes", "type": "quantitative", "format": ".2f", "title": "bytes saved"},
               {"field": "speedup", "type": "quantitative", "format": ".3f"},
               {"field": "marks", "type": "nominal"}]
    marked = "datum.cell == 'marked'"
    point = {"type": "point", "size": 45, "opacity": 0.85, "strokeWidth": 1.6}
    line = [{"at": _round(max(low for low, _ in ends))},
            {"at": _round(min(high for _, high in ends))}]
    layers = [
        {"data": {"values": line}, "mark": {"type": "line", "color": "#333", "strokeDash": [5, 4]},
         "encoding": {"x": {**x, "field": "at"}, "y": {**y, "field": "at"}}},
        {"mark": {"type": "rule", "color": "#333", "strokeWidth": 1.3},
         "encoding": {"y": {**{k: v for k, v in y.items() if k != "field"}, "datum": 1}}},
        {"mark": {**point, "filled": True}, "transform": [{"filter": f"!({marked})"}],
         "encoding": {"x": x, "y": y, "color": colour, "tooltip": tooltip}},
        {"mark": {**point, "filled": False, "fill": "white"}, "transform": [{"filter": marked}],
         "encoding": {"x": x, "y": y, "color": colour, "tooltip": tooltip}}]
    spec = _base(_title(f"Bytes saved against time saved on {cpu}",
                        "best sparse kernel of each cell; line at 1×: as fast as the best dense",
                        "dashed: time shrinks as the bytes do; above it work is saved as well, "
                        "below it something else limits" + marks_note(
                            c for c in curves if c.series == "best"),
                        f"{len(shown)} of {len(facets)} conditions" if len(shown) < len(facets)
                        else ""), rows)
    width, height = (460, 400) if len(shown) == 1 else (300, 280)
    spec.update(_faceted(shown, {"width": width, "height": height, "layer": layers}, 3))
    return spec
