#!/usr/bin/env python3
"""How good a plan's choice is: held against the fastest of an exhaustive sweep, and against dense.

A group of `sparsemark run --kernels sweep,plan` holds what a plan chose for itself, the fastest of
every kernel at every K tile, and the dense control, all timed in turn on fresh samples. This gives
the time of the plan over that of the fastest other one, group by group (JSON lines) and as a table.
That fastest one is picked on the very samples, which flatters it: what is left of its luck counts
against the plan.

    scripts/plan_choice.py FOLDER                       # of FOLDER/records.jsonl
    scripts/plan_choice.py FOLDER --input PATH ... [-- OPTION...]   # measures first, or goes on
                                                        # measuring; OPTIONs of sparsemark run
"""

import argparse
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from paired import geomean, groups_of, hand_written_levels, is_timed, markdown  # noqa: E402
from paired import own_dense_of, plan_of, program, ratio_of, split_arguments  # noqa: E402
from report_records import ReportError, read_runs  # noqa: E402

WITHIN = 1.05
WORST = 10
NS = "1,32,128,512"


def row_of(cell, other):
    """What both tables say of a group: the plan's cell, and the one it is held against."""
    ratio = ratio_of(cell, other)
    return {"layer": cell["layer"], "source": cell["source"], "provenance": cell["provenance"],
            "m": cell["m"], "k": cell["k"], "n": cell["n"], "nnz": cell["nnz"],
            "sparsity": cell["sparsity"], "layout": cell["layout"], "threads": cell["threads"],
            "plan": cell["plan_choice"], "plan_kt": cell["kt"], "other": other["kernel"],
            "other_kt": other["kt"], "plan_ns": cell["time_ns_median"],
            "other_ns": other["time_ns_median"], "ratio": ratio.value, "low": ratio.low,
            "high": ratio.high, "noisy": ratio.noisy, "err_bound_ratio": cell["err_bound_ratio"]}


def choices(run):
    """Rows, a group each: the plan against the fastest other kernel of ours, dense or sparse."""
    rows = []
    for group in groups_of(run):
        plan = plan_of(group)
        others = [c for c in group if c is not plan and not c["peer"] and is_timed(c)]
        if plan and others:
            best = min(others, key=lambda c: ratio_of(c, plan).value)
            rows.append(row_of(plan, best))
    return rows


def against_dense(run):
    """Rows, a group each: the plan against our dense control."""
    pairs = [(plan_of(group), own_dense_of(group)) for group in groups_of(run)]
    return [row_of(plan, dense) for plan, dense in pairs if plan and dense]


def summary(rows, keys, limit=WITHIN):
    """A line a bucket of rows that share keys: cases, share within the limit, mean (of one provenance
    only) and worst."""
    buckets = {}
    for row in rows:
        buckets.setdefault(tuple(row[key] for key in keys), []).append(row)
    lines = []
    for bucket, found in [*sorted(buckets.items()), (("all",) + ("all",) * (len(keys) - 1), rows)]:
        worst = max(found, key=lambda r: r["ratio"])
        within = sum(r["ratio"] <= limit for r in found)
        shown = sum(r["low"] > limit for r in found)
        pure = len({r["provenance"] for r in found}) == 1
        lines.append([*bucket, len(found), f"{within} ({100 * within / len(found):.1f} %)", shown,
                      f"{geomean(r['ratio'] for r in found):.3f}" if pure else "-", f"{worst['ratio']:.2f}",
                      f"{worst['layer']}, N = {worst['n']}"])
    return markdown([*keys, "cases", f"within {100 * limit - 100:.0f} %", "surely beyond",
                     "geometric mean", "worst", "worst case"], lines)


def worst_cases(rows, limit=WITHIN):
    beyond = sorted((r for r in rows if r["ratio"] > limit), key=lambda r: -r["ratio"])[:WORST]
    if not beyond:
        return [f"No case is beyond {100 * limit - 100:.0f} %."]
    return markdown(
        ["layer", "M×K", "N", "sparsity", "plan (K tile)", "faster (K tile)", "time ratio [95 %]"],
        [[r["layer"], f"{r['m']}×{r['k']}", r["n"], f"{100 * r['sparsity']:.1f} %",
          f"{r['plan']} ({r['plan_kt']})", f"{r['other']} ({r['other_kt']})",
          f"{r['ratio']:.2f} [{r['low']:.2f}, {r['high']:.2f}]{' noisy' if r['noisy'] else ''}"]
         for r in beyond])


def missed(rows, limit=WITHIN):
    """What to say where the plan is ahead of all that the sweep kept."""
    count = sum(r["ratio"] < 1 / limit for r in rows)
    return [f"In {count} cases the plan is more than {100 * limit - 100:.0f} % ahead of all that the "
            "sweep kept, which has missed the best there."] if count else []


def save(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


def sweep(folder, inputs, ns, extra):
    """Measures what the records do not hold yet."""
    os.makedirs(folder, exist_ok=True)
    out = os.path.join(folder, "records.jsonl")
    command = [program(), "run", *(word for path in inputs for word in ("--input", path)),
               "--n", ns, "--kernels", "sweep,plan", "--isa", hand_written_levels(),
               "--peers", "none", "--out", out, *extra]
    if os.path.exists(out):
        command.append("--resume")
    code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    if code != 0:
        raise ReportError(f"sparsemark run: exit code {code}")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", help="with records.jsonl; gets plan_choice.jsonl and .md")
    parser.add_argument("--input", action="append", default=[], metavar="PATH",
                        help="weights to measure, as sparsemark run takes them; may be repeated")
    parser.add_argument("--n", default=NS, help=f"columns of X ({NS})")
    arguments, extra = split_arguments(argv)
    options = parser.parse_args(arguments)
    try:
        if options.input:
            sweep(options.folder, options.input, options.n, extra)
        rows = [row for run in read_runs(options.folder) for row in choices(run)]
        if not rows:
            raise ReportError(f"{options.folder}: no group with a plan beside others: expected "
                              "records of run --kernels sweep,plan")
        lines = [*summary(rows, ("provenance", "n")), "", *worst_cases(rows), "", *missed(rows)]
        save(os.path.join(options.folder, "plan_choice.jsonl"), map(json.dumps, rows))
        save(os.path.join(options.folder, "plan_choice.md"), lines)
    except (ReportError, OSError) as error:
        print(f"plan_choice.py: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
