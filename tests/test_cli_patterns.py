"""run with patterns beyond unstructured: what is measured, recorded, resumed, refused."""

import json
import os
import re
import unittest

from program import DATA, ProgramTest, cells_of, needs_program, read_records, run, table

FFN = os.path.join(DATA, "smtx", "ffn.smtx")
SWEEPING = ["unstructured", "block:4x1", "block:16x16", "block:5x7", "rows"]
FIXED = {"nm:2:4": 0.5, "nm:1:4": 0.75, "nm:2:4@8": 0.5, "nm:16:16": 0, "nm:3:7@5": 4 / 7}


@needs_program
class Patterns(ProgramTest):
    def setUp(self):
        super().setUp()
        self.out = self.path("r.jsonl")

    def command(self, patterns, *arguments):
        return ["run", "--layers", self.layers, "--peers", "none", "--budget", "1s", "--n", "8",
                "--pattern", ",".join(patterns), "--out", self.out, *arguments]

    def cells(self, patterns, *arguments):
        self.finish(run(*self.command(patterns, *arguments)))
        return cells_of(self.out)

    def test_every_pattern(self):
        cells = self.cells(SWEEPING + list(FIXED), "--sparsity", "0.5,0.9")
        self.assertEqual({(c["layer"], c["pattern"], c["sparsity_asked"]) for c in cells},
                         {(layer, pattern, s) for layer in ("square", "odd")
                          for pattern in SWEEPING + list(FIXED)
                          for s in ((0.5, 0.9) if pattern in SWEEPING else (None,))})
        self.assertEqual(list(dict.fromkeys(c["group"] for c in cells)),
                         read_records(self.out)[0]["options"]["points"])
        for c in cells:
            self.assertEqual(c["group"].split("|")[3], c["pattern"])
            self.assertEqual(c["provenance"], "seeded-gaussian")
            self.assertAlmostEqual(c["sparsity"], 1 - c["nnz"] / (c["m"] * c["k"]), 8)
            self.assertLessEqual(c["err_bound_ratio"], 1)
            self.assertEqual(c["verified_share"], 1)

    def test_how_many_weights_stay(self):
        """Counted by hand: blocks or rows kept times their size; the edges of `odd` are cut."""
        found = {(c["layer"], c["pattern"]): c["nnz"]
                 for c in self.cells(["unstructured", "block:4x1", "block:16x16", "rows", "nm:2:4",
                                      "nm:1:4@8", "nm:16:16"], "--sparsity", "0.9")}
        self.assertEqual({pattern: nnz for (layer, pattern), nnz in found.items()
                          if layer == "square"},
                         {"unstructured": 307, "block:4x1": 77 * 4, "block:16x16": 256,
                          "rows": 6 * 48, "nm:2:4": 64 * 24, "nm:1:4@8": 64 * 12,
                          "nm:16:16": 64 * 48})
        self.assertEqual(found["odd", "rows"], 3 * 65)
        self.assertEqual(found["odd", "nm:2:4"], 33 * (16 * 2 + 1))
        self.assertEqual(found["odd", "nm:1:4@8"], 33 * 17)
        # 3 x 5 blocks, of which 2 stay: whole, or with one row or column left at an edge.
        self.assertIn(found["odd", "block:16x16"], {a + b for a in (256, 16, 1) for b in (256, 16)})

    def test_every_kernel_is_right_on_every_pattern(self):
        self.layers = self.put("odd.txt", "odd 33 65 7\n")
        cells = self.cells(["block:4x4", "nm:1:16", "rows"], "--sparsity", "0.8", "--kernels", "all")
        self.assertLessEqual(max(c["err_bound_ratio"] for c in cells), 1)
        self.assertGreaterEqual(len({c["format"] for c in cells}), 3)

    def test_n_m_runs_once_whatever_sparsity_says(self):
        cells = self.cells(["nm:2:4", "nm:2:4@1", "nm:4:8", "nm:2:4"], "--sparsity", "0:0.9:0.1")
        self.assertEqual({c["group"].split("|")[3] for c in cells}, {"nm:2:4", "nm:4:8"})
        self.assertEqual(len({c["group"] for c in cells}), 4)
        self.assertEqual({c["sparsity"] for c in cells if c["layer"] == "square"}, {0.5})

    def test_the_default_is_unstructured(self):
        self.finish(self.small_run("--sparsity", "0.5", "--n", "8", "--out", self.out))
        self.assertEqual({c["pattern"] for c in cells_of(self.out)}, {"unstructured"})

    def test_the_list_tells_patterns_apart(self):
        done = self.finish(self.small_run("--pattern", "rows,nm:1:4", "--sparsity", "0.5", "--list"))
        *points, _ = done.stdout.splitlines()
        self.assertEqual([re.findall(r"\|(rows\|s=0.5|nm:1:4\|s=own)\|", p) for p in points],
                         [["rows|s=0.5"], ["nm:1:4|s=own"]] * 2)

    def test_the_table_says_the_pattern(self):
        done = self.finish(run(*self.command(["nm:2:4@8"])))
        head, rows, _ = table(done.stdout)
        self.assertIn(" pattern ", head)
        self.assertEqual({row.split()[1] for row in rows}, {"nm:2:4@8"})

    def test_what_is_listed_is_accepted(self):
        listed = [row["name"] for row in json.loads(run("list", "patterns", "--json").stdout)]
        self.assertEqual(listed, ["unstructured", "block:RxC", "nm:N:M", "nm:N:M@V", "rows"])
        sizes = {"R": "4", "C": "2", "N": "1", "M": "3", "V": "8"}
        names = [re.sub("[RCNMV]", lambda size: sizes[size[0]], name) for name in listed]
        done = self.finish(self.small_run("--pattern", ",".join(names), "--list"))
        self.assertEqual({line.split("|")[3] for line in done.stdout.splitlines()[:-1]}, set(names))

    def test_break_even_of_every_pattern(self):
        self.cells(["unstructured", "block:4x1", "nm:2:4", "nm:1:4"], "--sparsity", "0.5,0.9")
        text = self.finish(run("breakeven", self.out)).stdout
        for layer in "square", "odd":
            for pattern in "unstructured", "block:4x1":
                self.assertRegex(text, rf"(?m)^{layer} .* {pattern} ")
            for pattern, own in ("nm:2:4", "50 %"), ("nm:1:4", "75 %"):
                self.assertRegex(text, rf"(?m)^{layer} .* {pattern} .* at its own {own}: \d")
        data = json.loads(self.finish(run("breakeven", self.out, "--json")).stdout)
        self.assertEqual({(c["pattern"], p["sparsity"]) for c in data["curves"]
                          for p in c["points"] if c["pattern"].startswith("nm:")},
                         {("nm:2:4", 0.5), ("nm:1:4", 0.75)})
        self.assertTrue(any((m["pattern"], m["sparsity"], m["points"]) == ("nm:2:4", 0.5, 2)
                            for m in data["means"]))

    def test_resumed(self):
        patterns = ["rows", "nm:2:4"]
        self.cells(patterns, "--sparsity", "0.5")
        with open(self.out, "rb") as file:
            whole = file.read()
        lines = whole.splitlines(keepends=True)
        before = len(cells_of(self.out))
        with open(self.out, "wb") as file:
            file.write(b"".join(lines[:-1]))
        for others in ["rows"], ["rows", "nm:1:4"], ["rows", "nm:2:4@8"], ["nm:2:4", "rows"]:
            self.refuse(run(*self.command(others, "--sparsity", "0.5", "--resume")), "--resume",
                        "other options")
        self.finish(run(*self.command(patterns, "--sparsity", "0.5", "--resume")))
        self.assertEqual(len(cells_of(self.out)), before)


@needs_program
class Refusals(ProgramTest):
    def refused(self, *arguments, parts=()):
        before = self.snapshot()
        with self.subTest(" ".join(arguments)):
            done = run("run", "--peers", "none", "--out", self.path("r.jsonl"), *arguments)
            self.refuse(done, "--pattern", *parts)
            self.assertEqual(done.stdout, "")
            self.assertEqual(self.snapshot(), before)

    def test_names(self):
        for names, bad, expected in (
                ("x", "x", "block:RxC"), ("", "", "unstructured"), ("rows,", "", "unstructured"),
                ("nm:2:4, rows", " rows", "unstructured"), ("rows,block:4", "block:4", "block:RxC"),
                ("block:0x4", "block:0x4", "from 1"), ("nm:4:2", "nm:4:2", "N of M are kept"),
                ("nm:2:17", "nm:2:17", "<= 16"), ("nm:2:4@0", "nm:2:4@0", "V from 1"),
                ("nm:2:4@" + "9" * 200, "nm:2:4@999", "V from 1")):
            self.refused("--layers", self.layers, "--pattern", names, parts=[f"'{bad}", expected])
        self.refused("--layers", self.layers, "--pattern", ",".join(["rows"] * 65),
                     parts=["at most 64"])

    def test_files_that_are_sparse_already(self):
        for names in "nm:2:4", "rows", "unstructured,block:4x1":
            self.refused("--input", FFN, "--pattern", names, parts=[FFN, "sparse already"])
            self.refused("--layers", self.layers, "--input", FFN, "--pattern", names, parts=[FFN])
        self.finish(run("run", "--input", FFN, "--pattern", "unstructured", "--list"))

    def test_beside_quick(self):
        self.refused("--quick", "--pattern", "nm:2:4", parts=["--quick"])
        self.refused("--quick", "--pattern", "unstructured", parts=["--quick"])

    def test_a_layer_larger_than_memory(self):
        layers = self.put("huge.txt", "huge 2147483648 2147483648 1\n")
        before = self.snapshot()
        for pattern in "block:1x1", "nm:2:4", "rows":
            self.refuse(run("run", "--layers", layers, "--peers", "none", "--n", "1", "--sparsity",
                            "0.5", "--pattern", pattern, "--out", self.path("r.jsonl")),
                        "huge", "memory")
            self.assertEqual(self.snapshot(), before)


if __name__ == "__main__":
    unittest.main()
