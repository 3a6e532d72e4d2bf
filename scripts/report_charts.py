"""Vega-Lite specifications of the pictures; the same ones go to SVG, PNG and the page."""

import math
import re
from itertools import product

from report_data import are_redundant, outside_means

# Okabe and Ito's palette, told apart with every common colour vision deficiency.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8c6d31"]
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]]
FACETS = 12
ROWS = 60
SCHEMA_URL = "https://vega.github.io/schema/vega-lite/v6.json"
CONFIG = {
    "font": "Liberation Sans, Arial, Helvetica, sans-serif",
    "background": "white",
    "title": {"fontSize": 16, "subtitleFontSize": 12, "subtitleColor": "#444", "anchor": "start",
              "offset": 14, "subtitlePadding": 5},
    "axis": {"labelFontSize": 11, "titleFontSize": 12, "gridColor": "#e4e4e4",
             "titleFontWeight": "normal"},
    "header": {"labelFontSize": 12, "labelFontWeight": "bold", "labelLimit": 300},
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "labelLimit": 260},
    "view": {"stroke": "#bbb"},
}
# 1 2 5 steps wherever the data lie.
TICKS = [m * 10.0 ** e for e in range(-4, 5) for m in (1, 2, 5)]


def spread(items, limit):
    """At most limit of the items, first and last included, evenly between."""
    if len(items) <= limit:
        return list(items)
    return [items[round(i * (len(items) - 1) / (limit - 1))] for i in range(limit)]


def _round(value):
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")


def short_names(names, limit):
    """name -> label; long ones lose their middle, as little as keeps the labels apart."""
    names = list(dict.fromkeys(names))
    while True:
        head, tail = (limit + 1) // 2, limit // 2
        labels = {n: n if len(n) <= limit + 1 else f"{n[:head]}…{n[-tail:]}" for n in names}
        if len(set(labels.values())) == len(names):
            return labels
        limit += 4


def wrapped(name, limit):
    """Lines of at most limit characters, broken behind / _ - where that is possible."""
    lines = [""]
    for part in re.findall(r"[^/_-]*[/_-]?", name):
        while len(part) > limit:
            lines += [part[:limit], ""] if lines[-1] else [part[:limit]]
            part = part[limit:]
        if len(lines[-1]) + len(part) > limit:
            lines.append("")
        lines[-1] += part
    return [line for line in lines if line]


def series_of(curves):
    return sorted({c.series for c in curves if c.series != "best"})


# The legend shows lines, whichever layer it comes from.
LINE_LEGEND = {"symbolType": "stroke", "symbolOpacity": 1, "symbolStrokeWidth": 2.5,
               "symbolSize": 300}


def _series_scale(series):
    return {"domain": series,
            "range": [PALETTE[i % len(PALETTE)] for i in range(len(series))]}


def _dash_scale(series):
    return {"domain": series,
            "range": [DASHES[i // len(PALETTE) % len(DASHES)] for i in range(len(series))]}


def _log_axis(values, title, suffix="×"):
    low, high = min(values), max(values)
    inside = [t for t in TICKS if low / 1.001 <= t <= high * 1.001]
    return {"scale": {"type": "log", "domain": [_round(low), _round(high)], "nice": False},
            "axis": {"values": inside, "title": title, "grid": True,
                     "labelExpr": f"format(datum.value, '~g') + '{suffix}'"}}


def _percent_axis(values):
    low, high = min(values), max(values)
    pad = max(0.02, 0.04 * (high - low)) if high > low else 0.05
    return {"scale": {"domain": [_round(max(0, low - pad)), _round(min(1, high + pad))],
                      "nice": False},
            "axis": {"format": ".0%", "title": "sparsity of W", "tickCount": 5}}


def _sparsity(rows):
    axis = _percent_axis([row["sparsity"] for row in rows])
    return {"field": "sparsity", "type": "quantitative", **axis}


def speedup_rows(curves):
    rows = []
    for curve in curves:
        for p in curve.points:
            if p.speedup:
                rows.append({
                    "layer": curve.layer, "shape": curve.shape, "n": curve.n,
                    "series": curve.series, "sparsity": _round(p.sparsity),
                    "speedup": _round(p.speedup), "low": _round(p.low), "high": _round(p.high),
                    "bytes": _round(p.bytes_share), "kernel": p.kernel,
                    "alone": len(curve.points) == 1,
                    "cell": "marked" if p.marks else "clean", "marks": " ".join(p.marks)})
    return rows


SPEEDUP_TOOLTIP = [
    {"field": "layer", "type": "nominal"}, {"field": "shape", "title": "M×K"},
    {"field": "n", "title": "N"}, {"field": "series", "type": "nominal"},
    {"field": "kernel", "type": "nominal"},
    {"field": "sparsity", "type": "quantitative", "format": ".1%"},
    {"field": "speedup", "type": "quantitative", "format": ".3f"},
    {"field": "low", "type": "quantitative", "format": ".3f", "title": "interval from"},
    {"field": "high", "type": "quantitative", "format": ".3f", "title": "to"},
    {"field": "bytes", "type": "quantitative", "format": ".1%", "title": "weight bytes of dense"},
    {"field": "marks", "type": "nominal"}]


def _lines(x, y, colour, dash, tooltip, band_opacity):
    """The line at 1, bands, lines, and points: hollow where the cell is marked."""
    marked = "datum.cell == 'marked'"
    return [
        {"mark": {"type": "rule", "color": "#333", "strokeWidth": 1.3},
         "encoding": {"y": {**{k: v for k, v in y.items() if k != "field"}, "datum": 1}}},
        {"mark": {"type": "area", "opacity": band_opacity},
         "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"},
                      "color": colour}},
        {"mark": {"type": "line", "strokeWidth": 2},
         "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash}},
        {"mark": {"type": "point", "filled": True, "size": 32, "opacity": 1},
         "transform": [{"filter": "!(" + marked + ")"}],
         "encoding": {"x": x, "y": y, "color": colour, "tooltip": tooltip}},
        {"mark": {"type": "point", "filled": False, "fill": "white", "size": 38, "opacity": 1,
                  "strokeWidth": 1.8},
         "transform": [{"filter": marked}],
         "encoding": {"x": x, "y": y, "color": colour, "tooltip": tooltip}}]


def _speedup_layers(rows, series, legend):
    ends = [r[f] for r in rows for f in ("speedup", "low", "high") if r[f]]
    y_axis = _log_axis([min(min(ends) / 1.15, 0.9), max(max(ends) * 1.15, 1.1)],
                       "speedup over the best dense")
    x = _sparsity(rows)
    y = {"field": "speedup", "type": "quantitative", **y_axis}
    colour = {"field": "series", "type": "nominal", "scale": _series_scale(series),
              "title": legend, "legend": LINE_LEGEND}
    dash = {"field": "series", "type": "nominal", "scale": _dash_scale(series),
            "title": legend, "legend": LINE_LEGEND}
    layers = _lines(x, y, colour, dash, SPEEDUP_TOOLTIP, 0.22)
    if any(row["alone"] for row in rows):  # a band needs two points
        layers.insert(1, {"mark": {"type": "rule", "strokeWidth": 1.5},
                          "transform": [{"filter": "datum.alone"}],
                          "encoding": {"x": x, "y": {**y, "field": "low"},
                                       "y2": {"field": "high"}, "color": colour}})
    return layers


def marks_note(curves):
    """What hollow points stand for, where there are any."""
    marks = sorted({mark for curve in curves for mark in curve.marks()})
    return f"; hollow points: marked cells ({', '.join(marks)})" if marks else ""


def _title(text, *subtitle):
    return {"text": text, "subtitle": [line for line in subtitle if line]}


def _base(title, rows):
    return {"$schema": SCHEMA_URL, "title": title, "config": CONFIG, "data": {"values": rows}}


def speedup_chart(curves, cpu, conditions, legend):
    """Speedup against sparsity, a facet a layer; None without speedups. curves: one N. legend: what
    tells the series apart."""
    shown = [c for c in curves if c.series != "best"]

    def top(layer):
        return max(p.speedup or 0 for c in shown if c.layer == layer for p in c.points)

    layers = list(dict.fromkeys(c.layer for c in shown if any(p.speedup for p in c.points)))
    if not layers:
        return None
    chosen = set(layers)
    if len(layers) > FACETS:
        tops = {layer: top(layer) for layer in layers}
        chosen = set(spread(sorted(layers, key=tops.get), FACETS))
    rows = speedup_rows(c for c in shown if c.layer in chosen)
    for row in rows:
        row["facet"] = "\n".join([*wrapped(row["layer"], 34), row["shape"]])
    note = (f"{len(chosen)} of {len(layers)} layers: the slowest, the fastest and evenly between"
            if len(chosen) < len(layers) else "")
    spec = _base(_title(f"Sparse against dense on {cpu}", conditions,
                        "line at 1×: as fast as the best dense; band, bar: interval of the speedup"
                        + marks_note(c for c in shown if c.layer in chosen), note), rows)
    columns = min(len(chosen), 3 if len(chosen) in (5, 6, 9) else 4)
    spec.update({"facet": {"field": "facet", "type": "nominal", "title": None,
                           "sort": list(dict.fromkeys(r["facet"] for r in rows)),
                           "header": {"labelExpr": "split(datum.value, '\\n')"}},
                 "columns": columns, "resolve": {"axis": {"x": "independent"}},
                 "spec": {"width": {1: 520, 2: 360}.get(columns, 250),
                          "height": {1: 340, 2: 270}.get(columns, 200),
                          "layer": _speedup_layers(rows, series_of(shown), legend)}})
    return spec


def explorer_chart(curves):
    """One view with menus for conditions, N and layer; for layers that the facets leave out."""
    rows = []
    for curve in curves:
        if curve.series == "best":
            continue
        for row in speedup_rows([curve]):
            row["view"] = " · ".join([curve.layer, curve.shape, f"N = {curve.n}",
                                      *map(str, curve.conditions)])
            rows.append(row)
    views = list(dict.fromkeys(r["view"] for r in rows))
    if len(views) < 2:
        return None
    spec = _base(_title("Any layer"), rows)
    spec.update({"width": 620, "height": 360,
                 "params": [{"name": "view", "value": views[0],
                             "bind": {"input": "select", "options": views, "name": "layer "}}],
                 "transform": [{"filter": "datum.view == view"}],
                 "layer": _speedup_layers(rows, series_of(curves), "format and level")})
    return spec


def breakeven_chart(breakevens, cpu, conditions):
    """Heat map: layers down, N across, a column of facets a series. `never` has its own colour."""
    hide_best = are_redundant(b.curve for b in breakevens)
    shown = [b for b in breakevens
             if b.curve.reaches_top and not (hide_best and b.curve.series == "best")]
    if not shown:
        return None
    names = list(dict.fromkeys((b.curve.layer, b.curve.shape) for b in shown))
    order = {name: i for i, name in enumerate(names)}
    kept = set(spread(names, ROWS))
    labels = short_names([f"{layer} {shape}" for layer, shape in names], 48)
    rows = []
    for b in shown:
        if (b.curve.layer, b.curve.shape) not in kept:
            continue
        rows.append({
            "layer": labels[f"{b.curve.layer} {b.curve.shape}"], "n": b.curve.n,
            "order": order[b.curve.layer, b.curve.shape], "series": b.curve.series,
            "at": 1 if b.at.state == "never" else _round(b.at.sparsity),
            "label": b.short() + (" ?" if b.noisy else "") + (" *" if b.curve.marks() else ""),
            "state": b.at.state, "interval": b.interval(), "marks": " ".join(b.curve.marks()),
            "dark": b.at.state != "never" and b.at.sparsity < 0.45})
    series = (["best"] if not hide_best else []) + series_of(b.curve for b in shown)
    note = f"; {len(kept)} of {len(names)} layers, evenly chosen" if len(kept) < len(names) else ""
    spec = _base(_title(f"From which sparsity on sparse beats dense on {cpu}", conditions,
                        "never: not even at the highest sparsity measured; ≤: already at the "
                        "lowest; ?: interval wider than 20 points; *: marked cells" + note), rows)
    y = {"field": "layer", "type": "nominal", "title": None,
         "sort": {"field": "order", "op": "min"}, "axis": {"labelLimit": 0, "ticks": False}}
    x = {"field": "n", "type": "ordinal", "title": "N", "axis": {"labelAngle": 0, "ticks": False}}
    tooltip = [{"field": f} for f in ("layer", "n", "series", "label", "interval", "marks")]
    cell = [
        {"mark": {"type": "rect", "stroke": "white", "strokeWidth": 1.5},
         "encoding": {
             "x": x, "y": y, "tooltip": tooltip,
             "color": {"condition": {"test": "datum.state == 'never'", "value": "#c9c9c9"},
                       "field": "at", "type": "quantitative", "title": "break-even",
                       "scale": {"domain": [0, 1], "range": ["#00429d", "#4771b2", "#73a2c6",
                                                             "#a5d5d8", "#ffe5b0", "#f4a261"]},
                       "legend": {"format": ".0%", "gradientLength": 160}}}},
        {"mark": {"type": "text", "fontSize": 11},
         "encoding": {"x": x, "y": y, "text": {"field": "label"},
                      "color": {"condition": {"test": "datum.dark", "value": "white"},
                                "value": "#111"}}}]
    spec.update({"facet": {"field": "series", "type": "nominal", "title": None, "sort": series,
                           "header": {"labelOrient": "top"}},
                 "columns": max(1, 12 // len({r["n"] for r in rows})),
                 "resolve": {"axis": {"x": "independent"}},
                 "spec": {"width": {"step": 74}, "height": {"step": 24}, "layer": cell}})
    return spec


MEASURES = ["weight bytes, stored", "all bytes, modelled", "time, measured"]


def bytes_rows(curves):
    """Geometric means over layers of what the best sparse kernel needs against dense."""
    buckets = {}
    for curve in curves:
        if curve.series != "best":
            continue
        for p in curve.points:
            timed = p.speedup and not outside_means(p.marks)
            values = (p.bytes_share, p.moved_share, 1 / p.speedup if timed else None)
            for percent, (measure, value) in product(p.percents, zip(MEASURES, values)):
                if value and math.isfinite(value):
                    found = buckets.setdefault((curve.n, percent, measure), [])
                    found.append((value, bool(p.marks)))
    rows = []
    for (n, percent, measure), found in sorted(buckets.items()):
        logs = [math.log(v) for v, _ in found]
        marked = sum(m for _, m in found) if measure == MEASURES[2] else 0
        rows.append({"n": n, "facet": f"N = {n}", "sparsity": percent / 100, "measure": measure,
                     "share": _round(math.exp(sum(logs) / len(logs))),
                     "low": _round(math.exp(min(logs))), "high": _round(math.exp(max(logs))),
                     "layers": len(found), "marked": marked,
                     "cell": "marked" if marked else "clean"})
    return rows


def bytes_chart(curves, cpu, conditions):
    """Bytes against dense beside time against dense, a facet an N; None without sparse cells."""
    rows = bytes_rows(curves)
    if not rows:
        return None
    lows = [r["low"] for r in rows] + [1.0]
    highs = [r["high"] for r in rows] + [1.0]
    y_axis = _log_axis([min(lows) / 1.15, max(highs) * 1.15], "share of dense")
    y_axis["axis"]["labelExpr"] = "format(datum.value, '~p')"
    x = _sparsity(rows)
    y = {"field": "share", "type": "quantitative", **y_axis}
    measure = {"field": "measure", "type": "nominal", "sort": MEASURES, "title": "sparse / dense",
               "legend": LINE_LEGEND}
    colour = {**measure, "scale": {"domain": MEASURES, "range": ["#009E73", "#E69F00", "#0072B2"]}}
    dash = {**measure, "scale": {"domain": MEASURES, "range": [[2, 2], [6, 3], [1, 0]]}}
    tooltip = [{"field": "measure"}, {"field": "n", "title": "N"},
               {"field": "sparsity", "type": "quantitative", "format": ".0%"},
               {"field": "share", "type": "quantitative", "format": ".1%", "title": "of dense"},
               {"field": "low", "type": "quantitative", "format": ".1%", "title": "least layer"},
               {"field": "high", "type": "quantitative", "format": ".1%", "title": "most layer"},
               {"field": "layers"}, {"field": "marked"}]
    facets = list(dict.fromkeys(r["facet"] for r in rows))
    spec = _base(_title(f"Bytes saved and time saved on {cpu}", conditions,
                        "best sparse kernel of each cell; lines: geometric mean over layers, "
                        "bands: least to most layer"
                        + marks_note(c for c in curves if c.series == "best")), rows)
    spec.update({"facet": {"field": "facet", "type": "nominal", "title": None, "sort": facets},
                 "columns": min(4, len(facets)),
                 "spec": {"width": 520 if len(facets) == 1 else 250, "height": 270,
                          "layer": _lines(x, y, colour, dash, tooltip, 0.15)}})
    return spec
