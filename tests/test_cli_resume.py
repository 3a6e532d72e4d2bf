"""A run that was killed, cut or has no more to do: --resume completes it to the same groups."""

import collections
import json
import os
import signal
import subprocess
import time
import unittest

from program import (PROGRAM, ProgramTest, cells_of, environment, errors, needs_program, read_records,
                     run)


@needs_program
class Resume(ProgramTest):
    def setUp(self):
        super().setUp()
        self.out = self.path("r.jsonl")

    def command(self, *arguments, sparsity="0.5,0.9"):
        return ["run", "--layers", self.layers, "--peers", "none", "--budget", "4s", "--n", "8",
                "--sparsity", sparsity, "--out", self.out, *arguments]

    def content(self):
        with open(self.out, "rb") as file:
            return file.read()

    def assert_complete(self):
        """Every point that the run was asked for, each once, whole and of one run."""
        records = read_records(self.out)
        self.assertTrue(self.content().endswith(b"\n"))
        self.assertEqual(len({record["run_id"] for record in records}), 1)
        cells = [record for record in records if record["type"] == "cell"]
        counts = collections.Counter(cell["group"] for cell in cells)
        self.assertEqual(sorted(counts), sorted(records[0]["options"]["points"]))
        for cell in cells:
            self.assertEqual(counts[cell["group"]], cell["group_cells"])
        self.assertTrue(os.path.exists(self.path("benchmark.json")))

    def test_a_finished_run_gets_a_run_object_and_no_cells(self):
        self.finish(run(*self.command()))
        before = self.content()
        self.finish(run(*self.command("--resume")))
        after = self.content()
        self.assertTrue(after.startswith(before))
        added = read_records(self.out)[len(before.splitlines()):]
        self.assertEqual([record["type"] for record in added], ["run"])
        self.assert_complete()

    def test_cut_anywhere(self):
        self.finish(run(*self.command()))
        whole = self.content()
        ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
        self.assertEqual(len(ends), 9)
        cuts = {"empty": 0, "in the run object": ends[0] // 2, "after the run object": ends[0],
                "in the first cell": ends[0] + 9, "inside the first group": ends[1],
                "after the first group": ends[2], "in a line of the second": ends[3] + 50,
                "before the last line end": ends[8] - 1}
        for name, size in cuts.items():
            with self.subTest(name):
                with open(self.out, "wb") as file:
                    file.write(whole[:size])
                self.finish(run(*self.command("--resume")))
                kept = [end for end in (0, ends[0], *ends[2::2]) if end <= size][-1]
                self.assertEqual(self.content()[:kept], whole[:kept])
                self.assert_complete()

    def start_and_wait_for_a_group(self, arguments):
        child = subprocess.Popen([PROGRAM, *arguments], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                 env=environment())
        self.addCleanup(child.stderr.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and child.poll() is None:
            if os.path.exists(self.out) and self.content().count(b'{"type":"cell"') >= 2:
                return child
            time.sleep(0.01)
        self.fail("no group was written")

    def killed_by(self, number, said):
        arguments = self.command(sparsity="0:0.9:0.05")
        child = self.start_and_wait_for_a_group(arguments)
        child.send_signal(number)
        _, stderr = child.communicate(timeout=60)
        self.assertEqual(child.returncode, -number, stderr)
        lines = errors(stderr)
        self.assertEqual(len(lines), said, stderr)
        measured = {cell["group"] for cell in cells_of(self.out)}
        self.assertTrue(0 < len(measured) < 38, len(measured))
        self.finish(run(*arguments, "--resume"))
        self.assert_complete()
        return lines

    def test_killed(self):
        self.killed_by(signal.SIGKILL, said=0)

    def test_interrupted(self):
        lines = self.killed_by(signal.SIGINT, said=1)
        self.assertRegex(lines[0], r"^sparsemark: interrupted: \d+ of 38 points done; --resume")

    def test_terminated(self):
        lines = self.killed_by(signal.SIGTERM, said=1)
        self.assertIn("interrupted", lines[0])

    def test_precision_survives_the_record(self):
        """1.1 % is no number that nine digits and a division by 100 agree on by themselves."""
        for precision in "1.1%", "0.0123456789012", "1.7%":
            with self.subTest(precision):
                self.out = self.path(precision)
                self.finish(run(*self.command("--precision", precision)))
                self.finish(run(*self.command("--precision", precision, "--resume")))

    def refused(self, *arguments, part="other options", out=None):
        command = ["run", "--layers", self.layers, "--peers", "none", "--budget", "4s", *arguments,
                   "--out", out or self.out, "--resume"]
        before = self.snapshot()
        with self.subTest(" ".join(arguments) + part):
            self.refuse(run(*command), "--resume" if out is None else out, part)
            self.assertEqual(self.snapshot(), before)

    def test_other_options_are_refused(self):
        self.finish(run(*self.command()))
        same = ["--n", "8", "--sparsity", "0.5,0.9"]
        self.refused(*same, "--seed", "2")
        self.refused(*same, "--precision", "3%")
        self.refused(*same, "--isa", "scalar")
        self.refused(*same, "--format", "csr")
        self.refused(*same, "--kernels", "spmm_csr_f32_scalar_row_1x8")
        self.refused(*same, "--layout", "token")
        self.refused("--n", "9", "--sparsity", "0.5,0.9")
        self.refused("--n", "8", "--sparsity", "0.5")
        self.refused("--n", "8", "--sparsity", "0.5,0.9,0.95")
        self.put("layers.txt", "square 64 49 16\nodd 33 65 7\n")
        self.refused(*same)

    def test_a_file_that_has_changed_is_refused(self):
        weights = self.put("w.smtx", "2, 2, 1\n0 1 1\n0\n")
        command = ["run", "--input", weights, "--peers", "none", "--budget", "2s", "--n", "3,5",
                   "--out", self.out, "--resume"]
        self.finish(run(*command[:-1]))
        self.finish(run(*command))
        self.put("w.smtx", "2, 2, 2\n0 1 2\n0 1\n")
        before = self.content()
        self.refuse(run(*command), "--resume", weights, "has changed")
        self.assertEqual(self.content(), before)

    def test_what_is_missing_is_told(self):
        self.finish(run(*self.command()))
        lines = self.content().splitlines(keepends=True)
        asked = len(read_records(self.out)[0]["options"]["points"])
        for kept in 2, asked:
            with open(self.out, "wb") as file:
                file.write(b"".join(lines[:1 + 2 * kept]))
            told = f"INCOMPLETE: {kept} of {asked} points" in run("breakeven", self.out).stdout
            self.assertEqual(told, kept < asked)
            runs = json.loads(run("breakeven", "--json", self.out).stdout)["runs"]
            self.assertEqual([(r["points_measured"], r["points_asked"]) for r in runs],
                             [(kept, asked)])

    def test_what_is_no_run_is_refused_and_kept(self):
        same = ["--n", "8", "--sparsity", "0.5"]
        self.refused(*same, out=self.path("nowhere"), part="No such file")
        self.refused(*same, out=self.put("text", "hello\n"), part=":1:")
        self.refused(*same, out=self.put("word", "hello"), part=":1:")
        os.mkdir(self.path("folder"))
        self.refused(*same, out=self.path("folder"), part="No such file")
        self.finish(run(*self.command()))
        damaged = self.content().replace(b'"cell"', b'"cel"', 1)
        self.refused(*same, out=self.put("damaged", damaged), part=":2:")
        head, rest = self.content().split(b"\n", 1)
        moved = head.replace(b'"machine":"', b'"machine":"other-') + b"\n" + rest
        self.refused("--n", "8", "--sparsity", "0.5,0.9", out=self.put("moved", moved),
                     part="another machine")

    def test_two_runs_do_not_write_one_file(self):
        arguments = self.command(sparsity="0:0.9:0.05")
        child = self.start_and_wait_for_a_group(arguments)
        self.refuse(run(*arguments, "--resume"), self.out, "another run")
        child.kill()


if __name__ == "__main__":
    unittest.main()
