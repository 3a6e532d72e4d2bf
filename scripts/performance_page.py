#!/usr/bin/env python3
"""Writes the performance page of a machine from its committed records, and nothing else.

    scripts/performance_page.py results/MACHINE

results/MACHINE/performance.json lists the sections: kind (performance_sections.py), title, text,
record (a folder beside it), where (which cells count: field -> value, list of values or glob) and
the command that measured; for totals also kinds (name of a kind of matrix -> glob of tensors) and
file_bytes (of every tensor of the model). results/targets.json says what was to be reached. Gives PERFORMANCE.md and
pictures in performance/. A section whose records are not there yet says so.
"""

import argparse
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from paired import markdown  # noqa: E402
from performance_charts import chart  # noqa: E402
from performance_data import read_json, runs_of  # noqa: E402
from performance_sections import KINDS  # noqa: E402
from report import render  # noqa: E402
from hot_loops import HotLoopsError  # noqa: E402
from report_records import ReportError  # noqa: E402
from report_noise import disturbed_share  # noqa: E402
from report_page import cpu_name  # noqa: E402

PAGE, CONFIG, FOLDER = "PERFORMANCE.md", "performance.json", "performance"

READING = """\
Every kernel passed a double-precision oracle on the very problem before it was timed. Sparse and
dense are timed in turn in the same rounds; a **speedup** is the median over rounds of the best
verified dense kernel's time, of any library present, over the sparse one's, activations packed inside
the timing, weights outside it (*packing paid after* says after how many calls that has paid, of the
slowest layer to do so). Means over layers are geometric, over one provenance at a time, and stand
beside their worst layer. *Marked* cells are used; cells marked `weak-baseline`, `not-cold` or
`im2col-gemm` are in no mean. [results/README.md](../README.md) has every definition.
"""


def card_lines(run):
    """The machine and the build, of the first record that there is."""
    card = run.card
    build, topology = card.get("build") or {}, card.get("topology") or {}
    caches = ", ".join(f"{c['name']} {c['bytes'] // 1024} KiB" for c in topology.get("caches") or [])
    levels = ", ".join(level["name"] for level in card.get("levels") or [] if level.get("usable"))
    roof = card.get("roof") or {}
    peak = max((p["gops"][0] or 0 for p in roof.get("peaks") or [] if p.get("dtype") == "f32"
                and p.get("gops")), default=0)
    memory = ", ".join(f"{b['memory']} {b['read_gbytes_s'][0]:.0f} GB/s"
                       for b in roof.get("bandwidth") or [] if (b.get("read_gbytes_s") or [0])[0])
    cpu = card.get("cpu") or {}
    rows = [("CPU", f"{cpu_name(card)}, family {cpu.get('family')} model {cpu.get('model')}"
             + (f", virtual ({cpu['hypervisor']})" if cpu.get("virtualized") else "")),
            ("cores, threads", f"{topology.get('cores', '?')}, {topology.get('threads', '?')}"),
            ("caches", caches), ("levels", levels),
            ("f32 peak, measured", f"{peak:.1f} GFLOP/s, one thread" if peak else ""),
            ("read bandwidth, measured", memory),
            ("compiler", f"{build.get('compiler', '?')}, {build.get('type', '')}"),
            ("dense and sparse peers", "; ".join(
                f"{p['name']} ({' '.join(str(p.get('version', '')).split()[:2])})"
                for p in card.get("peers") or [] if p.get("usable")))]
    return markdown(["", ""], [row for row in rows if row[1]])


def measured_with(runs, record):
    """Commit, date and noise of the records behind a section."""
    said = []
    for run in runs:
        build = run.card.get("build") or {}
        dirty = " with local changes" if build.get("dirty") else ""
        said.append(f"commit {str(build.get('commit', 'unknown'))[:7]}{dirty}, "
                    f"{str(run.card.get('utc', ''))[:10]}")
    busy = max(disturbed_share(run) for run in runs)
    return (f"[Records]({record}): {'; '.join(dict.fromkeys(said))}; "
            f"{100 * busy:.0f} % of the samples were disturbed and left out.")


def section_lines(section, base, targets):
    """(lines, rows of the picture, runs) of one section."""
    lines = [f"## {section['title']}", "", *([section["text"], ""] if "text" in section else [])]
    if section["kind"] == "instructions":
        return lines + KINDS["instructions"]([], section, targets)[0], [], []
    section["folder"] = os.path.join(base, section["record"])
    runs = runs_of(section["folder"], section.get("where", {}))
    found, rows = KINDS[section["kind"]](runs, section, targets) if runs else ([], [])
    if not found:
        why = "there are no such cells in" if runs or os.path.isdir(section["folder"]) else \
            "there is no"
        return [*lines, f"**Not measured yet**: {why} `{section['record']}`."], [], []
    command = [f"    {section['command']}", ""] if "command" in section else []
    return [*lines, measured_with(runs, section["record"]), "", *command, *found], rows, runs


def check(sections, path):
    """Refuses a list of sections that cannot be what was meant."""
    for i, section in enumerate(sections):
        missing = {"kind", "title"} | ({"record"} if section.get("kind") != "instructions" else set())
        missing -= set(section)
        if missing or section["kind"] not in KINDS:
            raise ReportError(f"{path}: section {i + 1}: expected title, record and a kind of "
                              f"{', '.join(KINDS)}")


def picture_of(section, rows, runs, base):
    """(name, spec) of a section's picture, and the lines that show it."""
    if section["kind"] == "scaling":
        path = f"{section['record']}/scaling.png"
        return None, [f"![{section['title']}]({path})"] if os.path.exists(
            os.path.join(base, path)) else []
    spec = chart(section, rows, cpu_name(runs[0].card)) if rows else None
    if not spec:
        return None, []
    name = re.sub(r"[^a-z0-9]+", "-", section["title"].lower()).strip("-")
    return (name, "", spec), [f"![{section['title']}]({FOLDER}/{name}.png)"]


def write_page(base):
    import vl_convert
    config = read_json(os.path.join(base, CONFIG))
    if not isinstance(config, dict) or not isinstance(config.get("sections"), list):
        raise ReportError(f"{os.path.join(base, CONFIG)}: expected an object with sections")
    check(config["sections"], os.path.join(base, CONFIG))
    targets = read_json(os.path.join(os.path.dirname(os.path.abspath(base)), "targets.json"))
    body, charts, first = [], [], None
    for section in config["sections"]:
        lines, rows, runs = section_lines(section, base, targets)
        first = first or (runs[0] if runs else None)
        picture, shown = picture_of(section, rows, runs, base) if runs else (None, [])
        charts += [picture] if picture else []
        body += [*lines, *(["", *shown] if shown else []), ""]
    if not first:
        raise ReportError(f"{base}: no section has records: expected at least one")
    os.makedirs(os.path.join(base, FOLDER), exist_ok=True)
    render(vl_convert, charts, os.path.join(base, FOLDER))
    path = os.path.join(base, PAGE)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([f"# Performance on {config.get('name') or cpu_name(first.card)}", "",
                              "<!-- Made by scripts/performance_page.py; edit performance.json. -->",
                              "", *card_lines(first), "", READING, *body]).rstrip() + "\n")
    return path


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("machine", help="folder results/MACHINE with performance.json")
    options = parser.parse_args(argv)
    try:
        print(write_page(options.machine))
    except (ReportError, HotLoopsError, OSError, ImportError) as error:
        print(f"performance_page.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
