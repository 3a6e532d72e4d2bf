"""Adding a kernel is one line: it appears in the list, passes the check, is tested and timed."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PARTS = ("CMakeLists.txt", "cmake", "kernels", "harness", "tests", "results/README.md")
LINE = "SM_KERNEL(spmm, panel, f32, scalar, bucket, 2, 4)\n"  # runs on every machine
NAME = "spmm_panel_f32_scalar_bucket_2x4"


def copy_tree(folder):
    for part in PARTS:
        source, target = os.path.join(ROOT, part), os.path.join(folder, part)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def append(folder, line):
    with open(os.path.join(folder, "kernels", "kernels.inc"), "a", encoding="utf-8") as file:
        file.write(line)


def call(*command, code=0):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8", check=False, timeout=900)
    if done.returncode != code and code is not None:
        raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}")
    return done


def configure(folder, code=0):
    return call("cmake", "-S", folder, "-B", os.path.join(folder, "b"), "-G", "Ninja",
                "-DCMAKE_BUILD_TYPE=Debug", code=code)


class NewKernel(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        copy_tree(self.folder)

    def test_one_line_is_enough(self):
        append(self.folder, LINE)
        configure(self.folder)
        build = os.path.join(self.folder, "b")
        call("ninja", "-C", build, "-j2", "sparsemark_cli", "test_kernels")
        program = os.path.join(build, "sparsemark")
        self.assertIn(NAME, call(program, "list", "kernels").stdout)
        self.assertIn("1 kernels checked, 0 wrong",
                      call(program, "check", "--kernels", NAME).stdout)
        self.assertIn(f"{NAME}: native",
                      call(os.path.join(build, "tests", "test_kernels")).stdout)
        records = os.path.join(self.folder, "records.jsonl")
        call(program, "run", "--layers", "mnist/dense2", "--n", "8", "--sparsity", "0.5",
             "--peers", "none", "--kernels", NAME, "--budget", "1s", "--out", records)
        with open(records, encoding="utf-8") as file:
            cells = [json.loads(line) for line in file][1:]
        self.assertTrue(any(c["kernel"] == NAME and c["time_ns_median"] > 0 for c in cells))

    def test_a_bad_line_is_named(self):
        for line, message in (
                ("SM_KERNEL(spmm, panel, f32, scalar, bucket, 3)\n", "expected seven fields"),
                ("SM_KERNEL(spmm, panel, f32, nolevel, bucket, 2, 4)\n", "no level nolevel"),
                ("SM_KERNEL(spmm, panel, f32, scalar, nobody, 2, 4)\n", "panel_nobody.c")):
            path = os.path.join(self.folder, "kernels", "kernels.inc")
            with open(path, encoding="utf-8") as file:
                before = file.read()
            append(self.folder, line)
            done = configure(self.folder, code=None)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(message, " ".join(done.stdout.split()))
            with open(path, "w", encoding="utf-8") as file:
                file.write(before)


if __name__ == "__main__":
    unittest.main()
