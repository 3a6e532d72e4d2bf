"""sparsemark roof: its JSON, its file, and what it says of bad input."""

import json
import os
import resource
import unittest

from program import ProgramTest, needs_program, run

SHORT = ["--time", "0.01s", "--threads", "1"]


def limit_memory(size):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))


@needs_program
class Roof(ProgramTest):
    def document(self, *arguments):
        return json.loads(self.finish(run("roof", "--json", *SHORT, *arguments)).stdout)

    def refused(self, *arguments, parts):
        before = self.snapshot()
        with self.subTest(" ".join(arguments)):
            done = run("roof", *arguments, cwd=self.folder)
            self.refuse(done, *parts)
            self.assertEqual(done.stdout, "")
            self.assertEqual(self.snapshot(), before)

    def test_usage(self):
        self.refused("--frobnicate", parts=["roof", "--frobnicate", "--help"])
        self.refused("-x", parts=["roof", "-x"])
        self.refused("--json=yes", parts=["roof", "--json"])
        self.refused("more", parts=["roof", "'more'"])
        for option in "threads", "time", "out":
            self.refused("--" + option, parts=["--" + option, "needs a value"])
        self.assertIn("usage: sparsemark roof", run("help", "roof").stdout)
        self.assertIn("roof", run("help").stdout)

    def test_values(self):
        for value in "0", "-1", "1.5", "99999", "a", "", "1,", "all,0", ",".join("111111111"):
            self.refused("--threads", value, parts=["--threads"])
        for value in "x", "", "0", "0s", "-1", "5d", "nan", "inf", "1e9", "1 s":
            self.refused("--time", value, parts=["--time"])

    def test_places_that_cannot_be_written(self):
        """Refused before anything is measured: the time would be lost."""
        os.mkdir(self.path("folder"))
        os.symlink(self.path("nowhere"), self.path("link"))
        for out, part in ((self.path("missing", "roof.json"), "No such file"),
                          (self.path("folder"), "regular file"), (self.path("link"), "regular file"),
                          (self.path("folder") + "/", "name of a file"), ("", "name of a file"),
                          ("/dev/full", "regular file"), ("/proc/roof.json", "/proc/roof.json"),
                          ("x" * 300, "too long")):
            self.refused("--time", "1h", "--out", out, parts=[part])
        self.assertFalse(os.path.exists(self.path("nowhere")))

    def test_full_disk(self):
        """What was there stays whole, and no other file is left."""
        there = self.put("roof.json", "kept\n")
        before = self.snapshot()
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        done = run("roof", *SHORT, "--out", there, preexec_fn=limit)
        self.refuse(done, there, "cannot write")
        self.assertEqual(self.snapshot(), before)

    def test_standard_output_that_fails(self):
        with open("/dev/full", "wb") as full:
            self.refuse(run("roof", *SHORT, stdout=full), "standard output")

    def test_too_little_memory(self):
        """One line, and no thread waits for another that gave up."""
        document = self.document()
        if document["build"]["sanitize"]:
            self.skipTest("sanitizers reserve more address space than any limit allows")
        window = document["roof"]["bandwidth"][-1]["bytes_per_thread"][0]
        done = run("roof", *SHORT, preexec_fn=limit_memory(window))
        self.refuse(done, "no memory")

    def test_json(self):
        document = self.document()
        self.assertEqual((document["type"], document["schema"]), ("roof", 2))
        card = json.loads(run("info", "--json").stdout)
        for field in "slug", "cpu", "build":
            self.assertEqual(document[field], card[field])
        self.assertRegex(document["utc"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertIsInstance(document["warnings"], list)
        roof = document["roof"]
        self.assertEqual(roof["threads"], [1])
        levels = {level["name"]: level for level in card["levels"]}
        peaks = {(peak["dtype"], peak["isa"]): peak for peak in roof["peaks"]}
        self.assertEqual(set(peaks), {("f32", "scalar"), ("f32", "avx2"), ("f32", "avx512"),
                                      ("u8s8", "avxvnni"), ("u8s8", "avx512vnni"),
                                      ("bf16", "avx512bf16")})
        for (_, isa), peak in peaks.items():
            self.assertEqual(peak["gops"][0] is not None, peak["usable"])
            if isa in levels:
                self.assertEqual((peak["usable"], peak["reason"]),
                                 (levels[isa]["usable"], levels[isa]["reason"]))
            elif not peak["usable"]:
                self.assertRegex(peak["reason"], "CPU lacks|operating system|unknown")
        self.assertEqual([row["memory"] for row in roof["bandwidth"]], ["L1", "L2", "L3", "DRAM"])
        for row in roof["bandwidth"]:
            for kind in "read", "copy":
                best, by_isa = row[kind + "_gbytes_s"][0], row[kind + "_by_isa"]
                self.assertEqual(best is not None, row["bytes_per_thread"][0] > 0)
                self.assertEqual(best, max((rates[0] for rates in by_isa.values()), key=lambda x: x or 0))
        self.assertEqual(roof["scaling"], {"fma": None, "read_dram": None})

    def test_flags_of_the_kernel(self):
        """What /proc/cpuinfo shows is what is measured."""
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = next((line for line in file if line.startswith("flags")), "").split()
        if not flags:
            self.skipTest("/proc/cpuinfo shows no flags")
        names = {"avx2": "avx2", "avx512": "avx512dq", "avxvnni": "avx_vnni",
                 "avx512vnni": "avx512_vnni", "avx512bf16": "avx512_bf16"}
        for peak in self.document()["roof"]["peaks"]:
            if peak["isa"] in names:
                self.assertEqual(peak["usable"], names[peak["isa"]] in flags, peak)

    def test_file_and_table(self):
        """The file is what --json prints, takes an old one's place, and leaves nothing beside it."""
        out = self.put("roof.json", "old\n")
        before = set(os.listdir(self.folder))
        done = self.finish(run("roof", *SHORT, "--json", "--out", out))
        with open(out, encoding="utf-8") as file:
            self.assertEqual(json.load(file), json.loads(done.stdout))
        self.assertEqual(set(os.listdir(self.folder)), before)
        table = self.finish(run("roof", *SHORT)).stdout
        for peak in json.loads(done.stdout)["roof"]["peaks"]:
            self.assertRegex(table, rf"{peak['dtype']} +{peak['isa']} +")
            if not peak["usable"]:
                self.assertIn(peak["reason"], table)
        for word in "L1 ", "L2 ", "L3 ", "DRAM ", "1 thread", "read", "copy", "FLOP a byte":
            self.assertIn(word, table)

    def test_two_threads(self):
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("one hardware thread")
        roof = json.loads(self.finish(run("roof", "--json", "--time", "0.01", "--threads",
                                          "2,1,2")).stdout)["roof"]
        self.assertEqual(roof["threads"], [2, 1])
        self.assertGreater(roof["scaling"]["fma"], 0)
        self.assertGreater(roof["scaling"]["read_dram"], 0)
        for row in roof["peaks"] + roof["bandwidth"]:
            for values in row.values():
                if isinstance(values, list):
                    self.assertEqual(len(values), 2)


if __name__ == "__main__":
    unittest.main()
