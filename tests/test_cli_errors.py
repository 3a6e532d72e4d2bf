"""What the program says of bad input: one line that names it, the exit code, and nothing left behind.

Usage and options here; files, disks and pipes in test_cli_files.py."""

import os
import unittest

from program import DATA, ProgramTest, kernels, needs_program, run

ALL_THREADS = len(os.sched_getaffinity(0))
FFN = os.path.join(DATA, "smtx", "ffn.smtx")


@needs_program
class Usage(ProgramTest):
    def refused(self, *arguments, parts=(), code=2, env=None):
        before = self.snapshot()
        with self.subTest(" ".join(arguments)):
            done = run(*arguments, env=env, cwd=self.folder)
            self.refuse(done, *parts, code=code)
            self.assertEqual(done.stdout, "")
            self.assertEqual(self.snapshot(), before)

    def run_refused(self, *arguments, parts=None, **options):
        """A run that would be fine without these arguments."""
        self.refused("run", "--layers", "layers.txt", "--peers", "none", "--budget", "1s", *arguments,
                     parts=arguments[:1] if parts is None else parts, **options)

    def test_commands(self):
        self.refused(parts=["no command", "help"])
        self.refused("frobnicate", parts=["'frobnicate'", "help"])
        self.refused("help", "frobnicate", parts=["'frobnicate'"])
        self.refused("help", "run", "more", parts=["'more'"])
        self.refused("--version", "more", parts=["'more'"])
        self.refused("-x", parts=["'-x'"])

    def test_unknown_options_of_every_command(self):
        for command in "info", "doctor", "list", "check", "prune", "run", "breakeven":
            self.refused(command, "--frobnicate", parts=[command, "--frobnicate", "--help"])
            self.refused(command, "-x", parts=[command, "-x"])
            self.refused(command, "--help=yes", parts=[command, "--help"])

    def test_arguments_missing_or_too_many(self):
        self.refused("info", "more", parts=["info", "'more'"])
        self.refused("info", "--json", "--slug", parts=["--json", "--slug"])
        self.refused("list", "colours", parts=["'colours'", "kernels"])
        self.refused("list", "kernels", "layers", parts=["'layers'"])
        self.refused("check", "more", parts=["check", "'more'"])
        self.refused("run", parts=["--layers", "--input", "--quick"])
        self.refused("run", "more", parts=["run", "'more'"])
        self.refused("breakeven", parts=["breakeven", "got 0"])
        self.refused("breakeven", "a", "b", parts=["breakeven", "got 2"])

    def test_options_without_their_value(self):
        for option in ("layers input pattern format sparsity isa n layout kernels threads cache peers "
                       "precision budget seed out").split():
            self.refused("run", "--" + option, parts=["--" + option, "needs a value"])
        for option in "isa", "kernels", "seed", "repeat":
            self.refused("check", "--" + option, parts=["--" + option, "needs a value"])

    def test_sparsity(self):
        for value in ("2", "-0.1", "a", "", "nan", "inf", "0:1", "0:1:", "0:1:0", "0.9:0.1:0.1",
                      "0:2:0.1", "0:1:0.5:3", "0.5,", ",0.5", "0:1:0.001", "50%"):
            self.run_refused("--sparsity", value)

    def test_n(self):
        for value in ("0", "-1", "1.5", "1e99", "nan", "a", "", "3,", "native,3", "16777217",
                      "9" * 200):
            self.run_refused("--n", value)

    def test_threads(self):
        for value in "0", "-1", "1.5", "99999", "a", "", "1,", "all,0":
            self.run_refused("--threads", value)

    def test_layout(self):
        for value in "x", "", "feature,", "feature,feature", "token,token", "feature,token,feature":
            self.run_refused("--layout", value)

    def test_names(self):
        for value in "x", "", ",", "auto,csr", "CSR":
            self.run_refused("--format", value)
        for value in "x", "", ",", ",,", "best,all", "spmm", "spmm_csr_f32_scalar_row_1x8 ":
            self.run_refused("--kernels", value)
        for value in "x", "", ",", "openmp":
            self.run_refused("--peers", value)
        self.run_refused("--pattern", "2:4", parts=["--pattern", "'2:4'", "unstructured", "nm:N:M"])
        for value in "cold", "", "warm,hot":
            self.run_refused("--cache", value, parts=["--cache", "warm", "cold-weights"])
        if ALL_THREADS > 1:
            self.run_refused("--cache", "cold-weights", "--threads", "2",
                             parts=["--cache", "--threads 1"])
        for option, value in ("--layout", "token"), ("--threads", "1"), ("--cache", "cold-weights"):
            self.refused("run", "--quick", option, value, parts=["--quick", option])

    def test_levels(self):
        for value in "x", "", ",", "AVX2", "auto,all":
            self.run_refused("--isa", value, parts=["level", "scalar", "avx512"])
            self.refused("check", "--isa", value, parts=["level", "scalar", "avx512"])
        for command in ["run", "--layers", "layers.txt"], ["check"]:
            self.refused(*command, env={"SPARSEMARK_ISA": "x"}, parts=["'x'", "scalar", "avx512"])

    def test_a_kernel_of_another_level(self):
        name = next(n for n, row in kernels().items() if row["isa"] == "autovec256")
        for how in {"env": {"SPARSEMARK_ISA": "scalar"}}, {}:
            isa = [] if how else ["--isa", "scalar"]
            self.run_refused("--kernels", name, *isa, parts=[name, "--isa"], **how)
            self.refused("check", "--kernels", name, *isa, parts=[name, "--isa"], **how)

    def test_a_ceiling(self):
        usable = {row["isa"] for row in kernels().values() if row["usable"]}
        self.run_refused("--ceiling", "x", parts=["level", "scalar", "avx512"])
        self.run_refused("--ceiling", "scalar", parts=["--ceiling scalar", "avx2"])
        if "avx512" not in usable:
            self.skipTest("this machine has nothing above AVX2: nothing can be named there")
        self.run_refused("--ceiling", "avx512", parts=["--ceiling avx512", "avx2"])
        for options in (["--ceiling", "avx2", "--isa", "avx512"],
                        ["--isa", "avx512", "--ceiling", "avx2"]):
            self.run_refused(*options, parts=["--isa avx512", "--ceiling avx2"])
        self.run_refused("--ceiling", "avx2", env={"SPARSEMARK_ISA": "avx512"}, parts=["avx512"])
        name = next(n for n, row in kernels().items() if row["isa"] == "avx512")
        self.run_refused("--kernels", name, "--ceiling", "avx2", parts=[name, "--ceiling avx2"])

    def test_levels_that_this_machine_lacks(self):
        lacking = [row for row in kernels().values() if not row["usable"]]
        if not lacking:
            self.skipTest("this machine has every level: none can be demanded that it lacks")
        for row in lacking:
            level, name = row["isa"], row["name"]
            self.run_refused("--isa", level, parts=[level, row["reason"]], code=5)
            self.run_refused("--kernels", name, parts=[name, level], code=5)
            self.run_refused(env={"SPARSEMARK_ISA": level}, parts=[level, row["reason"]], code=5)
            self.refused("check", "--isa", level, parts=[level, row["reason"]], code=5)
            self.refused("check", env={"SPARSEMARK_ISA": level}, parts=[level], code=5)

    def test_levels_and_formats_without_a_kernel(self):
        pairs = {(row["isa"], row["format"]) for row in kernels().values()}
        levels = {row["isa"] for row in kernels().values() if row["usable"]}
        missing = [(isa, "panel") for isa in sorted(levels) if (isa, "panel") not in pairs]
        if not missing:
            self.skipTest("every usable level has a kernel for panel")
        for isa, name in missing:
            self.run_refused("--isa", isa, "--format", name, parts=["--isa", "--format"])

    def test_precision_budget_and_seed(self):
        for value in "x", "", "0", "0%", "-1", "2", "101%", "1%%", "nan", "1e-12":
            self.run_refused("--precision", value)
        for value in "x", "", "0", "0s", "-1", "5d", "nan", "inf", "1e9", "1 s", "1e6h":
            self.run_refused("--budget", value)
        for value in "x", "-0", "0x0.8", " 0.5", "+0.5", "0.5" + 95 * "0" + "x", "0.5,":
            self.run_refused("--sparsity", value)
        self.run_refused("--n", 94 * "0" + "19", parts=["--n"])
        for value in ("x", "", "-1", "1.5", "9223372036854775808", "9" * 30, " 5", "+5",
                      " -18446744073709551615"):
            self.run_refused("--seed", value)
            self.refused("check", "--seed", value, parts=["--seed"])
        for value in "x", "", "0", "-1", "1.5", "1000001", " 2", "+2", "1e1", "0x2":
            self.refused("check", "--repeat", value, parts=["--repeat"])
            self.run_refused("--n", value + "0" * 9 if value == "1000001" else value)

    def test_combinations(self):
        self.refused("run", "--input", FFN, "--sparsity", "0.5", parts=["--sparsity", FFN])
        self.refused("run", "--input", FFN, "--n", "native", parts=["native", FFN, "--n"])
        self.run_refused("--input", FFN, "--sparsity", "0.5", parts=["--sparsity", FFN])
        self.run_refused("--quick", parts=["--quick", "--layers"])
        for more in ["--input", FFN], ["--pattern", "rows"], ["--sparsity", "0.5"], ["--n", "1"], \
                ["--n", "native"]:
            self.refused("run", "--quick", *more, parts=["--quick", more[0]])
        self.run_refused("--resume", parts=["--resume", "--out"])
        self.run_refused("--out", "benchmark.json", parts=["--out", "benchmark.json"])

    def test_layers(self):
        for value in "nowhere", "", "bert-base/attention,", "layers.txt,odd", "zzz*", ".":
            self.refused("run", "--layers", value, parts=["layer"])
        for number, (content, part) in enumerate([
                ("a 1 2\n", ":1:"), ("a 1 2 3 4\n", ":1:"), ("# nothing\n", "none"), ("", "none"),
                ("a 1 2 3\nb 0 2 3\n", ":2:"), ("a 1 2 3\na 2 2 3\n", ":2:"), ("a -1 2 3\n", ":1:"),
                ("a 1 2 9999999999999\n", ":1:"), ("a 1 2 x\n", ":1:"), (b"\0\xff\xfe\n", ":1:"),
                ("a,b 1 2 3\n", ":1:")]):
            name = f"bad{number}.txt"
            self.put(name, content)
            self.refused("run", "--layers", name, parts=[name, part])

    def test_a_layer_larger_than_memory(self):
        self.put("huge.txt", "huge 2147483648 2147483648 1\n")
        self.refused_while_running("run", "--layers", "huge.txt", "--peers", "none", "--n", "1",
                                   "--sparsity", "0.5", "--out", "r.jsonl", parts=["huge", "memory"])

    def refused_while_running(self, *arguments, parts):
        before = self.snapshot()
        self.refuse(run(*arguments, cwd=self.folder), *parts)
        self.assertEqual(self.snapshot(), before)

    def test_a_message_is_one_line_whatever_a_name_holds(self):
        self.refused("run", "--input", "a\nb\tc", parts=["a?b?c"])
        self.refused("breakeven", "x" * 5000)
        self.refused("run", "--layers", "%s%n%d", parts=["%s%n%d"])


if __name__ == "__main__":
    unittest.main()
