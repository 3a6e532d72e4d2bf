"""The tools that measure for the performance page, end to end on inputs of a fraction of a second."""

import json
import os
import subprocess
import sys
import unittest

from program import DATA, PROGRAM, ROOT, ProgramTest, cells_of, needs_program

LIBRARY = os.environ.get("SPARSEMARK_LIBRARY") or os.path.join(os.path.dirname(PROGRAM),
                                                               "libsparsemark.so.1")


@needs_program
class Tools(ProgramTest):
    def tool(self, name, *arguments, program=PROGRAM):
        env = dict(os.environ, SPARSEMARK_PROGRAM=program, SPARSEMARK_LIBRARY=LIBRARY)
        return subprocess.run([sys.executable, os.path.join(ROOT, "scripts", name), *arguments],
                              capture_output=True, encoding="utf-8", env=env, check=False)

    def finish_tool(self, *arguments):
        done = self.tool(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def lines(self, name):
        with open(self.path("out", name), encoding="utf-8") as file:
            return file.read().splitlines()

    def test_plan_choice(self):
        arguments = ("plan_choice.py", self.path("out"), "--input", os.path.join(DATA, "dlmc"),
                     "--n", "1,7")
        text = self.finish_tool(*arguments, "--", "--budget", "2s")
        self.assertEqual("\n".join(self.lines("plan_choice.md")) + "\n", text)
        rows = [json.loads(line) for line in self.lines("plan_choice.jsonl")]
        self.assertEqual(sorted(row["n"] for row in rows), [1, 7])
        for row in rows:
            self.assertGreater(row["ratio"], 0)
            self.assertTrue(row["low"] <= row["ratio"] <= row["high"])
        count = len(cells_of(self.path("out", "records.jsonl")))
        # Nothing is left to measure: it goes on where it was.
        self.finish_tool(*arguments, "--", "--budget", "2s")
        self.assertEqual(len(cells_of(self.path("out", "records.jsonl"))), count)

    def test_hard_shapes(self):
        text = self.finish_tool("adversarial.py", self.path("out"), "--run", "--size", "16",
                                "--tiny", "--", "--budget", "2s")
        self.assertIn("Every result is within the bound.", text)
        names = {json.loads(line)["layer"] for line in self.lines("adversarial.jsonl")}
        self.assertLessEqual({"one", "one-row", "no-weight", "dense-row", "dense-column"}, names)
        cells = cells_of(self.path("out", "records.jsonl"))
        self.assertEqual({cell["kernel"] == "plan" or cell["format"] == "dense"
                          for cell in cells}, {True})
        self.assertIn("matrices/one-weight.mtx", {cell["source"] for cell in cells})

    @unittest.skipUnless(os.path.isfile(LIBRARY), f"{LIBRARY} does not exist: build it")
    def test_scaling(self):
        text = self.finish_tool("scaling.py", self.path("out"), "--run", "--tiny", "--",
                                "--budget", "2s")
        for word in "nonzeros", "N, columns of X", "K, columns of W", "layers", "large layer":
            self.assertIn(word, text)
        self.assertIn("A call with one weight and one column takes", text)
        self.assertTrue(os.path.exists(self.path("out", "scaling.svg")))
        self.assertEqual(len(json.loads(self.lines("layers.json")[0])["points"]), 4)

    def test_refusals(self):
        os.mkdir(self.path("empty"))
        for name in "plan_choice.py", "adversarial.py", "scaling.py":
            done = self.tool(name, self.path("empty"))
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn("records.jsonl: cannot read", done.stderr)
        done = self.tool("adversarial.py", self.path("new"), "--run", program="/nothing")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        done = self.tool("adversarial.py", self.path("new"), "--run", "--tiny", "--", "--wrong")
        self.assertEqual(done.returncode, 2)
        self.assertIn("exit code 2", done.stderr)
        self.assertEqual(os.listdir(self.path("new")), [])


if __name__ == "__main__":
    unittest.main()
