"""sparsemark ab and selftest when they measure: what is recorded, shown and left behind."""

import json
import os
import signal
import subprocess
import time
import unittest

from ab_builds import CELL, KERNEL, LIBRARY, Builds, ab, needs_library
from program import PROGRAM, ROOT, ProgramTest, environment, errors, needs_program, run


class Measuring(Builds):
    """Nothing here depends on how long anything takes."""

    def test_a_library_against_itself(self):
        saved = self.path("r.json")
        done = self.finish(self.compare(LIBRARY, "--save", saved, "--strict", "--delta", "4%",
                                        "--layout", "feature,token"), code=3)
        self.assertIn("base and cand are the same file", done.stdout)
        # On a busy machine the control's moving comes before the small number of rounds.
        self.assertRegex(done.stdout, "nothing can be said with fewer than 6|"
                                      "it moved, so nothing can be said")
        with open(saved, encoding="utf-8") as file:
            record = json.load(file)
        self.check_record(record)
        again = ab("--replay", saved, "--strict")
        self.assertEqual((again.returncode, again.stdout), (3, done.stdout))
        self.assertEqual(sorted(os.listdir(self.folder)), ["layers.txt", "r.json"])

    def finish(self, done, code=0):
        self.assertEqual((done.returncode, errors(done.stderr)), (code, []), done.stderr)
        return done

    def check_record(self, record):
        self.assertEqual((record["options"]["delta"], record["identical"]), (0.04, True))
        self.assertEqual([cell["kernel"] for cell in record["cells"]], [KERNEL] * 2)
        rounds = record["blocks"][0]["rounds"]
        self.assertEqual((len(record["blocks"]), len(rounds)), (1, 2))
        self.assertEqual(len({taken["shuffle"] for taken in rounds}), 2)
        for taken in rounds:
            cells = [entry["cell"] for entry in taken["cells"]]
            self.assertEqual(set(cells), {0, 1, None})
            for entry in taken["cells"]:
                counts = {len(arm) for part in ("ns", "taints") for arm in entry[part]}
                self.assertEqual(len(counts), 1)
                self.assertTrue(8 <= counts.pop() <= 24)
                self.assertEqual(len(entry["ns"]), 4)

    def test_json_of_a_measurement(self):
        done = self.finish(self.compare(LIBRARY, "--format", "json"))
        answer = json.loads(done.stdout)
        self.assertEqual({cell["state"] for cell in answer["cells"]}, {"AMBIGUOUS"})
        self.assertIn("cpuid", answer["machine"])
        self.assertEqual(answer["base"]["abi"], 1)

    def test_the_slower_build_is_the_slower_one(self):
        """Ten times the work in one build: the sign, and which is which."""
        slow = self.stub("SLOW")
        for base, cand, sign in (LIBRARY, slow, 1), (slow, LIBRARY, -1):
            done = self.finish(self.compare(cand, "--format", "json", base=base))
            effect = json.loads(done.stdout)["cells"][0]["effect"]
            self.assertGreater(effect * sign, 0.3)

    def test_a_confirmed_regression_ends_with_1(self):
        """Ten times the work shows on any machine; only a control that moved may hide it, so again."""
        slow = self.stub("SLOW")
        for _ in range(3):
            done = self.compare(slow, "--rounds", "10")
            if done.returncode != 0:
                break
        self.assertEqual((done.returncode, errors(done.stderr)), (1, []), done.stderr)
        self.assertIn("SLOW", done.stdout)

    def test_other_blocking_is_noted(self):
        done = self.finish(self.compare(self.stub("OTHER_BLOCKING")))
        self.assertRegex(done.stdout, r"K tile x rows 48x\d+, then 32x\d+")
        self.assertIn("sparsemark 0.0.stub", done.stdout)

    def test_time_ends_it(self):
        done = self.finish(self.compare(LIBRARY, "--rounds", "1000", "--time", "1s"))
        self.assertRegex(done.stdout, r"; \d{1,2} rounds")

    def test_patterns_from_files(self):
        path = os.path.join(ROOT, "tests", "data", "smtx", "ffn.smtx")
        command = ["--base", LIBRARY, "--cand", LIBRARY, "--kernels", KERNEL, "--rounds", "1", "--n",
                   "8", "--input", path]
        self.assertIn("ffn", self.finish(ab(*command)).stdout)
        self.refuse(ab(*command, "--sparsity", "0.5"), "--sparsity", path)

    def test_nothing_is_left_of_a_run_that_is_killed(self):
        saved = self.path("r.json")
        for number in signal.SIGKILL, signal.SIGTERM, signal.SIGINT:
            with subprocess.Popen([PROGRAM, "ab", "--base", LIBRARY, "--cand", LIBRARY, *CELL,
                                   "--rounds", "1000", "--save", saved], cwd=self.folder,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  env=environment()) as process:
                while b"round 2" not in process.stderr.readline():
                    self.assertIsNone(process.poll())
                children = self.children(process.pid)
                process.send_signal(number)
                process.wait(60)
            self.assertEqual(process.returncode, -number)
            deadline = time.monotonic() + 60
            while any(map(self.runs, children)):
                self.assertLess(time.monotonic(), deadline, "a child outlives its parent")
                time.sleep(0.05)
            self.assertEqual(os.listdir(self.folder), ["layers.txt"])

    @staticmethod
    def children(pid):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return file.read().split()

    @staticmethod
    def runs(pid):
        """Whether it is still our program, and neither gone nor a zombie."""
        try:
            return os.path.samefile(f"/proc/{pid}/exe", PROGRAM)
        except OSError:
            return False


@needs_program
@needs_library
class Selftest(ProgramTest):
    def test_usage(self):
        for arguments in (["--cells", "0"], ["--time", "x"], ["--delta", "0"], ["--rounds", "x"],
                          ["more"], ["--frobnicate"], ["--seed", "-1"]):
            self.refuse(run("selftest", *arguments), arguments[0].removeprefix("--"))
        self.refuse(run("selftest", "--lib", self.path("none.so")), "none.so")
        self.refuse(run("selftest", "--out", self.layers), self.layers, "exists")

    def test_too_few_rounds_are_no_pass(self):
        out = self.path("s.json")
        done = run("selftest", "--cells", "2", "--rounds", "1", "--out", out)
        self.assertEqual((done.returncode, errors(done.stderr)), (3, []), done.stderr)
        self.assertIn("undecided", done.stdout)
        with open(out, encoding="utf-8") as file:
            result = json.load(file)
        self.assertEqual((result["type"], result["exit_code"]), ("selftest", 3))
        slowed = [taken["injected"] for taken in result["runs"]]
        self.assertEqual(slowed[:3], [None] * 3)
        self.assertEqual(len(slowed), 4)
        self.assertIn(slowed[3], run("list", "kernels").stdout)
        self.assertEqual([result[key]["cells"] for key in ("aa", "untouched", "missed")], [6, 7, 1])
        self.assertEqual([result[key]["count"] for key in ("aa", "untouched", "missed")], [0, 0, 1])
        self.assertEqual([result[key]["ambiguous"] for key in ("aa", "untouched", "missed")],
                         [6, 7, 1])


if __name__ == "__main__":
    unittest.main()
