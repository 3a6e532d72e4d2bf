#!/usr/bin/env python3
"""Judges what `sparsemark ab` measured: which kernels of one build are slower than those of another.

    verdict.py judge   stdin: a record (as `ab --save` writes it); stdout: a state for every cell
    verdict.py rates   stdin: [[k, n], ...]; stdout: their Clopper-Pearson intervals (95 %)
    verdict.py rounds  stdin: a number of cells; stdout: the rounds that a block of them needs

The answer is one JSON value; {"error": "..."} where there is nothing to judge. It depends on the
record alone: the bootstrap starts from a fixed seed. What limits it is the number of rounds: with n
of them no exact Wilcoxon p lies below 2^(1-n).
"""

import json
import math
import os
import sys

try:
    import numpy as np
    from scipy import stats
except ImportError as missing:
    if __name__ != "__main__":
        raise
    print(json.dumps({"error": f"the Python module {missing.name} is missing: pip install -r "
                               "scripts/requirements.txt"}))
    sys.exit(0)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from verdict_record import MIN_ROUNDS, RecordError, read_record  # noqa: E402

SIGNIFICANT = 0.05  # false discovery rate over the cells of a block
CONTROL_MAY_MOVE = math.log(1.05)
BUSY = 0.20  # share of disturbed samples from which on the machine counts as busy
USUAL_ROUNDS = 10  # with fewer, bootstrap intervals are too narrow
RESAMPLES, SEED = 9999, 20240501
WILD = ("SLOW", "FAST")


def hodges_lehmann(x, axis=-1):
    """Median of the means of all pairs, each value paired with itself too."""
    i, j = np.triu_indices(x.shape[axis])
    return np.median((np.take(x, i, axis) + np.take(x, j, axis)) / 2, axis=axis)


def interval(x):
    """95 % percentile bootstrap of the Hodges-Lehmann estimate. Percentile, because it exists for
    any data: BCa has no answer where the rounds agree, and covers no better at ten rounds."""
    if len(x) < 2:
        return float(x[0]), float(x[0])
    batch = max(1, min(2000, 4_000_000 // (len(x) * (len(x) + 1) // 2)))  # pairs in memory at once
    found = stats.bootstrap((x,), hodges_lehmann, n_resamples=RESAMPLES, batch=batch,
                            vectorized=True, method="percentile",
                            rng=np.random.default_rng(SEED)).confidence_interval
    return float(found.low), float(found.high)


def wilcoxon(x):
    """Exact two-sided p; rounds without any difference are no evidence."""
    return float(stats.wilcoxon(x, method="exact").pvalue) if np.any(x) else 1.0


def rounds_needed(cells):
    """Rounds with which one cell of so many can reach q < SIGNIFICANT."""
    return math.ceil(math.log2(2 * cells / SIGNIFICANT))


def state_of(figure, asked, cells):
    """(state, reason) of a cell by the figures of one block; figures are logarithms.

    SAME is measured against the difference asked about: a delta that noise has widened shows that
    less can be seen, not that more is equal."""
    low, high, delta, rounds = (figure[name] for name in ("low", "high", "delta", "rounds"))
    if figure["q"] < SIGNIFICANT and low > delta:
        return "SLOW", ""
    if figure["q"] < SIGNIFICANT and high < -delta:
        return "FAST", ""
    if rounds < MIN_ROUNDS:
        return "AMBIGUOUS", f"{rounds} rounds: nothing can be said with fewer than {MIN_ROUNDS}"
    if -asked < low and high < asked:
        return "SAME", ""
    if (low > delta or high < -delta) and rounds < rounds_needed(cells):
        return "AMBIGUOUS", (f"{rounds} rounds are too few for {cells} cells: "
                             f"{rounds_needed(cells)} needed")
    if low > delta or high < -delta:
        return "AMBIGUOUS", "not significant"
    return "AMBIGUOUS", "the interval reaches across delta"


def judge_block(block, asked):
    """cell -> figures. `asked` is the log of the difference that matters to the user."""
    figures = {}
    for cell in block.cells:
        d, a, noisy = block.series(cell)
        low, high = interval(d)
        # What two copies of base seem to differ. How much that scatters is no part of it: the scatter
        # of d is in its interval already.
        floor = abs(float(hodges_lehmann(a)))
        figures[cell] = {"effect": float(hodges_lehmann(d)), "low": low, "high": high,
                         "p": wilcoxon(d), "floor": floor, "delta": max(asked, 2 * floor),
                         "rounds": len(d), "noisy_rounds": noisy}
    qs = stats.false_discovery_control([f["p"] for f in figures.values()], method="bh")
    for figure, q in zip(figures.values(), qs, strict=True):
        figure["q"] = float(q)
        figure["state"], figure["reason"] = state_of(figure, asked, len(figures))
    return figures


def confirmed(first, again):
    """(state, reason) of both blocks together: what stands out must do so twice."""
    if first["state"] not in WILD:
        return first["state"], first["reason"]
    if again is None:
        return "AMBIGUOUS", f"{first['state']} once: not measured again"
    if again["state"] != first["state"]:
        return "AMBIGUOUS", f"{first['state']} once, then {again['state']}"
    return first["state"], ""


def shown(figure):
    """Logarithms as shares: 0.05 is 5 % more time."""
    return {name: math.expm1(value) if name in ("effect", "low", "high", "floor", "delta") else value
            for name, value in figure.items()}


def judge_control(blocks):
    """The control is the same code in both arms: what it shows is the machine."""
    worst = None
    for block in blocks:
        d, _, _ = block.series(None)
        figure = {"effect": float(hodges_lehmann(d))}
        figure["low"], figure["high"] = interval(d)
        if worst is None or abs(figure["effect"]) > abs(worst["effect"]):
            worst = figure
    return dict(shown(worst), moved=abs(worst["effect"]) > CONTROL_MAY_MOVE)


def disturbed(entries):
    """Share of samples that something disturbed."""
    taints = [taint for entry in entries for taint in entry.all_taints]
    return sum(taint != 0 for taint in taints) / len(taints)


def judge_cell(first, again, control):
    state, reason = confirmed(first, again)
    if control["moved"]:
        state, reason = "AMBIGUOUS", "the control moved"
    return dict(shown(first), state=state, reason=reason, again=shown(again) if again else None)


def judge(record):
    blocks = read_record(record)
    asked = math.log1p(record["options"]["delta"])
    first, again = ([judge_block(block, asked) for block in blocks] + [{}])[:2]
    control = judge_control(blocks)
    entries = [entry for block in blocks for entry in block.entries]
    cells = [dict(judge_cell(first[i], again.get(i), control), blocking=blocks[0].blocking(i),
                  disturbed=disturbed([entry for entry in entries if entry.cell == i]))
             for i in range(len(record["cells"]))]
    states = [cell["state"] for cell in cells]
    share = disturbed(entries)
    return {"cells": cells, "control": control, "disturbed": share, "busy": share > BUSY,
            "samples": sum(len(entry.all_taints) for entry in entries),
            "suspects": [i for i in sorted(first) if first[i]["state"] in WILD],
            "counts": {state: states.count(state) for state in (*WILD, "SAME", "AMBIGUOUS")}}


def rates(counts):
    answer = []
    for k, n in counts:
        found = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
        answer.append([float(found.low), float(found.high)])
    return answer


def answer_to(task):
    try:
        question = json.load(sys.stdin)
    except ValueError as error:
        raise RecordError(f"not JSON: {error}") from None
    if task == "rounds":
        return {"rounds": max(USUAL_ROUNDS, rounds_needed(question))}
    return judge(question) if task == "judge" else rates(question)


def main(arguments):
    if len(arguments) != 1 or arguments[0] not in ("judge", "rates", "rounds"):
        print("usage: verdict.py judge|rates|rounds", file=sys.stderr)
        return 2
    try:
        answer = answer_to(arguments[0])
    except RecordError as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout, allow_nan=False)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
