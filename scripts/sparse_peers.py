#!/usr/bin/env python3
"""Our plan's kernel against every sparse peer of the same group: who is ahead, matrix by matrix.

usage: sparse_peers.py RECORDS... [--json]

RECORDS are files or folders that `sparsemark run` wrote. A ratio is the median over rounds of peer
time / our time, both from one round, rounds in which either was disturbed left out as long as six
remain; above 1 we are ahead. Its interval is the distribution-free 95 % one of a median. Ours is the
kernel that a plan chooses there, the fastest sparse one where that was not timed. Means are geometric
and mix neither runs, provenances nor conditions. What limits the answer is the number of rounds: below
six no interval exists, and such a row is undecided. Exit codes: 0 ahead of every peer on every matrix,
1 behind somewhere, 3 nowhere certainly behind, but undecided somewhere, 2 unusable records.
"""

import argparse
import json
import math
import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from statistics import median

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from report_data import CONDITIONS, ReportError, is_sparse, read_runs  # noqa: E402

QUIET_ROUNDS = 6  # what an interval needs; with fewer undisturbed ones all count
CONFIDENCE = 0.95
FASTEST = "(fastest)"


@dataclass
class Row:
    """One matrix, one N, one peer."""
    peer: str
    conditions: tuple
    n: int
    layer: str
    sparsity: float
    kernel: str
    ratio: float
    low: float | None
    high: float | None

    @property
    def state(self):
        if self.low is None or self.low <= 1 <= self.high:
            return "undecided"
        return "ahead" if self.low > 1 else "behind"


def interval(values):
    """The narrowest symmetric pair of order statistics that holds the median with 95 %."""
    values, n = sorted(values), len(values)
    outside, rank = 0.0, 0  # share of the cases in which the median lies below values[rank]
    while True:
        following = outside + math.comb(n, rank) / 2 ** n
        if rank >= n or 2 * following > 1 - CONFIDENCE:
            break
        outside, rank = following, rank + 1
    return (values[rank - 1], values[n - rank]) if rank > 0 else (None, None)


def samples(cell):
    found, taints = cell.get("samples_ns"), cell["sample_taints"]
    if not isinstance(found, list) or len(found) != len(taints) \
            or not all(isinstance(v, (int, float)) and v > 0 for v in found):
        raise ReportError(f"{cell['group']}: {cell['kernel']}: expected as many positive samples_ns as "
                          "sample_taints")
    return found, taints


def ratios(ours, theirs):
    (our_times, our_taints), (times, taints) = samples(ours), samples(theirs)
    if len(our_times) != len(times):
        raise ReportError(f"{ours['group']}: {len(our_times)} rounds of {ours['kernel']}, {len(times)} of "
                          f"{theirs['kernel']}: expected as many")
    rounds = list(zip(our_times, times, our_taints, taints))
    quiet = [b / a for a, b, *disturbed in rounds if not any(disturbed)]
    return quiet if len(quiet) >= QUIET_ROUNDS else [b / a for a, b, *_ in rounds]


def timed(cell):
    return cell["sample_count"] > 0 and "wrong" not in cell["taints"]


def ours_of(cells):
    own = [cell for cell in cells if not cell["peer"] and timed(cell)]
    chosen = [cell for cell in own if cell["kernel"] == cell.get("plan_choice")]
    return min(chosen or [cell for cell in own if is_sparse(cell)],
               key=lambda cell: cell["time_ns_median"], default=None)


def rows_of(run):
    """The rows, and (peer, group) of the sparse peers that were not timed."""
    rows, untimed, groups = [], [], defaultdict(list)
    for cell in run.cells:
        groups[cell["_group"]].append(cell)
    for cells in groups.values():
        ours = ours_of(cells)
        peers = [cell for cell in cells if cell["peer"] and is_sparse(cell)]
        untimed += [(cell["peer"], cell["group"]) for cell in peers if ours is None or not timed(cell)]
        compared = []
        for cell in peers if ours else []:
            if not timed(cell):
                continue
            found = ratios(ours, cell)
            compared.append(Row(cell["peer"], tuple(cell[name] for name in CONDITIONS), cell["n"],
                                cell["layer"], cell["sparsity"], ours["kernel"], median(found),
                                *interval(found)))
        rows += compared
        if compared:
            worst = min(compared, key=lambda row: row.ratio)
            rows.append(Row(FASTEST, *list(vars(worst).values())[1:]))
    return rows, untimed


def tables_of(rows):
    """(conditions, n) -> peer -> its rows"""
    tables = defaultdict(lambda: defaultdict(list))
    for row in rows:
        tables[row.conditions, row.n][row.peer].append(row)
    return tables


def summary(rows):
    worst = min(rows, key=lambda row: row.ratio)
    counts = {state: sum(row.state == state for row in rows)
              for state in ("ahead", "undecided", "behind")}
    mean = math.exp(sum(math.log(row.ratio) for row in rows) / len(rows))
    return {"matrices": len(rows), "mean": mean, "worst": worst.ratio, "worst_layer": worst.layer,
            "worst_sparsity": worst.sparsity, **counts}


def as_json(rows, untimed):
    return {"tables": [{**dict(zip(CONDITIONS, conditions)), "n": n, "peer": peer, **summary(found)}
                       for (conditions, n), peers in tables_of(rows).items()
                       for peer, found in peers.items()],
            "exceptions": [{**vars(row), "conditions": dict(zip(CONDITIONS, row.conditions)),
                            "state": row.state} for row in exceptions(rows)],
            "untimed": [{"peer": peer, "group": group} for peer, group in untimed]}


def exceptions(rows):
    return sorted((row for row in rows if row.state != "ahead" and row.peer != FASTEST),
                  key=lambda row: row.ratio)


def print_tables(run, rows, untimed):
    print(f"## Run {run.card['run_id']}")
    for (conditions, n), peers in tables_of(rows).items():
        print(f"\n{', '.join(map(str, conditions))}, N = {n}\n")
        print("| peer | matrices | ours ahead by | worst | where | ahead | undecided | behind |")
        print("|---|---|---|---|---|---|---|---|")
        for peer, found in peers.items():
            s = summary(found)
            print(f"| {peer} | {s['matrices']} | {s['mean']:.2f} | {s['worst']:.2f} | {s['worst_layer']} "
                  f"{s['worst_sparsity']:.1%} | {s['ahead']} | {s['undecided']} | {s['behind']} |")
    found = exceptions(rows)
    print(f"\nExceptions: {len(found) or 'none'}\n")
    for row in found:
        bounds = "no interval" if row.low is None else f"{row.low:.3f} to {row.high:.3f}"
        print(f"- {row.state}: {row.peer}, {row.layer} {row.sparsity:.1%}, N = {row.n}, "
              f"{', '.join(map(str, row.conditions))}: {row.ratio:.3f} ({bounds}), {row.kernel}")
    for peer, group in untimed:
        print(f"- not compared: {peer}, {group}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("records", nargs="+", help="file of records, or folder of a run")
    parser.add_argument("--json", action="store_true", help="JSON lines, one a run")
    options = parser.parse_args(arguments)
    states, untimed = set(), []
    try:
        for path in options.records:
            for run in read_runs(path):
                rows, missing = rows_of(run)
                if not rows:
                    raise ReportError(f"{path}: run {run.card['run_id']}: expected cells of sparse peers "
                                      "beside ours, found none")
                states |= {row.state for row in rows}
                untimed += missing
                if options.json:
                    print(json.dumps(as_json(rows, missing)))
                else:
                    print_tables(run, rows, missing)
    except ReportError as error:
        print(f"sparse_peers: {error}", file=sys.stderr)
        return 2
    if "behind" in states:
        return 1
    return 3 if "undecided" in states or untimed else 0


if __name__ == "__main__":
    sys.exit(main())
