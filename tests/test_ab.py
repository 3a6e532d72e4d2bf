"""sparsemark ab without measuring: what it refuses, and what it says of known data."""

import json
import os
import re
import unittest

from ab_builds import DEATHS, KERNEL, LIBRARY, Builds, ab, needs_library
from ab_record import Maker
from program import PROGRAM, ProgramTest, errors, needs_program, run

STATES = {"SLOW", "FAST", "SAME", "AMBIGUOUS"}


class Refusals(Builds):
    def refused(self, done, *parts, code):
        self.refuse(done, *parts, code=code)
        self.assertEqual(done.stdout, "")

    def test_files_that_are_no_library(self):
        for name, content in (("text", "a text\n"), ("empty", ""), ("short", b"\x7fE"),
                              ("cut", b"\x7fELF\2\1\1" + bytes(9)), ("zeros", bytes(5000))):
            path = self.put(name, content)
            self.refused(self.compare(path), path, code=2)
            self.refused(self.compare(LIBRARY, base=path), path, code=2)
        self.refused(self.compare(self.path("none.so")), "none.so", "No such file", code=2)
        self.refused(self.compare(self.folder), self.folder, "regular file", code=2)
        self.refused(self.compare(PROGRAM), PROGRAM, "cannot be loaded", code=2)

    def test_a_cut_library(self):
        with open(LIBRARY, "rb") as file:
            content = file.read()
        for size in (64, 1000, 5000, 30000, 60000):
            path = self.put("cut.so", content[:size])
            self.refused(self.compare(path, env=DEATHS), path, code=2)

    def test_another_library(self):
        other = self.compile("other.so", source=self.put("empty.c", "int other;\n"))
        self.refused(self.compare(other), other, "not a sparsemark library", "sm_abi", code=5)

    def test_a_library_that_cannot_be_compared(self):
        for macro, *parts in (("OTHER_ABI", "ABI", "2", "expected 1"),
                              ("OTHER_OPTIONS", "refuses a plan of this program", "sm_plan_options")):
            path = self.stub(macro)
            self.refused(self.compare(path), path, *parts, code=5)
            self.refused(self.compare(LIBRARY, base=path), path, *parts, code=5)

    def test_a_library_that_dies(self):
        path = self.stub("DIES_WHEN_LOADED")
        self.refused(self.compare(path, env=DEATHS), path, "signal 11", "while it was loaded", code=2)
        for macro, part in (("DIES_WHEN_RUN", "signal 6"), ("ENDS_WHEN_RUN", "expected JSON")):
            self.refused(self.compare(self.stub(macro), env=DEATHS), "round 1", part, KERNEL, "square",
                         code=2)

    def test_other_kernels(self):
        path = self.stub("FEWER_KERNELS")
        self.refused(self.compare(path), "1 only in base", KERNEL, "--common", code=5)
        self.refused(self.compare(LIBRARY, base=path), "1 only in cand", KERNEL, code=5)
        self.refused(self.compare(path, "--common"), "--kernels", KERNEL, "only one", code=5)
        other = "spmm_panel_f32_scalar_bucket_2x8"
        done = self.finish(self.compare(path, "--common", "--kernels", other))
        self.assertIn(f"left out, only in base: {KERNEL}\n", done.stdout)
        self.assertIn(other, done.stdout)

    def test_levels_that_are_missing(self):
        path = self.stub("SCALAR_ONLY")
        kernel = "spmm_csr_f32_avx2_row_1x64"
        self.refused(self.compare(path, "--kernels", kernel), kernel, "avx2", "not usable", code=5)
        everything = ["--base", path, "--cand", path, "--layers", "layers.txt"]
        done = ab(*everything, "--isa", "autovec256", cwd=self.folder)
        lines = errors(done.stderr)
        self.assertEqual((done.returncode, len(lines)), (5, 1))
        self.assertRegex(lines[0], "no kernel is in both builds|autovec256: not usable")

    def test_levels_that_this_machine_lacks(self):
        listed = json.loads(run("list", "kernels", "--json").stdout)
        lacking = sorted({row["isa"] for row in listed if not row["usable"]})
        if not lacking:
            self.skipTest("this machine has every level")
        for level in lacking:
            self.refused(self.compare(LIBRARY, "--isa", level), level, "not usable", code=5)
            self.refused(self.compare(LIBRARY, env={"SPARSEMARK_ISA": level}), level, code=5)

    def test_wrong_results(self):
        path = self.stub("WRONG")
        self.refused(self.compare(path), "cand", KERNEL, "square", "wrong", code=4)
        self.refused(self.compare(LIBRARY, base=path), "base", KERNEL, "wrong", code=4)

    def test_without_the_judge(self):
        bare = self.put("bare", '#!/bin/sh\nexec /usr/bin/env python3 -I -S "$@"\n')
        os.chmod(bare, 0o755)
        for env, *parts in (({"SPARSEMARK_PYTHON": bare}, "is missing", "requirements.txt"),
                            ({"SPARSEMARK_PYTHON": self.path("none")}, "cannot run", "none"),
                            ({"SPARSEMARK_PYTHON": "/bin/false"}, "/bin/false", "code 1"),
                            ({"SPARSEMARK_SCRIPTS": self.folder}, "verdict.py", self.folder)):
            self.refused(self.compare(LIBRARY, env=env), *parts, code=2)

    def test_places_to_save(self):
        there = self.put("there.json", "kept")
        self.refused(self.compare(LIBRARY, "--save", there), there, "exists", code=2)
        self.refused(self.compare(LIBRARY, "--save", self.path("no", "r.json")), "no/r.json", code=2)
        with open(there, encoding="utf-8") as file:
            self.assertEqual(file.read(), "kept")


@needs_program
class Usage(ProgramTest):
    def refused(self, *arguments, parts=(), code=2):
        with self.subTest(arguments):
            done = ab(*arguments, cwd=self.folder)
            self.refuse(done, *parts, code=code)
            self.assertEqual(done.stdout, "")

    def test_files(self):
        self.refused(parts=["--base", "--cand", "--replay"])
        self.refused("--base", LIBRARY, parts=["--cand"])
        self.refused("--base", LIBRARY, "--cand", LIBRARY, "more", parts=["'more'"])

    def test_values(self):
        for option, values in (("--delta", ("0", "-1%", "x", "200%", "")),
                               ("--rounds", ("0", "1.5", "x", "", "1001")),
                               ("--time", ("0", "x", "5d")), ("--seed", ("-1", "x")),
                               ("--format", ("x", "", "html")), ("--sparsity", ("2", "")),
                               ("--n", ("0", "")), ("--layout", ("x",)),
                               ("--inject", ("x", "=5%", "k=", "k=0"))):
            for value in values:
                self.refused("--base", LIBRARY, "--cand", LIBRARY, option, value, parts=[option[2:]])
        for option, part in (("--isa", "level"), ("--layers", "no layer"), ("--input", "nowhere")):
            self.refused("--base", LIBRARY, "--cand", LIBRARY, option, "nowhere", parts=[part])
        for option in "base cand layers n delta save replay format inject".split():
            self.refused("--" + option, parts=["--" + option, "needs a value"])
        self.refused("--frobnicate", parts=["--frobnicate", "--help"])

    @needs_library
    def test_kernels(self):
        for value in ("", ",", "x", KERNEL + ",", "best"):
            self.refused("--base", LIBRARY, "--cand", LIBRARY, "--kernels", value,
                         parts=["--kernels", "all"])
        self.refused("--base", LIBRARY, "--cand", LIBRARY, "--kernels", KERNEL, "--inject",
                     "other=5%", parts=["--inject", "'other'"])

    def test_the_child_is_not_for_people(self):
        self.assertNotIn("ab-child", run("help").stdout)
        with open(self.path("answer"), "w+", encoding="utf-8") as answer:
            self.assertEqual(run("ab-child", stdout=answer).returncode, 0)
            answer.seek(0)
            self.assertIn("expected a question", json.load(answer)["error"])


@needs_program
class Replay(ProgramTest):
    def replay(self, record, *arguments, code=0):
        path = self.put("record.json", json.dumps(record))
        done = ab("--replay", path, *arguments)
        self.assertEqual((done.returncode, errors(done.stderr)), (code, []), done.stderr)
        return done.stdout

    def judged(self, record, *arguments, code=0):
        answer = json.loads(self.replay(record, "--format", "json", *arguments, code=code))
        self.assertEqual(answer["exit_code"], code)
        return answer

    def test_exit_codes(self):
        maker = Maker()
        slow = maker.record([0.1, 0.0], again={0: 0.1})
        fast = maker.record([-0.1, 0.0], again={0: -0.1})
        same = maker.record([0.0, 0.0])
        unsure = maker.record([0.0, 0.1])
        both = maker.record([0.1, -0.1], again={0: 0.1, 1: 0.1})
        moved = maker.record([0.1, 0.0], again={0: 0.1}, control=0.09)
        for record, code, strict, states in ((slow, 1, 1, ["SLOW", "SAME"]),
                                             (fast, 0, 0, ["FAST", "SAME"]),
                                             (same, 0, 0, ["SAME", "SAME"]),
                                             (unsure, 0, 3, ["SAME", "AMBIGUOUS"]),
                                             (both, 1, 1, ["SLOW", "AMBIGUOUS"]),
                                             (moved, 0, 3, ["AMBIGUOUS", "AMBIGUOUS"])):
            answer = self.judged(record, "--strict", code=strict)
            self.assertEqual([cell["state"] for cell in answer["cells"]], states)
            if code != strict:
                self.judged(record, code=code)

    def test_the_same_data_give_the_same_bytes(self):
        record = Maker(tainted=0.3).record([0.05, 0.0, -0.1], again={0: 0.05, 2: -0.1})
        for flags in (), ("--format", "json"):
            first = self.replay(record, *flags, code=1)
            self.assertEqual(first, self.replay(record, *flags, code=1))

    def test_delta(self):
        record = Maker().record([0.1], again={0: 0.1})
        self.judged(record, code=1)
        self.assertEqual(self.judged(record, "--delta", "20%")["cells"][0]["state"], "SAME")

    def test_text(self):
        text = self.replay(Maker().record([0.1, 0.0], again={0: 0.1}), code=1)
        for part in ("base: libsparsemark.so (sparsemark 0.1.0", "(sparsemark 0.2.0",
                     "machine: test-machine", "note: a note", "layer some/layer", "N 32", "SLOW",
                     "again +", "1 SLOW, 0 FAST, 1 SAME, 0 AMBIGUOUS; 11 rounds, then 11"):
            self.assertIn(part, text)
        self.assertNotIn("busy", text)

    def test_rounds_that_time_did_not_leave(self):
        record = Maker().record([0.1], again={0: 0.1})
        self.assertNotIn("TIME RAN OUT", self.replay(record, code=1))
        record["blocks"][0]["rounds_asked"] = 11
        record["blocks"][1]["rounds_asked"] = 12
        text = self.replay(record, code=1)
        self.assertEqual(re.findall(r"TIME RAN OUT: (.*?);", text), ["11 of 12 rounds of block 2"])

    def test_a_busy_machine_is_named(self):
        record = Maker(tainted=0.43).record([0.0, 0.0])
        for flags in (), ("--format", "md"):
            text = self.replay(record, *flags)
            self.assertRegex(text, r"machine busy: 4\d % of samples disturbed")
        answer = self.judged(record)
        self.assertTrue(answer["busy"])
        self.assertAlmostEqual(answer["disturbed"], 0.43, delta=0.05)
        self.assertRegex(self.replay(Maker(tainted=0.95).record([0.0])), r"noisy in 11 of 11 rounds")

    def test_a_control_that_moved_is_named(self):
        text = self.replay(Maker().record([0.0], control=0.09))
        self.assertIn("it moved", text)
        self.assertIn("the control moved", text)

    def test_markdown(self):
        record = Maker().record([0.1, 0.0], again={0: 0.1})
        record["points"][0]["layer"] = "a|b"
        text = self.replay(record, "--format", "md", code=1)
        table = [line for line in text.splitlines() if line.startswith("|")]
        self.assertEqual(len(table), 4)
        self.assertEqual({line.replace("\\|", "").count("|") for line in table},
                         {table[1].count("|")})
        self.assertIn("a\\|b", table[2])
        self.assertRegex(table[1], r"^(\|-+:?)+\|$")

    def test_json(self):
        answer = self.judged(Maker().record([0.1, 0.0], again={0: 0.1}), code=1)
        self.assertEqual((answer["type"], answer["schema"]), ("ab-verdict", 1))
        self.assertEqual(answer["counts"], {"SLOW": 1, "FAST": 0, "SAME": 1, "AMBIGUOUS": 0})
        self.assertLessEqual({"machine", "base", "cand", "options", "control", "disturbed", "busy",
                              "samples"}, set(answer))
        for cell in answer["cells"]:
            self.assertLessEqual({"kernel", "layer", "m", "k", "n", "layout", "sparsity", "effect",
                                  "low", "high", "p", "q", "delta", "floor", "state", "reason",
                                  "rounds", "noisy_rounds", "disturbed", "again"}, set(cell))
            self.assertIn(cell["state"], STATES)
            self.assertLessEqual(cell["low"], cell["effect"])
            self.assertLessEqual(cell["effect"], cell["high"])

    def test_blocking_that_differs_is_noted(self):
        record = Maker().record([0.0])
        for taken in record["blocks"][0]["rounds"]:
            for entry in taken["cells"]:
                entry["blocking"] = [[256, 64]] * 2 + [[128, 32]] * 2
        self.assertIn("K tile x rows 256x64, then 128x32", self.replay(record))

    def test_what_is_no_record(self):
        for content, part in (("", ":1"), ("{", ":1"), ("[]", "record"), ("{}", "record"), ("7", ":1"),
                              ('{"type": "ab", "schema": 2}', "schema 1, got 2"),
                              (b"\xff\xfe", ":1"), ('{"a": 1, "a": 2}', "duplicate")):
            path = self.put("bad.json", content)
            done = ab("--replay", path)
            self.refuse(done, part)
            self.assertEqual(done.stdout, "")
        self.refuse(ab("--replay", self.path("none.json")), "none.json")

    def test_with_options_that_measure(self):
        path = self.put("record.json", json.dumps(Maker().record([0.0])))
        for option in (["--base", "x"], ["--rounds", "3"], ["--save", "y"], ["--common"]):
            self.refuse(ab("--replay", path, *option), "--replay", option[0])


if __name__ == "__main__":
    unittest.main()
