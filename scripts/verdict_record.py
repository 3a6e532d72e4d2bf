"""Reads a record of `sparsemark ab` and reduces the rounds of a cell to figures for the verdict.

Everything a later step relies on is checked here; a RecordError says where the record is wrong.
"""

import math
from dataclasses import dataclass

import numpy as np

MIN_ROUNDS = 6  # with fewer, not even one cell alone can reach p < 0.05
ENOUGH = 5  # untainted samples of a build from which on the tainted ones are left out
ENOUGH_COPY = 2  # the same for one of its two copies
ARMS = ("base", "base again", "cand", "cand again")
SCHEMA = 1


class RecordError(Exception):
    pass


@dataclass
class Entry:
    """One cell in one round: four lists of samples in the order of ARMS. cell None: the control."""
    cell: int | None
    ns: list
    taints: list
    blocking: list

    @property
    def all_taints(self):
        return [taint for arm in self.taints for taint in arm]


@dataclass
class Block:
    cells: list
    entries: list

    def series(self, cell):
        """(d, a, noisy): log of cand/base by round, log of base again/base by round, and the number
        of rounds whose d is doubtful. Doubtful a are left out where enough others are there: they
        would say of a busy machine that two copies of one code differ."""
        entries = [entry for entry in self.entries if entry.cell == cell]
        d, noisy = zip(*map(difference, entries), strict=True)
        copies = list(map(copies_difference, entries))
        sure = [a for a, doubtful in copies if not doubtful]
        a = sure if len(sure) >= MIN_ROUNDS else [a for a, _ in copies]
        return np.array(d), np.array(a), sum(noisy)

    def blocking(self, cell):
        """[K tile, row block] that base and cand chose."""
        entry = next(entry for entry in self.entries if entry.cell == cell)
        return {"base": entry.blocking[0], "cand": entry.blocking[2]}


def quick_end(samples):
    """25th percentile: the time of a call when little disturbs it."""
    return float(np.percentile(samples, 25))


def clean(ns, taints, enough):
    """(samples to use, doubtful): the untainted ones where there are enough, else all."""
    kept = [value for value, taint in zip(ns, taints, strict=True) if taint == 0]
    return (kept, False) if len(kept) >= enough else (ns, True)


def log_ratio(over, under, enough):
    """(log of the ratio of two arms' times, doubtful); each is (ns, taints)."""
    over, over_doubtful = clean(*over, enough)
    under, under_doubtful = clean(*under, enough)
    return math.log(quick_end(over) / quick_end(under)), over_doubtful or under_doubtful


def difference(entry):
    """Of the builds, the two copies of each taken together."""
    base, cand = ((entry.ns[i] + entry.ns[i + 1], entry.taints[i] + entry.taints[i + 1])
                  for i in (0, 2))
    return log_ratio(cand, base, ENOUGH)


def copies_difference(entry):
    """Of the two copies of base."""
    one, other = ((entry.ns[i], entry.taints[i]) for i in (0, 1))
    return log_ratio(other, one, ENOUGH_COPY)


def need(container, key, kinds, where):
    """container[key], which must be of these types; a bool is no number."""
    try:
        value = container[key]
    except (KeyError, IndexError, TypeError):
        raise RecordError(f"{where}: expected '{key}'") from None
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
        raise RecordError(f"{where}: '{key}' is of another type than expected")
    return value


def check(condition, where, expected):
    if not condition:
        raise RecordError(f"{where}: expected {expected}")


def is_time(value):
    """In ns; the limits keep every ratio of two within what a float holds."""
    return isinstance(value, (int, float)) and 1e-3 <= value <= 1e18


def read_entry(entry, block_cells, where):
    cell = entry.get("cell") if isinstance(entry, dict) else -1
    check(cell is None or cell in block_cells, where, "a 'cell' of its block, or null")
    ns, taints = (need(entry, key, list, where) for key in ("ns", "taints"))
    blocking = need(entry, "blocking", list, where)
    check(len(ns) == len(taints) == len(blocking) == len(ARMS), where,
          f"'ns', 'taints' and 'blocking' of {len(ARMS)} arms")
    for i, arm in enumerate(ARMS):
        check(isinstance(ns[i], list) and isinstance(taints[i], list)
              and len(ns[i]) == len(taints[i]) > 0, where, f"as many taints as samples of {arm}")
        check(all(map(is_time, ns[i])), where, f"times above 0 of {arm}")
        check(all(isinstance(taint, int) for taint in taints[i]), where, f"taint bits of {arm}")
    return Entry(cell, ns, taints, blocking)


def read_block(block, cell_count, where):
    cells = need(block, "cells", list, where)
    check(cells and all(isinstance(i, int) and 0 <= i < cell_count for i in cells)
          and len(set(cells)) == len(cells), where, "'cells' of the record, each once")
    rounds = need(block, "rounds", list, where)
    check(rounds, where, "at least one round")
    entries = []
    for number, taken in enumerate(rounds):
        place = f"{where}.rounds[{number}]"
        found = [read_entry(entry, cells, f"{place}.cells[{i}]")
                 for i, entry in enumerate(need(taken, "cells", list, place))]
        check(sorted(entry.cell for entry in found if entry.cell is not None) == sorted(cells)
              and len(found) == len(cells) + 1, place, "every cell of the block and the control once")
        entries += found
    return Block(cells, entries)


def check_header(record):
    """What the tables show beside the verdict."""
    for side in "base", "cand":
        for key in "file", "version":
            need(need(record, side, dict, "record"), key, str, side)
    options = need(record, "options", dict, "record")
    check(0 < need(options, "delta", (int, float), "options") <= 1, "options",
          "'delta' above 0, at most 1")
    machine = need(record, "machine", dict, "record")
    need(machine, "slug", str, "machine")
    only_in = need(record, "only_in", dict, "record")
    for texts in (need(machine, "warnings", list, "machine"),
                  *(need(only_in, side, list, "only_in") for side in ("base", "cand"))):
        check(all(isinstance(text, str) for text in texts), "record", "a list of texts")
    points = need(record, "points", list, "record")
    for i, point in enumerate(points):
        for key, kinds in (("layer", str), ("layout", str), ("n", int), ("m", int), ("k", int),
                           ("sparsity", (int, float))):
            need(point, key, kinds, f"points[{i}]")
    for i, cell in enumerate(need(record, "cells", list, "record")):
        need(cell, "kernel", str, f"cells[{i}]")
        check(0 <= need(cell, "point", int, f"cells[{i}]") < len(points), f"cells[{i}]",
              "a 'point' of the record")


def read_record(record):
    """The blocks of a record: the first, and the second where something stood out in it."""
    kind, schema = (record.get(key) if isinstance(record, dict) else None
                    for key in ("type", "schema"))
    check(kind == "ab", "record", "one of 'sparsemark ab --save'")
    check(schema == SCHEMA, "record", f"schema {SCHEMA}, got {schema}")
    check_header(record)
    blocks = need(record, "blocks", list, "record")
    check(len(blocks) in (1, 2), "record", "one or two blocks")
    read = [read_block(block, len(record["cells"]), f"blocks[{i}]")
            for i, block in enumerate(blocks)]
    check(sorted(read[0].cells) == list(range(len(record["cells"]))), "blocks[0]",
          "every cell of the record")
    return read
