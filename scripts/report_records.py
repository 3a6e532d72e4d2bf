"""Result files, as results/README.md describes them: runs of whole groups, or what is wrong."""

import json
import math
import os
from dataclasses import dataclass, field

SCHEMAS = (1, 2)
TEXT, INTEGER, REAL, LIST = (str,), (int,), (int, float, type(None)), (list,)
# The fields that the report uses, and what they must be.
NEEDED = {
    **dict.fromkeys(("group", "kernel", "peer", "op", "pattern", "format", "dtype", "isa", "layer",
                     "provenance", "layout", "cache"), TEXT),
    **dict.fromkeys(("group_cells", "m", "k", "n", "threads", "sample_count", "bytes_weights",
                     "bytes_dense_weights", "bytes_moved"), INTEGER),
    **dict.fromkeys(("sparsity", "speedup_dense", "speedup_ci_low", "speedup_ci_high"), REAL),
    **dict.fromkeys(("sample_taints", "taints"), LIST)}
POSITIVE = ("group_cells", "m", "k", "n", "threads")
ELEMENTS = {"sample_taints": int, "taints": str}


class ReportError(Exception):
    """One line for the user: what, where, what was expected."""


@dataclass
class Run:
    card: dict
    cells: list = field(default_factory=list)


def lacking(record, needed):
    """The first of the needed fields that is missing or of another type, None where all is well."""
    missing = object()
    return next((name for name, types in needed.items()
                 if not isinstance(record.get(name, missing), types)), None)


def numeric(value):
    """Whether an optional field of a record holds a number."""
    return type(value) in (int, float) and math.isfinite(value)


def _lines(path):
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ReportError(f"{path}: cannot read: {error.strerror}") from None
    whole = data.split(b"\n")[:-1]  # what follows the last newline is a line cut short
    return list(enumerate(whole, 1))


def _refuse_constant(name):
    raise ValueError(f"{name} is no number")


def drawable(text):
    """Without what XML cannot hold: names of layers are those of files."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _parse(path, number, line):
    where = f"{path}:{number}"
    try:
        record = json.loads(line, parse_constant=_refuse_constant)
    except ValueError as error:
        raise ReportError(f"{where}: not JSON: {error}") from None
    if not isinstance(record, dict) or record.get("type") not in ("run", "cell"):
        raise ReportError(f"{where}: not a record: expected an object of type run or cell")
    if record.get("schema") not in SCHEMAS:
        expected = " or ".join(map(str, SCHEMAS))
        raise ReportError(f"{where}: schema {record.get('schema')}: expected {expected}")
    if not isinstance(record.get("run_id"), str):
        raise ReportError(f"{where}: an object without run_id: expected a string")
    if record["type"] == "cell":
        name = lacking(record, NEEDED)
        if name:
            expected = " or ".join("null" if t is type(None) else t.__name__ for t in NEEDED[name])
            raise ReportError(f"{where}: cell field {name}: expected {expected}")
        for name in POSITIVE:
            if record[name] < 1:
                raise ReportError(f"{where}: cell field {name}: expected 1 or more")
        for name, kind in ELEMENTS.items():
            if not all(type(value) is kind for value in record[name]):
                raise ReportError(f"{where}: cell field {name}: expected a list of {kind.__name__}")
        record.update((name, drawable(value)) for name, value in record.items()
                      if isinstance(value, str))
    return record


def _hold_against_fastest(group):
    """Speedups over the fastest dense cell of the group, as the program writes them; older records
    are over one that was chosen on other samples, and may be slower than another beside it."""
    times = [(c["time_ns_median"], c["kernel"]) for c in group
             if c["format"] == "dense" and c["kernel"] != "plan" and numeric(c.get("time_ns_median"))]
    for cell in group if times else []:
        over, (best, kernel) = cell.get("dense_time_ns_median"), min(times)
        if not numeric(over) or best >= over:
            continue
        cell.update(dense_time_ns_median=best, dense_kernel=kernel)
        for name in "speedup_dense", "speedup_ci_low", "speedup_ci_high":
            if numeric(cell[name]):
                cell[name] *= best / over


def read_runs(path):
    """The runs of a records file, or of the records.jsonl of a folder; whole groups only."""
    if os.path.isdir(path):
        path = os.path.join(path, "records.jsonl")
    runs, group, groups = {}, [], 0
    for number, line in _lines(path):
        record = _parse(path, number, line)
        if record["type"] == "run":
            group = []  # a killed run's last group, if any
            runs.setdefault(record["run_id"], Run(record)).card.update(record)
            continue
        if record["run_id"] not in runs:
            raise ReportError(f"{path}:{number}: cell of run {record['run_id']}: "
                              "expected that run's object before its cells")
        record["_group"] = groups
        group.append(record)
        if len(group) == record["group_cells"]:
            _hold_against_fastest(group)
            runs[record["run_id"]].cells += group
            group, groups = [], groups + 1
    found = [run for run in runs.values() if run.cells]
    if not found:
        raise ReportError(f"{path}: expected at least one complete group of cells, found none")
    return found
