"""Groups of cells that were timed together: paired ratios over rounds, and measuring more of them.

A ratio is the median over rounds in which neither sample was disturbed; with fewer than five of
these all rounds count, and the ratio is noisy. Its interval is the distribution-free 95 % one of a
median, as in the records.
"""

import json
import math
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from report_records import ReportError

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MIN_CLEAN = 5
PLAN = "plan"


@dataclass
class Ratio:
    value: float
    low: float
    high: float
    noisy: bool


@cache
def _rank(n):
    """As many of n values may lie outside of that interval on either side."""
    below = accumulate(math.comb(n, i) for i in range(n))
    return max(0, sum(40 * ways <= 2 ** n for ways in below) - 1)


def median_interval(values):
    """Median, and the order statistics that hold it with 95 %, as harness/measure/stats.c has it."""
    values, n = sorted(values), len(values)
    middle = (values[(n - 1) // 2] + values[n // 2]) / 2
    rank = _rank(n)
    return middle, values[rank], values[n - 1 - rank]


def ratio_of(a, b):
    """a's time / b's, paired over rounds; None where either was not timed."""
    pairs = list(zip(a["samples_ns"], b["samples_ns"], a["sample_taints"], b["sample_taints"]))
    clean = [x / y for x, y, s, t in pairs if s == t == 0]
    noisy = len(clean) < MIN_CLEAN
    used = [x / y for x, y, _, _ in pairs] if noisy else clean
    return Ratio(*median_interval(used), noisy) if used else None


def groups_of(run):
    """Lists of the cells that were timed together, in the order of the file."""
    groups = {}
    for cell in run.cells:
        if len(cell.get("samples_ns", ())) != len(cell["sample_taints"]):
            raise ReportError(f"group {cell['group']}: samples_ns and sample_taints differ in length")
        groups.setdefault(cell["_group"], []).append(cell)
    return list(groups.values())


def is_timed(cell):
    return "wrong" not in cell["taints"] and cell["sample_count"] > 0


def plan_of(group):
    return next((c for c in group if c["kernel"] == PLAN and is_timed(c)), None)


def own_dense_of(group):
    """This project's dense kernel beside the others, which is never the plan itself."""
    return next((c for c in group if c["format"] == "dense" and not c["peer"]
                 and c["kernel"] != PLAN and is_timed(c)), None)


def geomean(values):
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def program():
    path = os.environ.get("SPARSEMARK_PROGRAM") or os.path.join(ROOT, "build", "release",
                                                                "sparsemark")
    if not os.path.isfile(path):
        raise ReportError(f"{path} does not exist: build the preset release, or set "
                          "SPARSEMARK_PROGRAM")
    return path


def hand_written_levels():
    """What --isa takes so that no level competes whose vectors a compiler chose."""
    done = subprocess.run([program(), "info", "--json"], capture_output=True, encoding="utf-8",
                          check=False)
    if done.returncode != 0:
        raise ReportError(f"{program()} info: {done.stderr.strip()}")
    return ",".join(level["name"] for level in json.loads(done.stdout)["levels"]
                    if level["usable"] and not re.match("scalar|autovec", level["name"])) or "auto"


def measure(out, parts, extra=(), start=None):
    """`sparsemark run` for each list of arguments; the records, joined, become out whole. start:
    the program's working directory; records then name what relative paths there are given as."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(out) or ".") as folder:
        joined = os.path.join(folder, "joined.jsonl")
        for i, arguments in enumerate(parts):
            part = os.path.join(folder, f"part{i}.jsonl")
            command = [os.path.abspath(program()), "run", *arguments, *extra, "--out",
                       os.path.abspath(part)]
            done = subprocess.run(command, stdout=sys.stderr, check=False, cwd=start)
            if done.returncode != 0:
                raise ReportError(f"sparsemark {' '.join(command[1:])}: exit code "
                                  f"{done.returncode}")
            with open(part, "rb") as source, open(joined, "ab") as target:
                target.write(source.read())
        os.replace(joined, out)


def markdown(head, rows):
    """Lines of a table."""
    lines = ["| " + " | ".join(map(str, head)) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(v).replace("|", "\\|") for v in row) + " |" for row in rows]
    return lines


def split_arguments(argv):
    """The script's own, and those behind -- for sparsemark run."""
    argv = sys.argv[1:] if argv is None else list(argv)
    at = argv.index("--") if "--" in argv else len(argv)
    return argv[:at], argv[at + 1:]
