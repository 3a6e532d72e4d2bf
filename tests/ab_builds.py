"""What the tests of `sparsemark ab` share: builds of the library that differ in one thing."""

import os
import subprocess
import unittest

from program import PROGRAM, ROOT, ProgramTest, needs_program, run

LIBRARY = os.path.join(os.path.dirname(PROGRAM), "libsparsemark.so")
KERNEL = "spmm_csr_f32_scalar_row_1x8"  # runs on every machine
CELL = ["--kernels", KERNEL, "--layers", "layers.txt", "--n", "8", "--rounds", "2"]
DEATHS = {"ASAN_OPTIONS": "handle_segv=0:handle_sigbus=0:handle_abort=0"}  # deaths as they are
needs_library = unittest.skipUnless(os.path.isfile(LIBRARY), f"{LIBRARY} does not exist")


def ab(*arguments, **options):
    return run("ab", *arguments, **options)


@needs_program
@needs_library
class Builds(ProgramTest):
    """Tests that need a library other than the real one."""

    def setUp(self):
        super().setUp()
        self.put("layers.txt", "square 64 48 16\n")

    def compile(self, name, *options, source=os.path.join(ROOT, "tests", "ab_stub.c")):
        path = self.path(name)
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-std=c11", "-D_GNU_SOURCE",
                        f'-DREAL="{LIBRARY}"', *options, "-I",
                        os.path.join(ROOT, "kernels", "include"), "-o", path, source, "-ldl"],
                       check=True, timeout=60)
        return path

    def stub(self, macro):
        return self.compile(macro.lower() + ".so", f"-D{macro}")

    def compare(self, cand, *arguments, base=LIBRARY, **options):
        return ab("--base", base, "--cand", cand, *CELL, *arguments, cwd=self.folder, **options)
