#!/usr/bin/env python3
"""Draws what `sparsemark sensitivity --out FILE` found: accuracy against sparsity, and a table.

Reads FILE and nothing else, runs nothing. Writes sensitivity.svg, sensitivity.png and table.md.
"""

import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from report import render, write  # noqa: E402
from report_charts import LINE_LEGEND, PALETTE, _base, _round, _title  # noqa: E402
from report_records import ReportError, lacking  # noqa: E402

LAYERS = ["conv1", "conv2", "dense1", "dense2", "all"]
COLOURS = [*PALETTE[:4], "#000000"]
DASHES = [[1, 0]] * 4 + [[5, 3]]
SCHEMA = 2
NUMBER, TEXT = (int, float), (str,)
# What is read of a record, and what it must be.
NEEDED = {
    "run": {"dense": (dict,), "options": (dict,)},
    "sensitivity": {**dict.fromkeys(("pattern", "layer"), TEXT),
                    **dict.fromkeys(("sparsity", "accuracy", "zeros", "lost", "lost_low",
                                     "lost_high"), NUMBER)}}
NEEDED_OF_RUN = {"dense": dict.fromkeys(("right", "images"), NUMBER),
                 "options": dict.fromkeys(("weights", "score"), TEXT)}


def flaw(record):
    """The first field of a record that is missing or not what it must be, None where all is well."""
    found = lacking(record, NEEDED.get(record["type"], {}))
    if found or record["type"] != "run":
        return found
    return next((f"{part}.{name}" for part, needed in NEEDED_OF_RUN.items()
                 for name in [lacking(record[part], needed)] if name), None)


class Records:
    """What one run wrote, in its order."""

    def __init__(self, path):
        self.run, self.cells, self.left, self.claims = None, [], [], []
        kinds = {"sensitivity": self.cells, "left": self.left, "claim": self.claims}
        try:
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ReportError(f"{path}: cannot read: {error}") from None
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                kind, schema = record["type"], record["schema"]
            except (ValueError, TypeError, KeyError):
                raise ReportError(f"{path}: line {number}: expected a record of sparsemark "
                                  "sensitivity") from None
            if schema != SCHEMA:
                raise ReportError(f"{path}: line {number}: schema {schema}: expected {SCHEMA}")
            if flaw(record):
                raise ReportError(f"{path}: line {number}: expected \"{flaw(record)}\" as sparsemark "
                                  "sensitivity writes it")
            if kind == "run" and self.run is None:
                self.run = record
            elif kind in kinds:
                kinds[kind].append(record)
            else:
                raise ReportError(f"{path}: line {number}: {kind}: expected one run of sparsemark "
                                  "sensitivity")
        if self.run is None or not self.cells:
            raise ReportError(f"{path}: expected a run of sparsemark sensitivity and its rows")

    def patterns(self):
        return list(dict.fromkeys(cell["pattern"] for cell in self.cells))

    def of(self, pattern):
        return [cell for cell in self.cells if cell["pattern"] == pattern]

    def accuracy(self):
        dense = self.run["dense"]
        return dense["right"] / dense["images"]

    def model(self):
        return os.path.basename(self.run["options"]["weights"])


def chart(records):
    """A facet a pattern; a pattern of one sparsity is points."""
    dense, rows = records.accuracy(), []
    for cell in records.cells:
        rows.append({"pattern": cell["pattern"], "layer": cell["layer"],
                     "sparsity": _round(cell["sparsity"]), "accuracy": _round(cell["accuracy"]),
                     "low": _round(dense - cell["lost_high"]),
                     "high": _round(dense - cell["lost_low"]), "zeros": _round(cell["zeros"])})
    present = [layer for layer in LAYERS if any(row["layer"] == layer for row in rows)]
    at = [LAYERS.index(layer) for layer in present]
    x = {"field": "sparsity", "type": "quantitative", "scale": {"domain": [0, 1]},
         "axis": {"format": ".0%", "title": "zeros asked for", "tickCount": 5}}
    y = {"field": "accuracy", "type": "quantitative", "title": "accuracy",
         "scale": {"zero": False}, "axis": {"format": "~%", "tickCount": 6}}
    title = {"title": "pruned"}
    colour = {"field": "layer", "type": "nominal", "legend": LINE_LEGEND, **title,
              "scale": {"domain": present, "range": [COLOURS[i] for i in at]}}
    dash = {"field": "layer", "type": "nominal", "legend": LINE_LEGEND, **title,
            "scale": {"domain": present, "range": [DASHES[i] for i in at]}}
    spec = _base(_title(f"Which layer can be pruned: {records.model()}",
                        f"each layer alone, and all at once; {records.run['options']['score']}, "
                        f"not trained after it, {records.run['dense']['images']} images",
                        f"grey: the network as it is, {dense:.2%}; bars: 95 % interval of the loss; "
                        "every pattern has its own scale"),
                 rows)
    spec.update({"facet": {"field": "pattern", "type": "nominal", "title": None,
                           "sort": records.patterns()}, "columns": 3,
                 # N:M patterns keep most of the accuracy: on one scale nothing could be told apart.
                 "resolve": {"scale": {"y": "independent"}},
                 "spec": {"width": 260, "height": 220, "layer": [
                     {"mark": {"type": "rule", "color": "#999"},
                      "encoding": {"y": {"datum": _round(dense), "type": "quantitative"}}},
                     {"mark": {"type": "rule", "strokeWidth": 1.2},
                      "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"},
                                   "color": colour}},
                     {"mark": {"type": "line", "strokeWidth": 2},
                      "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash}},
                     {"mark": {"type": "point", "filled": True, "size": 26, "opacity": 1},
                      "encoding": {"x": x, "y": y, "color": colour}}]}})
    return spec


def points(value):
    """Percentage points; no minus in front of a zero."""
    text = f"{100 * value:.2f}"
    return "0.00" if text == "-0.00" else text


def loss(cell):
    return (f"{points(cell['lost'])} ({points(cell['lost_low'])} to {points(cell['lost_high'])})"
            if cell else "-")


def losses(records):
    present = [layer for layer in LAYERS if any(c["layer"] == layer for c in records.cells)]
    lines = ["| pattern | zeros | " + " | ".join(present) + " |",
             "|---|" + "---:|" * (len(present) + 1)]
    for pattern in records.patterns():
        cells = {(c["sparsity"], c["layer"]): c for c in records.of(pattern)}
        for sparsity in dict.fromkeys(s for s, _ in cells):
            shown = " | ".join(loss(cells.get((sparsity, layer))) for layer in present)
            lines.append(f"| {pattern} | {100 * sparsity:g} % | {shown} |")
    return lines


def claim(record):
    lost = ", ".join(f"{layer} {points(value)}"
                     + (f" at {100 * record['at'][layer]:g} %" if layer in record["at"] else "")
                     for layer, value in record["lost"].items())
    decisive = "-"
    if record["value"] is not None:
        decisive = (f"{record['decisive']}: {points(record['value'])} ({points(record['low'])} to "
                    f"{points(record['high'])})")
    return (f"| {record['claim']} | {record['pattern']} | {record['verdict']} | {lost or '-'} | "
            f"{decisive} |")


def markdown(records):
    dense, options = records.run["dense"], records.run["options"]
    lines = ["# Which layer can be pruned", "",
             f"{records.model()}: {dense['right']} of {dense['images']} images right as it is. Scores: "
             f"{options['score']}. Nothing was trained after pruning. Percentage points of accuracy "
             "lost, and their 95 % interval (Bonett and Price, the same images with and without); "
             "all: every layer that takes the pattern, at once.", "", *losses(records), ""]
    lines += [f"- {left['pattern']}, {left['layer']}: left as it is: {left['reason']}"
              for left in records.left]
    if records.claims:
        lines += ["", "Points lost by each layer alone: the mean over the sparsities, for the last "
                  "claim the most. Then what decides; `sparsemark help sensitivity` says how.", "",
                  "| claim | pattern | verdict | points lost | decided by |", "|---|---|---|---|---|",
                  *map(claim, records.claims)]
    return "\n".join(lines) + "\n"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("records", help="the file of sparsemark sensitivity --out")
    parser.add_argument("--out", help="folder for pictures and table (default: beside it)")
    options = parser.parse_args(argv)
    out = options.out or os.path.dirname(options.records) or "."
    try:
        import vl_convert
    except ImportError:
        print("sensitivity.py: the module vl_convert is missing: pip install -r "
              "scripts/requirements.txt", file=sys.stderr)
        return 2
    try:
        records = Records(options.records)
        render(vl_convert, [("sensitivity", "", chart(records))], out)
        write(os.path.join(out, "table.md"), markdown(records).encode())
    except ReportError as error:
        print(f"sensitivity.py: {error}", file=sys.stderr)
        return 2
    print(os.path.join(out, "table.md"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
