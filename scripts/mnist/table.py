#!/usr/bin/env python3
"""The table and the picture of what pruning gave: accuracy, sparsity, sizes, speed.

Reads of every recipe's folder log.jsonl, sizes.json (sparsemark prune --json) and speed.jsonl
(sparsemark model --out); runs nothing. What is missing is "-", with the reason below the table.
"""

import argparse
import json
import math
import os
import sys

from common import LAYERS, MnistError, read_recipes, write_whole
from journal import read_log
from picture import chart
from report_records import ReportError

BATCHES = (1, 32, 128, 512)
SHOWN = 128  # in the picture, and against PyTorch


class Row:
    """What is known of one recipe; reasons say why something is not."""

    def __init__(self, out, recipe):
        self.recipe, self.name = recipe, recipe["name"]
        self.folder, self.reasons = os.path.join(out, self.name), []
        log = read_log(os.path.join(self.folder, "log.jsonl"))
        self.run = log[0] if log else {}
        self.tests = {e["when"]: e for e in log if e["type"] == "test"}
        self.masks = {e["layer"]: e for e in log if e["type"] == "prune"}
        if not log or log[-1]["type"] != "end":
            self.reasons.append("not trained to its end")
            self.tests.pop("end", None)
        self.sizes = self.read_sizes()
        records = read_log(os.path.join(self.folder, "speed.jsonl"))
        self.measured = next((e for e in records if e.get("type") == "run"), None)
        self.speed = {e["batch"]: e for e in records if e.get("type") == "model"}
        missing = [str(batch) for batch in BATCHES if batch not in self.speed]
        if missing:
            self.missing("speed.jsonl", f"speed at batch {', '.join(missing)}")
        for right in sorted({e["right"] for e in self.speed.values()}):
            self.compare(right)

    def compare(self, measured):
        """PyTorch and the library round differently: a few images may change sides."""
        trained = self.tests["end"]["correct"] if "end" in self.tests else measured
        if trained != measured:
            self.reasons.append(f"{trained} right answers in training, {measured} in sparsemark "
                                "model")

    def read_sizes(self):
        path = os.path.join(self.folder, "sizes.json")
        try:
            with open(path, encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            self.missing("sizes.json", "sizes")
        except ValueError as error:
            raise MnistError(f"{path}: {error}: expected one JSON object") from None
        return None

    def missing(self, name, what):
        """The reason is what the command said on its last line, which run.sh keeps."""
        said = []
        try:
            with open(os.path.join(self.folder, f"{name}.error"), encoding="utf-8",
                      errors="replace") as file:
                said = file.read().splitlines()
        except FileNotFoundError:
            pass
        self.reasons.append(f"no {what}: {said[-1] if said else 'not measured'}")

    def accuracy(self, when):
        return self.tests[when]["accuracy"] if when in self.tests else None

    def tensors(self):
        """name -> what sizes.json says of the weights of a layer."""
        rows = self.sizes["tensors"] if self.sizes else []
        return {row["name"]: row for row in rows if row["name"].split(".")[0] in LAYERS
                and row["name"].endswith(".weight")}

    def sparsity(self):
        """Of all weights of the layers, as counted in the model."""
        found = self.tensors().values()
        weights = sum(math.prod(row["shape"]) for row in found)
        return sum(row["zeros"] for row in found) / weights if weights else None

    def bytes(self, kind):
        return self.sizes["total"]["bytes"][kind] if self.sizes else None

    def estimate(self, name, batch):
        """An object of median, low, high and noisy, or None."""
        return self.speed.get(batch, {}).get(name)

    def ratio(self, name, batch):
        """(median, low, high, remark), or None."""
        found = self.estimate(name, batch)
        return found and (found["median"], found["low"], found["high"],
                          "!" if found["noisy"] else "")


def speedup(row, dense, batch):
    """(median, low, high, remark) over the dense network of the recipe's own shape; of a smaller
    network over the one it was made from, from two runs and so without an interval."""
    if "prune" not in row.recipe:
        return row.ratio("speedup_dense", batch)
    before = dense.estimate("dense_time_ns", batch) if dense else None
    now = row.estimate("time_ns", batch)
    return (before["median"] / now["median"], None, None, "†") if before and now else None


def percent(value, digits=2):
    return "-" if value is None else f"{100 * value:.{digits}f}"


def megabytes(value):
    return "-" if value is None else f"{value / 1e6:.2f}"


def ratio_text(found):
    if not found:
        return "-"
    median, low, high, remark = found
    return f"{median:.2f}{remark}" + (f" ({low:.2f}–{high:.2f})" if low else "")


COLUMNS = ("recipe", "what", "before %", "pruned %", "after %", "zeros %", "dense MB", "gzip MB",
           "sparse MB", "sparse + gzip MB", *(f"× at {batch}" for batch in BATCHES),
           f"ms at {SHOWN}", f"× PyTorch at {SHOWN}")


def accuracies(row, dense):
    """(before, right after pruning, at the end); channels are removed before the log begins."""
    start, pruned = row.accuracy("start"), row.accuracy("pruned")
    if "prune" in row.recipe:
        start, pruned = dense.accuracy("end") if dense else None, start
    return start, pruned, row.accuracy("end")


def cells(row, dense):
    time = row.estimate("time_ns", SHOWN)
    return (row.name, row.recipe["about"], *map(percent, accuracies(row, dense)),
            percent(row.sparsity(), 1),
            *(megabytes(row.bytes(kind)) for kind in ("dense", "gzip", "sparse", "sparse_gzip")),
            *(ratio_text(speedup(row, dense, batch)) for batch in BATCHES),
            f"{time['median'] / 1e6:.3f}" if time else "-",
            ratio_text(row.ratio("speedup_pytorch", SHOWN)))


def conditions(rows):
    """Sentences below the table."""
    run = next((row.run for row in rows if row.run), None)
    if run is None:
        return ["Nothing was trained."]
    o = run["options"]
    tests = [row.tests["end"] for row in rows if "end" in row.tests]
    said = [f"{run['train_images']} training images, {o['images'] - run['train_images']} held for "
            f"validation, batch {o['batch']}, seed {o['seed']}, PyTorch {o['torch']}. Accuracy on "
            "the test images: of the model a recipe starts from; right after pruning, where that "
            "came before training; at the end."]
    if tests:
        p, n = max(t["accuracy"] for t in tests), tests[0]["images"]
        said.append(f"One seed; {n} images leave an accuracy of {percent(p)} % uncertain by "
                    f"{percent(1.96 * math.sqrt(p * (1 - p) / n))} points either way (95 %): "
                    "recipes that are closer than that were not told apart.")
    where = sorted({place(row.measured) for row in rows if row.measured})
    if where:
        said.append(f"Speed: sparsemark model ({'; '.join(where)}), so many images a batch, one "
                    "thread, against the same network with the best dense kernels, 95 % interval. "
                    "†: over the network before channels were removed, from two runs, hence no "
                    "interval. !: noisy. PyTorch runs the recipe's own network.")
    return said


def place(run):
    """Where a speed was measured and with what."""
    build = run["build"]
    return (f"{run['machine']}, {build['compiler']} {build['type']}, commit "
            f"{build['commit'][:7]}{' and changes' if build['dirty'] else ''}")


def markdown(rows):
    dense = next((row for row in rows if row.name == "dense"), None)
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * 2 + "---:|" * (len(COLUMNS) - 2)]
    lines += ["| " + " | ".join(cells(row, dense)) + " |" for row in rows]
    lines += ["", *conditions(rows), ""]
    why = {}
    for row in rows:
        for reason in row.reasons:
            why.setdefault(reason, []).append(row.name)
    lines += [f"- {', '.join(names)}: {reason}" for reason, names in why.items()]
    return "\n".join(lines).rstrip() + "\n"


def points(rows):
    """What the picture shows: recipes of which accuracy and sizes are known, speed if it is."""
    dense = next((row for row in rows if row.name == "dense"), None)
    for row in rows:
        if row.accuracy("end") is not None and row.sizes:
            ratio = speedup(row, dense, SHOWN)
            yield {"recipe": row.name, "accuracy": row.accuracy("end"),
                   "megabytes": min(row.bytes("sparse_gzip"), row.bytes("gzip")) / 1e6,
                   "speedup": ratio[0] if ratio else None, "low": ratio and ratio[1],
                   "high": ratio and ratio[2]}


def draw(rows, out):
    spec = chart(list(points(rows)), SHOWN)
    if spec is None:
        print("table: no picture: it needs the sizes of two recipes", file=sys.stderr)
        return
    try:
        import vl_convert
    except ImportError:
        raise MnistError("the module vl_convert is missing: pip install -r "
                         "scripts/requirements.txt") from None
    from report import render
    render(vl_convert, [("accuracy", "", spec)], out)


def save_text(path, text):
    def save(name):
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)
    write_whole(path, save)


def main():
    parser = argparse.ArgumentParser(prog="table", description=__doc__.splitlines()[0])
    parser.add_argument("out", help="the folder that train.py filled; gets table.md, accuracy.svg "
                        "and accuracy.png")
    args = parser.parse_args()
    if not os.path.isdir(args.out):
        raise MnistError(f"{args.out}: expected the folder that train.py filled")
    rows = [Row(args.out, recipe) for recipe in read_recipes().values()]
    text = markdown(rows)
    save_text(os.path.join(args.out, "table.md"), text)
    draw(rows, args.out)
    print(text, end="")


if __name__ == "__main__":
    try:
        main()
    except (MnistError, ReportError) as error:
        print(f"table: {error}", file=sys.stderr)
        sys.exit(2)
