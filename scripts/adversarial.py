#!/usr/bin/env python3
"""Shapes that are hard on a plan: is it ever slower than our own dense control, and is it right?

Makes the weights (odd layers at several sparsities, and matrices whose nonzeros lie badly), runs
`sparsemark run --kernels plan` over them, whose oracle checks every result, and lists the time of the
plan over that of the dense control timed in turn with it.

    scripts/adversarial.py FOLDER                       # the table of FOLDER/records.jsonl
    scripts/adversarial.py FOLDER --run [-- OPTION...]  # measures first; OPTIONs of sparsemark run
"""

import argparse
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from paired import geomean, markdown, measure, split_arguments  # noqa: E402
from plan_choice import WITHIN, against_dense, save, summary, worst_cases  # noqa: E402
from report_records import ReportError, read_runs  # noqa: E402

# name, M, K
LAYERS = (("one", 1, 1), ("one-row", 1, 512), ("long-row", 1, 4096), ("one-column", 512, 1),
          ("tall-column", 4096, 1), ("two-three", 2, 3), ("prime-7", 7, 13), ("prime-31", 31, 37),
          ("prime-127", 127, 131), ("prime-509", 509, 521), ("flat", 3, 2048), ("tall", 2048, 3))
SPARSITIES = "0,0.5,0.9,1"
NS = "1,2,3,8,16,17,127"
SQUARE = ("square", 512, 512)
SQUARE_NS = ",".join(map(str, range(1, 17)))
FILE_NS = "1,3,16,128"


def matrices(size):
    """name -> places of nonzeros, of size × size."""
    whole, last = range(size), size - 1
    return {
        "dense-row": [(size // 2, c) for c in whole],
        "last-row": [(last, c) for c in whole],
        "dense-column": [(r, size // 3) for r in whole],
        "last-column": [(r, last) for r in whole],
        "diagonal": [(i, i) for i in whole],
        "arrow": [(i, j) for i in whole for j in whole if i == 0 or j == 0 or i == j],
        "corners": [(0, 0), (0, last), (last, 0), (last, last)],
        "one-weight": [(last, last)],
        "no-weight": [],
        "dense-quarter": [(r, c) for r in range(size // 2) for c in range(size // 2)],
        "every-eighth-row": [(r, c) for r in range(0, size, 8) for c in whole],
        "every-eighth-column": [(r, c) for r in whole for c in range(0, size, 8)],
        "triangle": [(r, c) for r in whole for c in range(r + 1)]}


def write_mtx(path, size, places):
    """Values are of both signs and of several magnitudes, and never zero."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("%%MatrixMarket matrix coordinate real general\n"
                   f"{size} {size} {len(places)}\n")
        file.writelines(f"{r + 1} {c + 1} {(-1) ** (r + c) * (1 + (3 * r + 5 * c) % 17) / 8}\n"
                        for r, c in places)


def parts(folder, size, tiny):
    """Lists of arguments of sparsemark run in the folder, where their inputs are made."""
    os.mkdir(os.path.join(folder, "matrices"))
    for name, places in matrices(size).items():
        write_mtx(os.path.join(folder, "matrices", f"{name}.mtx"), size, places)
    for name, layers in (("layers", LAYERS[:2] if tiny else LAYERS), ("square", [SQUARE])):
        with open(os.path.join(folder, f"{name}.txt"), "w", encoding="utf-8") as file:
            file.writelines(f"{layer} {m} {k} 1\n" for layer, m, k in layers)
    common = ["--kernels", "plan", "--peers", "none"]
    files = ["--input", "matrices", "--n", "3" if tiny else FILE_NS]
    layers = ["--layers", "layers.txt", "--sparsity", SPARSITIES, "--n",
              "3" if tiny else NS]
    square = ["--layers", "square.txt", "--sparsity", SPARSITIES, "--n",
              SQUARE_NS]
    return [part + common for part in ([layers, files] if tiny else [layers, files, square])]


def wrong(runs):
    return [cell for run in runs for cell in run.cells if "wrong" in cell["taints"]]


def table(rows):
    """A line a layer and sparsity: the ratios over N, their mean and the worst."""
    buckets = {}
    for row in rows:
        buckets.setdefault((row["layer"], f"{row['m']}×{row['k']}",
                            f"{100 * row['sparsity']:.1f} %"), []).append(row)
    return markdown(
        ["layer", "M×K", "sparsity", "N", "plan / dense, mean", "worst", "at N",
         "err/bound"],
        [[*bucket, ", ".join(map(str, sorted({r["n"] for r in found}))),
          f"{geomean(r['ratio'] for r in found):.2f}", f"{worst['ratio']:.2f}", worst["n"],
          f"{max(r['err_bound_ratio'] for r in found):.2g}"]
         for bucket, found in buckets.items()
         for worst in [max(found, key=lambda r: r["ratio"])]])


def lines_of(runs):
    """The Markdown of all runs; empty where no plan was timed beside dense."""
    rows = [row for run in runs for row in against_dense(run)]
    if not rows:
        return []
    bad = sorted({cell["layer"] for cell in wrong(runs)})
    verdict = f"WRONG results: {', '.join(bad)}." if bad else "Every result is within the bound."
    return [verdict, "", *summary(rows, ("n",)), "",
            f"Cases beyond {100 * WITHIN - 100:.0f} %:", "", *worst_cases(rows), "", *table(rows)]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", help="of records.jsonl; gets adversarial.jsonl and .md")
    parser.add_argument("--run", action="store_true", help="measure first")
    parser.add_argument("--size", type=int, default=1024, help="rows of the made matrices (1024)")
    parser.add_argument("--tiny", action="store_true", help="few cases: to see that it works")
    arguments, extra = split_arguments(argv)
    options = parser.parse_args(arguments)
    try:
        if options.run:
            os.makedirs(options.folder, exist_ok=True)
            with tempfile.TemporaryDirectory() as made:
                measure(os.path.join(options.folder, "records.jsonl"),
                        parts(made, options.size, options.tiny), extra, start=made)
        runs = read_runs(options.folder)
        lines = lines_of(runs)
        if not lines:
            raise ReportError(f"{options.folder}: no plan beside a dense control: expected records "
                              "of run --kernels plan")
        rows = [row for run in runs for row in against_dense(run)]
        save(os.path.join(options.folder, "adversarial.jsonl"), map(json.dumps, rows))
        save(os.path.join(options.folder, "adversarial.md"), lines)
    except (ReportError, OSError) as error:
        print(f"adversarial.py: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 4 if wrong(runs) else 0


if __name__ == "__main__":
    sys.exit(main())
