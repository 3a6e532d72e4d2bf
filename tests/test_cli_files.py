"""Files, disks and pipes that fail the program: one line, exit code 2, nothing half-written."""

import os
import re
import resource
import subprocess
import unittest

from program import (DATA, PROGRAM, TESTS, ProgramTest, cells_of, environment, errors, needs_program,
                     read_records, run)

CORPUS = os.path.join(TESTS, "corpus", "smtx")
NOBODY = 65534


def limit_file_size(size):
    """For preexec_fn. The signal is left to the program: Python restores its default."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@needs_program
class Output(ProgramTest):
    def refuse_out(self, out, *parts, **options):
        before = self.snapshot()
        with self.subTest(out):
            done = self.small_run("--sparsity", "0.5", "--n", "4", "--out", out, **options)
            self.refuse(done, *parts)
            self.assertEqual(done.stdout, "")
            self.assertEqual(self.snapshot(), before)

    def test_places_that_cannot_be_written(self):
        there = self.put("there.jsonl", "kept\n")
        self.refuse_out(there, there, "exists")
        self.refuse_out(self.path("missing", "r.jsonl"), "missing/r.jsonl", "No such file")
        self.refuse_out("/dev/full", "/dev/full", "exists")
        self.refuse_out(self.folder, self.folder, "exists")
        self.refuse_out(self.folder + "/", self.folder, "directory")
        self.refuse_out("/proc/r.jsonl", "/proc/r.jsonl")
        self.refuse_out("", "name of a file")
        self.refuse_out("x" * 300, "xxx", "too long")
        os.symlink(self.path("nowhere"), self.path("link"))
        self.refuse_out(self.path("link"), "link")
        self.assertFalse(os.path.exists(self.path("nowhere")))

    def test_without_permission(self):
        """Permission bits do not bind root, who drops to nobody where nobody may run the program."""
        as_user = {}
        if os.geteuid() == 0:
            as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            os.chmod(self.folder, 0o755)
            try:
                probe = run("--version", **as_user)
            except PermissionError:
                self.skipTest("root may write anywhere, and nobody may not run the program")
            self.assertEqual(probe.returncode, 0, probe.stderr)
        closed = self.path("closed")
        os.mkdir(closed)
        os.chmod(closed, 0o555)
        self.refuse_out(os.path.join(closed, "r.jsonl"), closed, "Permission denied", **as_user)
        secret = self.put("secret", "3, 4, 0\n0 0 0 0\n\n")
        os.chmod(secret, 0)
        os.chmod(closed, 0)
        for arguments in (["run", "--input", secret], ["run", "--input", closed],
                          ["breakeven", secret], ["breakeven", closed],
                          ["run", "--layers", secret],
                          ["run", "--layers", self.layers, "--resume", "--out", secret]):
            with self.subTest(" ".join(arguments)):
                done = run(*arguments, **as_user)
                self.refuse(done, arguments[-1], "Permission denied")
        os.chmod(closed, 0o755)

    def test_a_name_beside_the_records_that_is_no_file(self):
        """Google Benchmark's file lies beside the records, and is refused before anything runs."""
        target = self.put("target", "precious")
        os.symlink(target, self.path("benchmark.json"))
        done = self.small_run("--sparsity", "0.5", "--n", "4", "--out", self.path("r.jsonl"))
        self.refuse(done, "benchmark.json", "not a regular file")
        self.assertFalse(os.path.exists(self.path("r.jsonl")))
        os.unlink(self.path("benchmark.json"))
        os.symlink(target, self.path("benchmark.json.tmp"))
        self.finish(self.small_run("--sparsity", "0.5", "--n", "4", "--out", self.path("r.jsonl")))
        with open(target, encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")

    def test_no_room_at_all_leaves_no_file(self):
        for size in 0, 1, 1000:
            with self.subTest(size=size):
                done = self.small_run("--sparsity", "0.5", "--n", "4", "--out", self.path("r.jsonl"),
                                      preexec_fn=limit_file_size(size))
                self.refuse(done, "r.jsonl", "File too large")
                self.assertEqual(os.listdir(self.folder), ["layers.txt"])

    def test_room_that_ends_keeps_whole_groups_and_resumes(self):
        whole, part = self.path("whole.jsonl"), self.path("part.jsonl")
        options = ["--sparsity", "0.5,0.9", "--n", "4"]
        self.finish(self.small_run(*options, "--out", whole))
        os.remove(self.path("benchmark.json"))
        # The third of four groups: 1.5 groups before the end of the records.
        with open(whole, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        group = sum(len(line) for line in lines[1:]) // 4
        size = sum(len(line) for line in lines) - group - group // 2
        done = self.small_run(*options, "--out", part, preexec_fn=limit_file_size(size))
        self.refuse(done, "part.jsonl", "cannot write", "File too large")
        with open(part, "rb") as file:
            self.assertTrue(file.read().endswith(b"\n"))
        groups = [cell["group"] for cell in cells_of(part)]
        self.assertEqual(len(set(groups)), 2)
        self.assertEqual(sorted(os.listdir(self.folder)), ["layers.txt", "part.jsonl", "whole.jsonl"])
        self.finish(self.small_run(*options, "--out", part, "--resume"))
        self.assertEqual({cell["group"] for cell in cells_of(part)},
                         {cell["group"] for cell in cells_of(whole)})

    def test_room_that_ends_in_benchmark_json(self):
        whole, part = self.path("whole.jsonl"), self.path("part.jsonl")
        options = ["--sparsity", "0.5", "--n", "4"]
        self.finish(self.small_run(*options, "--out", whole))
        room = os.path.getsize(whole) + 1000
        self.assertGreater(os.path.getsize(self.path("benchmark.json")), room)
        os.remove(self.path("benchmark.json"))
        done = self.small_run(*options, "--out", part, preexec_fn=limit_file_size(room))
        self.refuse(done, "benchmark.json", "File too large")
        self.assertEqual(sorted(os.listdir(self.folder)), ["layers.txt", "part.jsonl", "whole.jsonl"])
        self.assertEqual(len({cell["group"] for cell in cells_of(part)}), 2)

    def test_nothing_but_a_run_object_is_removed_when_the_first_group_fails(self):
        done = run("run", "--input", os.path.join(CORPUS, "range.smtx"), "--peers", "none", "--n", "4",
                   "--out", self.path("r.jsonl"))
        self.refuse(done, "range.smtx:3", "0 to 3")
        self.assertEqual(os.listdir(self.folder), ["layers.txt"])


@needs_program
class Pipes(ProgramTest):
    def commands(self):
        out = self.path("r.jsonl")
        small = ["run", "--layers", self.layers, "--peers", "none", "--budget", "1s", "--n", "4",
                 "--sparsity", "0.5"]
        self.finish(run(*small, "--out", out))
        return [["help"], ["--version"], ["run", "--help"], ["list"], ["list", "--json"],
                ["list", "kernels"], ["info"], ["info", "--json"], ["info", "--slug"],
                ["check", "--kernels", "spmm_csr_f32_scalar_row_1x8"], ["breakeven", out],
                ["breakeven", out, "--json"], [*small, "--list"], small, [*small, "--json"]]

    def test_standard_output_that_cannot_be_written(self):
        with open("/dev/full", "wb") as full:
            for command in self.commands():
                with self.subTest(" ".join(command)):
                    self.refuse(run(*command, stdout=full), "standard output")

    def test_standard_output_into_a_pipe_that_nobody_reads(self):
        for command in self.commands():
            with self.subTest(" ".join(command)):
                reading, writing = os.pipe()
                os.close(reading)
                try:
                    self.refuse(run(*command, stdout=writing), "standard output")
                finally:
                    os.close(writing)

    def test_closed_streams_do_not_end_up_in_the_records(self):
        options = ["--sparsity", "0.5", "--n", "4", "--out"]
        for closed, code in [("0", 0), ("1", 2), ("2", 0)]:
            with self.subTest(closed=closed):
                out = self.path(closed + ".jsonl")
                command = [PROGRAM, "run", "--layers", self.layers, "--peers", "none", *options, out]
                done = subprocess.run(["sh", "-c", f'exec {closed}>&-; exec "$@"', "sh", *command],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                      env=environment(), timeout=300, check=False)
                self.assertEqual(done.returncode, code, done.stderr)
                if closed == "1":
                    self.refuse(done, "standard output")
                self.assertEqual({record["type"] for record in read_records(out)}, {"run", "cell"})


@needs_program
class Input(ProgramTest):
    def test_every_pattern_of_the_corpus_is_measured_or_refused(self):
        """Those whose name says so are right; a message names the file and a line or a size."""
        good = {"valid", "valid_blanks", "one", "full", "empty_pattern"}
        for name in sorted(os.listdir(CORPUS)):
            path = os.path.join(CORPUS, name)
            before = self.snapshot()
            with self.subTest(name):
                done = run("run", "--input", path, "--peers", "none", "--budget", "1s", "--n", "3")
                if name[:-len(".smtx")] in good:
                    self.finish(done)
                    continue
                self.refuse(done, path, "expected")
                self.assertRegex(errors(done.stderr)[0],
                                 re.escape(path) + r"(:[1-4]: .*|: expected at least \d+ bytes .*, )")
                self.assertEqual(self.snapshot(), before)

    def test_cut_patterns(self):
        with open(os.path.join(DATA, "smtx", "ffn.smtx"), "rb") as file:
            whole = file.read()
        for size in 0, 1, 5, len(whole) // 3, len(whole) // 2, len(whole) - 40:
            with self.subTest(size=size):
                path = self.put("cut.smtx", whole[:size])
                self.refuse(run("run", "--input", path, "--n", "3"), path, "expected")

    def test_a_bad_file_among_good_ones_stops_before_anything_is_measured(self):
        """Of a folder the headers are read first."""
        os.mkdir(self.path("in"))
        self.put("in/a.smtx", "2, 2, 1\n0 1 1\n0\n")
        self.put("in/b.smtx", "2, two, 1\n0 1 1\n0\n")
        done = run("run", "--input", self.path("in"), "--n", "3", "--out", self.path("r.jsonl"))
        self.refuse(done, "in/b.smtx:1", "two")
        self.assertFalse(os.path.exists(self.path("r.jsonl")))

    def test_things_that_are_no_pattern(self):
        os.mkdir(self.path("empty"))
        self.put("empty/readme.txt", "nothing here")
        os.mkfifo(self.path("pipe"))
        for path, part in [(self.path("nowhere"), "No such file"), (self.path("empty"), ".smtx"),
                           ("/dev/null", "regular file"), ("/dev/zero", "regular file"),
                           (self.path("pipe"), "regular file"), ("", "No such file")]:
            with self.subTest(path):
                self.refuse(run("run", "--input", path), path, part)


@needs_program
class Breakeven(ProgramTest):
    def test_things_that_are_no_result(self):
        out = self.path("r.jsonl")
        self.finish(self.small_run("--sparsity", "0.5", "--n", "4", "--out", out))
        with open(out, "rb") as file:
            whole = file.read()
        head = whole[:whole.index(b"\n") + 1]
        os.mkdir(self.path("folder"))
        cases = [(self.path("nowhere"), "No such file"), (self.path("folder"), "records.jsonl"),
                 ("/dev/null", "found none"), (self.put("empty", ""), "found none"),
                 (self.layers, ":1:"), (self.put("head", head), "found none"),
                 (self.put("cut", whole[:len(head) + 99]), "found none"),
                 (self.put("bytes", bytes(range(256)) * 9), ":1:"), (self.put("null", "null\n"), ":1"),
                 (self.put("list", "[]\n"), ":1"), (self.put("other", '{"type":"run"}\n'), ":1"),
                 (self.put("schema", head.replace(b'"schema":2', b'"schema":999')), "999"),
                 (self.put("field", whole.replace(b'"nnz":', b'"nno":')), ":2"),
                 (self.put("middle", whole.replace(b'"cell"', b'"ce', 1)), ":2"),
                 (self.put("kind", whole.replace(b'"n":4', b'"n":"4"', 1)), ":2")]
        for path, part in cases:
            with self.subTest(path):
                done = run("breakeven", path)
                self.refuse(done, path, part)
                self.assertEqual(done.stdout, "")

    def test_a_run_cut_anywhere_is_read_or_refused(self):
        out = self.path("r.jsonl")
        self.finish(self.small_run("--sparsity", "0.5", "--n", "4", "--out", out))
        with open(out, "rb") as file:
            whole = file.read()
        for size in range(0, len(whole), len(whole) // 23):
            with self.subTest(size=size):
                done = run("breakeven", self.put("cut", whole[:size]))
                self.assertIn(done.returncode, (0, 2))
                self.assertEqual(len(errors(done.stderr)), 1 if done.returncode else 0)


if __name__ == "__main__":
    unittest.main()
