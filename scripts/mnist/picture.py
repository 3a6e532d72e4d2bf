"""Accuracy against speedup against size, as a specification of Vega-Lite like report_charts.py's.

A bubble a recipe, as large as its compressed file. Recipes far below the others would flatten the
picture: they are named in the subtitle instead."""

import math

from common import MnistError  # noqa: F401  (puts scripts/ on the path)
from report_charts import PALETTE, _base, _log_axis, _round, _title

WIDTH, HEIGHT = 720, 440
LABEL, LABEL_WIDTH = 15, 130  # pixels of a label
DROP = 0.01  # so far below the best stays in the picture


def _place(rows, low, high, left, right, field, log):
    """Where labels go: beside the bubble, pushed down where another is; in pixels from the top."""
    def across(value):
        change = math.log if log else float
        return WIDTH * (change(value) - change(left)) / (change(right) - change(left))

    taken = []
    for row in sorted(rows, key=lambda row: -row["accuracy"]):
        x, y = across(row[field]), HEIGHT * (high - row["accuracy"]) / (high - low)
        while any(abs(x - u) < LABEL_WIDTH and abs(y - v) < LABEL for u, v in taken):
            y += 1
        taken.append((x, y))
        row["label"] = _round(high - (high - low) * y / HEIGHT)


def _x_axis(rows, field, batch):
    """(low, high, how the axis is drawn)."""
    values = [row[field] for row in rows]
    if field == "speedup":
        values += [row[end] for row in rows for end in ("low", "high") if row[end]]
        low, high = min(values) / 1.1, max(values) * 1.35
        title = f"speedup over the dense network, {batch} images a batch"
        return low, high, _log_axis([low, high], title)
    low, high = 0, 1.25 * max(values)
    return low, high, {"scale": {"domain": [low, _round(high)], "nice": False},
                       "axis": {"title": "file, compressed, MB"}}


def _ticks(low, high):
    """Tenths of a percent, or halves of a percent where those were many."""
    step = 0.001 if high - low < 0.012 else 0.005
    return [_round(i * step) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def chart(rows, batch):
    """The speedup is that of so many images a batch; against size alone where no speed is known;
    None with fewer than two recipes."""
    if len(rows) < 2:
        return None
    field = "speedup" if all(row["speedup"] for row in rows) else "megabytes"
    best = max(row["accuracy"] for row in rows)
    below = [row for row in rows if row["accuracy"] < best - DROP]
    shown = [row for row in rows if row not in below]
    low = min(row["accuracy"] for row in shown)
    low, high = low - 0.25 * max(best - low, 0.002), best + 0.1 * max(best - low, 0.002)
    left, right, x_axis = _x_axis(shown, field, batch)
    _place(shown, low, high, left, right, field, field == "speedup")
    x = {"field": field, "type": "quantitative", **x_axis}
    y = {"field": "accuracy", "type": "quantitative", "title": "accuracy on the test images",
         "scale": {"domain": [_round(low), _round(high)], "nice": False, "zero": False},
         "axis": {"format": ".1%", "values": _ticks(low, high)}}
    size = {"field": "megabytes", "type": "quantitative", "title": "file, compressed, MB",
            "scale": {"domain": [0, 12], "range": [0, 900]},
            "legend": {"values": [1, 3, 6, 12], "symbolFillColor": PALETTE[0]}}
    out = "; ".join(f"{row['recipe']} {row['accuracy']:.1%}" for row in below)
    note = f"below the picture: {out}" if out else ""
    spec = _base(_title("What pruning the tutorial's network gives",
                        "MNIST; a bubble's area is the size of the file, gzipped, stored sparse "
                        "where that is smaller", note), shown)
    tooltip = [{"field": name} for name in ("recipe", "accuracy", "speedup", "megabytes")]
    spec.update({"width": WIDTH, "height": HEIGHT, "layer": [
        {"mark": {"type": "rule", "color": "#bbb"}, "transform": [{"filter": "datum.low"}],
         "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y}},
        {"mark": {"type": "circle", "opacity": 0.55, "color": PALETTE[0], "stroke": "white"},
         "encoding": {"x": x, "y": y, "size": size, "tooltip": tooltip}},
        {"mark": {"type": "rule", "color": "#999", "strokeWidth": 0.7, "x2Offset": 16},
         "encoding": {"x": x, "x2": {"field": field}, "y": y, "y2": {"field": "label"}}},
        {"mark": {"type": "text", "align": "left", "dx": 18, "fontSize": 11},
         "encoding": {"x": x, "y": {**y, "field": "label"}, "text": {"field": "recipe"}}}]})
    return spec
