#!/usr/bin/env python3
"""Holds the printed speedups against an independent timing.

Makes seeded patterns, measures them with `sparsemark run`, and times the fastest sparse kernel of
every cell and the dense opponent of its record again: each in a fresh Python process, with a plain
clock and without Google Benchmark (independent_cell.py). Needs a quiet machine.
Exit codes: 0 median difference within the limit, 1 beyond it, 2 usage or I/O, 3 too few cells could
be compared, 4 a wrong product.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from report_data import is_sparse  # noqa: E402
from report_records import ReportError, read_runs  # noqa: E402
from sparsemark import BUILT  # noqa: E402

LIMIT, ENOUGH = 0.05, 12
SHAPES = "512x512,2048x512,512x2048,768x768"
SPARSITIES = "0.5,0.7,0.9"
RUN = ("--n", "128,512", "--precision", "1%")
CELL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "independent_cell.py")
COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "MKL_NUM_THREADS")


class Failure(Exception):
    """One line for the user, and the exit code."""

    def __init__(self, message, code=2):
        super().__init__(message)
        self.code = code


def environment(program):
    """One thread for all, OpenBLAS free to know its CPU, and the library beside the program."""
    clean = {name: value for name, value in os.environ.items()
             if name not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    library = os.path.join(os.path.dirname(program), os.path.basename(BUILT))
    return {**clean, **dict.fromkeys(COUNTS, "1"), "SPARSEMARK_LIBRARY": library}


def write_pattern(path, rows, cols, sparsity, seed):
    """Every weight is kept with the same chance."""
    kept = np.random.default_rng(seed).random((rows, cols)) >= sparsity
    row_ptr = np.concatenate(([0], np.cumsum(kept.sum(axis=1))))
    with open(path, "w", encoding="ascii") as file:
        file.write(f"{rows}, {cols}, {row_ptr[-1]}\n")
        for line in row_ptr, np.nonzero(kept)[1]:
            file.write(" ".join(map(str, line)) + "\n")


def write_patterns(folder, options):
    for shape in options.shapes:
        for sparsity in options.sparsity:
            path = os.path.join(folder, f"{shape[0]}x{shape[1]}-{sparsity:g}.smtx")
            write_pattern(path, *shape, sparsity, options.seed)


def call(program, *arguments, **options):
    command = [program, *arguments]
    try:
        done = subprocess.run(command, env=environment(program), check=False, **options)
    except OSError as error:
        raise Failure(f"{program}: cannot be run: {error.strerror}; expected a build") from None
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: exit code {done.returncode}",
                      4 if done.returncode == 4 else 2)
    return done.stdout


def measure(program, folder, arguments):
    """What the program finds and prints, as its records."""
    records = os.path.join(folder, "records.jsonl")
    call(program, "run", "--input", folder, *RUN, *arguments, "--out", records, stdout=sys.stderr)
    (run,) = read_runs(records)
    return run


def opponents(run, program):
    """(the fastest sparse cell of ours, what is needed to call its opponent) for every group."""
    peers = json.loads(call(program, "list", "peers", "--json", stdout=subprocess.PIPE))
    paths = {peer["name"]: peer["path"] for peer in peers}
    groups = {}
    for cell in run.cells:
        groups.setdefault(cell["_group"], []).append(cell)
    for cells in groups.values():
        ours = [c for c in cells if is_sparse(c) and not c["peer"]]
        if not ours:
            raise Failure(f"{cells[0]['group']}: expected a sparse kernel of ours, found none")
        best = max(ours, key=lambda c: c["speedup_dense"] or 0)
        (dense,) = [c for c in cells if c["kernel"] == best["dense_kernel"]] or [None]
        yield best, dense and {"kernel": dense["kernel"], "kt": dense["kt"], "mc": dense["mc"],
                               "file": paths.get(dense["peer"], "")}


def time_again(cell, dense, options):
    """The answer of independent_cell.py, which may be why there is none."""
    if cell["speedup_dense"] is None or dense is None:
        return {"skipped": "the record has no speedup"}
    if cell["threads"] != 1:
        return {"skipped": f"{cell['threads']} threads: one is timed here"}
    request = {"pattern": cell["source"], "n": cell["n"], "token": cell["layout"] == "token",
               "sparse": {name: cell[name] for name in ("kernel", "kt", "mc")}, "dense": dense,
               "rounds": options.rounds, "seed": options.seed}
    done = subprocess.run([sys.executable, CELL], input=json.dumps(request), encoding="utf-8",
                          env=environment(options.program), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        return {"skipped": f"its process ended with code {done.returncode}: "
                           f"{(done.stderr.splitlines() or ['no message'])[-1]}"}
    answer = json.loads(done.stdout)
    if "wrong" in answer:
        raise Failure(f"{cell['group']}: {answer['wrong']}", 4)
    return answer


def compare(run, options):
    """One row a group."""
    rows, cells = [], len(run.card["options"]["points"])
    for cell, dense in opponents(run, options.program):
        answer = time_again(cell, dense, options)
        row = {name: cell[name] for name in ("layer", "n", "layout", "kernel", "dense_kernel",
                                             "taints")}
        row["printed"] = cell["speedup_dense"]
        row["independent"] = answer.get("speedup")
        row["skipped"] = answer.get("skipped", "")
        row["difference"] = None if row["skipped"] else answer["speedup"] / row["printed"] - 1
        row.update((name, answer.get(name)) for name in ("sparse_ns", "dense_ns"))
        rows.append(row)
        print(f"{len(rows)}/{cells}, timed again: {cell['layer']}, N = {cell['n']}",
              file=sys.stderr)
    return rows


def summary(rows):
    """Median and worst of the absolute differences, and the exit code."""
    differences = sorted(abs(row["difference"]) for row in rows if not row["skipped"])
    median = statistics.median(differences) if differences else None
    code = 3 if len(differences) < ENOUGH else int(median > LIMIT)
    return {"compared": len(differences), "skipped": len(rows) - len(differences),
            "median_difference": median, "worst_difference": max(differences, default=None),
            "limit": LIMIT, "enough": ENOUGH, "code": code}


def table(rows, result):
    lines = [f"{'layer':16} {'n':>4} {'layout':7} {'printed':>8} {'indep.':>8} {'diff.':>7}  "
             "kernel / dense"]
    for row in rows:
        line = f"{row['layer']:16} {row['n']:4} {row['layout']:7} "
        if row["skipped"]:
            lines.append(f"{line}skipped: {row['skipped']}")
            continue
        line += f"{row['printed']:8.3f} {row['independent']:8.3f} {row['difference']:+7.1%}  "
        lines.append(" ".join([f"{line}{row['kernel']} / {row['dense_kernel']}", *row["taints"]]))
    counts = f"{result['compared']} cells compared, {result['skipped']} skipped"
    if result["compared"]:
        counts += (f": difference {result['median_difference']:.1%} in the median, "
                   f"{result['worst_difference']:.1%} at worst")
    verdict = {0: f"within {LIMIT:.0%}", 1: f"beyond {LIMIT:.0%}",
               3: f"undecided, expected at least {ENOUGH} cells"}[result["code"]]
    return "\n".join([*lines, f"{counts}; {verdict}"])


def shapes(text):
    found = [tuple(map(int, shape.split("x"))) for shape in text.split(",")]
    if not all(len(shape) == 2 and min(shape) > 0 for shape in found):
        raise ValueError
    return found


def sparsities(text):
    found = [float(share) for share in text.split(",")]
    if not all(0 <= share < 1 for share in found):
        raise ValueError
    return found


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default=os.path.join(os.path.dirname(BUILT), "sparsemark"),
                        help="(build/release/sparsemark); its shared library lies beside it")
    parser.add_argument("--shapes", type=shapes, default=SHAPES, help=f"MxK,... ({SHAPES})")
    parser.add_argument("--sparsity", type=sparsities, default=SPARSITIES, help=f"({SPARSITIES})")
    parser.add_argument("--rounds", type=int, default=40, help="samples of each, 5 ms long (40)")
    parser.add_argument("--seed", type=int, default=1, help="of patterns and values (1)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("run", nargs="*", metavar="-- ARGUMENTS",
                        help=f"passed to `sparsemark run` after {' '.join(RUN)}".replace("%", "%%"))
    options = parser.parse_args(argv)
    if options.rounds < 1:
        parser.error("--rounds: expected at least 1")
    options.program = os.path.abspath(options.program)
    return options


def main(argv=None):
    options = parse(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="sparsemark-independent-") as folder:
            write_patterns(folder, options)
            rows = compare(measure(options.program, folder, options.run), options)
    except (Failure, ReportError, OSError, ValueError, KeyError) as error:
        print(f"independent.py: {error}", file=sys.stderr)
        return getattr(error, "code", 2)
    result = summary(rows)
    print(json.dumps({"cells": rows, **result}) if options.json else table(rows, result))
    return result["code"]


if __name__ == "__main__":
    sys.exit(main())
