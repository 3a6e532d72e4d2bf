"""What is committed says what its records say: the tables of the performance pages, and the README's
figures that are means of one record."""

import functools
import os
import re
import unittest

from report_cases import ROOT

import performance_page
from performance_data import breakevens, read_json, runs_of, speedups

RESULTS = os.path.join(ROOT, "results")
MACHINES = {"Zen 5": "amd-f26m2-avx512-2c", "Emerald Rapids": "intel-f6m207-avx512-2c"}
COLUMNS = [(machine, level) for machine in MACHINES for level in (0, 1)]  # AVX-512, held to AVX2


def pages():
    """(folder, what performance.json says, the page) of every machine that has one."""
    for name in sorted(os.listdir(RESULTS)):
        folder = os.path.join(RESULTS, name)
        if os.path.exists(os.path.join(folder, performance_page.CONFIG)):
            with open(os.path.join(folder, performance_page.PAGE), encoding="utf-8") as file:
                yield folder, read_json(os.path.join(folder, performance_page.CONFIG)), file.read()


def readme_rows():
    """Rows of the README's tables, cell by cell."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        return [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in file
                if line.startswith("|")]


@functools.cache
def means(machine, record, native=False, **where):
    """percent -> the row of speedups of a record of that machine."""
    run, = runs_of(os.path.join(RESULTS, MACHINES[machine], record), where)
    rows = speedups(run, [], native)
    found = {row["percent"]: row for row in rows}
    assert len(found) == len(rows), "the rows differ by more than sparsity"
    return found


def sections_of(page):
    """title -> text without its picture."""
    parts = re.split(r"^## (.*)\n", re.sub(r"^!\[.*\)\n", "", page, flags=re.M), flags=re.M)
    return dict(zip(parts[1::2], (text.strip() for text in parts[2::2])))


class Pages(unittest.TestCase):
    def test_sections_are_what_their_records_give(self):
        targets = read_json(os.path.join(RESULTS, "targets.json"))
        checked = 0
        for folder, config, page in pages():
            performance_page.check(config["sections"], folder)
            found = sections_of(page)
            self.assertEqual(list(found), [s["title"] for s in config["sections"]], folder)
            for section in config["sections"]:
                if section["kind"] == "instructions":  # of the library as it is now
                    continue
                with self.subTest(page=folder, section=section["title"]):
                    lines = performance_page.section_lines(dict(section), folder, targets)[0]
                    self.assertEqual(found[section["title"]], "\n".join(lines[1:]).strip())
                    checked += 1
        self.assertGreater(checked, 0)


def figure(value):
    """Three digits, as the README has them."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}"


def records(name):
    """Of both levels."""
    return name, name + "-avx2"


def places(names, percents, native=False, **where):
    return [(names, percent, native, where) for percent in percents]


# Row of the README's second table, between its figures, and where they are from.
ROWS = [("ResNet-50's layers", " / ", places(records("dlmc-rn50"), (50, 70, 90, 98), native=True)),
        ("six other layers", " / ", places(records("other-layers"), (50, 80, 90), n=196)),
        ("2:4 along K", "", places(records("nm"), [50], pattern="nm:2:4")),
        ("2:4, 1:4 shared", ", ", places(records("nm"), [50], pattern="nm:2:4@4")
         + places(records("nm"), [75], pattern="nm:1:4@4")),
        ("blocks of 4×1", " / ", places(records("blocks"), (50, 75, 90), pattern="block:4x1")),
        ("blocks of 16×1", " / ", places(records("blocks"), (50, 75, 90), pattern="block:16x1")),
        ("N = 1, weights from memory", " / ", places(records("one-column-cold"), (50, 80, 90))),
        ("shapes of a language model", " / ",
         places(("large-layers-few-columns", "large-layers-avx2"), (50, 80, 90), n=1)),
        ("the same, N = 512", " / ", places(records("large-layers"), (50, 80, 90), n=512))]


class Readme(unittest.TestCase):
    def breakeven(self, machine, level):
        folder = os.path.join(RESULTS, MACHINES[machine], records("minilm-breakeven")[level])
        run, = runs_of(folder, {})
        row, = breakevens(run, [])
        return " to ".join(dict.fromkeys([row["first"], row["last"]])).replace(" % to", " to")

    def test_the_first_table(self):
        head, = [row for row in readme_rows() if row[:2] == ["CPU", "sparsity"]]
        rows = [row for row in readme_rows() if len(row) == len(head) and row[-1].endswith(")")]
        self.assertEqual(len(rows), len(COLUMNS))
        for (machine, level), row in zip(COLUMNS, rows):
            found = means(machine, records("dlmc-transformer")[level], n=512)
            wanted = [found[int(percent.split()[0])] for percent in head[2:]]
            self.assertEqual(row[2:], [f"{figure(w['geomean'])} ({figure(w['worst'])})"
                                       for w in wanted], (machine, level))

    def test_the_second_table(self):
        rows = readme_rows()
        start, = [i for i, row in enumerate(rows) if row[1:2] == ["Zen 5, AVX-512"]]
        rows = rows[start + 2:]
        self.assertEqual(len(rows), len(ROWS) + 1)
        head, *rows = rows
        self.assertEqual(head[1:], [self.breakeven(machine, level) for machine, level in COLUMNS])
        for (first, between, wanted), row in zip(ROWS, rows):
            self.assertTrue(row[0].startswith(first), row)
            self.assertEqual(len(row), 1 + len(COLUMNS))
            for (machine, level), cell in zip(COLUMNS, row[1:]):
                if cell == "-" or " to " in cell:  # not measured, or of several runs
                    continue
                figures = [figure(means(machine, names[level], native, **where)[percent]["geomean"])
                           for names, percent, native, where in wanted]
                with self.subTest(row=first, machine=machine, level=level):
                    self.assertEqual(cell.split(", an older")[0], between.join(figures))


if __name__ == "__main__":
    unittest.main()
