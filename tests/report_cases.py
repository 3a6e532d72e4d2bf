"""Records for the tests of scripts/report.py and of the performance page, and a folder that they are
drawn in."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

from program import ROOT, fields

sys.path.insert(0, os.path.join(ROOT, "scripts"))

import report  # noqa: E402
import report_data  # noqa: E402
import report_records  # noqa: E402

RUN = {"type": "run", "schema": 2, "run_id": "r1",
       "cpu": {"brand": "Test CPU <8 & more>", "vendor": "X"},
       "build": {"commit": "abc123", "dirty": True, "compiler": "gcc 12"},
       "options": {"points": ["a|s=0.5"], "isa": ["auto"], "precision": 0.02},
       "peers": [{"name": "openblas", "kind": "dense", "usable": True, "version": "0.3.21",
                  "core": "Zen", "reason": ""}],
       "warnings": ["a virtual machine"]}
DEFAULTS = {"str": "", "int": 0, "real": None, "bool": True, "words": [], "reals": [], "ints": []}


def cell(layer="a", sparsity=0.5, speedup=2.0, **values):
    """A group of one cell: panel on AVX2 with a +-4 % interval."""
    made = {"type": "cell", "schema": 2, "run_id": "r1"}
    made.update({name: DEFAULTS[kind] for kind, name in fields()})
    made.update(layer=layer, sparsity=sparsity, speedup_dense=speedup, group_cells=1, m=512, k=256,
                n=512, format="panel", isa="avx2", kernel="spmm_panel", op="spmm", threads=1,
                pattern="unstructured", dtype="f32", layout="feature", cache="warm",
                provenance="seeded-gaussian", bytes_dense_weights=1000,
                bytes_weights=int(1500 * (1 - (sparsity or 0))), bytes_moved=2000)
    if speedup is not None:
        made.update(speedup_ci_low=speedup / 1.04, speedup_ci_high=speedup * 1.04)
    made.update(values)
    return made


def timed(group, kernel, ns, **values):
    """A cell with five samples around ns, of a group of two unless said."""
    samples = [ns * f for f in (0.99, 1.0, 1.01, 1.0, 1.0)]
    return cell(**{"group": group, "group_cells": 2, "kernel": kernel, "samples_ns": samples,
                   "sample_taints": [0] * 5, "sample_count": 5, "time_ns_median": ns,
                   "err_bound_ratio": 0.5, "plan_choice": "chosen", "pack_ns": 1e4, **values})


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name="records.jsonl"):
        return os.path.join(self.folder, name)

    def put(self, *records, tail=""):
        with open(self.path(), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)
            file.write(tail)

    def run_report(self, *arguments):
        """(exit code, stdout, stderr)"""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = report.main([self.folder, *arguments])
        return code, out.getvalue(), err.getvalue()

    def draw(self, *records):
        self.put(*records)
        code, out, err = self.run_report()
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out, self.path("report.html") + "\n")
        with open(self.path("report.html"), encoding="utf-8") as file:
            page = file.read()
        self.assertFalse([name for name in os.listdir(self.folder) if name.endswith(".tmp")])
        return page

    def curves(self, *records):
        self.put(*records)
        return report_data.curves_of(report_records.read_runs(self.folder)[0])

    def refused(self, *words):
        code, out, err = self.run_report()
        self.assertEqual((code, out, err.count("\n")), (2, "", 1), err)
        for word in words:
            self.assertIn(word, err)
        self.assertEqual(os.listdir(self.folder), ["records.jsonl"])


class Performance(Report):
    def run_of(self, *records, run=RUN):
        self.put(run, *records)
        return report_records.read_runs(self.folder)[0]
