"""The pictures of the performance page: means or totals over sparsity, means of patterns that have one
sparsity, and cases over N. Rows come from performance_sections.py."""

from report_charts import LINE_LEGEND, _base, _dash_scale, _log_axis, _round, _series_scale, _title
from report_limits import _faceted

CASES = ("plan", "adversarial")  # kinds whose pictures show cases, not means
AXES = {"speedup": "speedup over the best dense", "native": "speedup over the best dense",
        "cold": "share of what the bytes allow", "threads": "times as fast as one thread",
        "layouts": "speed of feature-major", "peers": "peer's time / ours",
        "totals": "total dense time / total sparse time", "plan": "time / best of the sweep",
        "adversarial": "time / our dense control"}


def _x_axis(rows, cases, alone):
    if cases or alone:
        return {"field": "x" if cases else "label", "type": "ordinal", "sort": None,
                "title": "N" if cases else None, "axis": {"labelAngle": 0 if cases else -30}}
    places = [r["x"] for r in rows]
    return {"field": "x", "type": "quantitative", "title": "sparsity, %",
            "scale": {"domain": [min(places) - 2, max(places) + 2], "nice": False}}


def _spread(x, y, colour, dash, alone):
    """From the mean down to the worst layer: bands under lines, or bars where a series is a point."""
    down = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "value"}, "color": colour}
    if alone:
        return [{"mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.4}, "encoding": down}]
    return [{"mark": {"type": "area", "opacity": 0.15}, "encoding": down},
            {"mark": {"type": "line"}, "encoding": {"x": x, "y": y, "color": colour,
                                                    "strokeDash": dash}}]


def chart(section, rows, cpu):
    """The picture of a section; None without rows."""
    kind, rows = section["kind"], [dict(r, value=_round(r["value"]), low=_round(r["low"]))
                                   for r in rows if r["value"] and r["low"]]
    if not rows:
        return None
    labels, facets = (list(dict.fromkeys(r.get(name) for r in rows)) for name in ("label", "facet"))
    cases = kind in CASES
    alone = not cases and len({(r["label"], r.get("facet")) for r in rows}) == len(rows)
    values = [v for r in rows for v in (r["value"], r["low"], r["target"]) if v]
    y = {"field": "value", "type": "quantitative",
         **_log_axis([min(min(values) / 1.1, 0.95), max(max(values) * 1.1, 1.05)], AXES[kind], "")}
    x = _x_axis(rows, cases, alone)
    series = {"field": "label", "type": "nominal", "title": "",
              "legend": LINE_LEGEND if len(labels) > 1 and not alone else None}
    colour, dash = ({**series, "scale": scale(labels)} for scale in (_series_scale, _dash_scale))
    one = {"y": {**{k: v for k, v in y.items() if k != "field"}, "datum": 1}}
    layers = [{"mark": {"type": "rule", "color": "#333"}, "encoding": one},
              *([] if cases else _spread(x, y, colour, dash, alone)),
              {"mark": {"type": "point", "filled": True, "size": 18 if cases else 40,
                        "opacity": 0.6 if cases else 1},
               "encoding": {"x": x, "y": y, "color": colour}},
              {"transform": [{"filter": "isValid(datum.target)"}],
               "mark": {"type": "tick", "orient": "horizontal", "thickness": 2, "size": 18,
                        "color": "#b03a00"},
               "encoding": {"x": x, "y": {**y, "field": "target"}}}]
    below = "; ".join(["a point a case" if cases else "total, down to the worst matrix"
                       if kind == "totals" else "geometric mean, down to the worst layer",
                       *(["red: target"] if any(r["target"] for r in rows) else [])])
    spec = _base(_title(section["title"], cpu, below), rows)
    view = {"width": 520 if len(facets) == 1 else 300, "height": 300, "layer": layers}
    return {**spec, **_faceted(facets, view, 3)}
