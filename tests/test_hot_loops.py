"""scripts/hot_loops.py: which loops it finds, what it counts there, and the stored counts against the
release build."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

from program import DATA, ROOT, listed_kernels

sys.path.insert(0, os.path.join(ROOT, "scripts"))

import hot_loops  # noqa: E402

STORED = os.path.join(DATA, "hot_loops.json")
RELEASE = os.path.join(ROOT, "build", "release")

# As objdump prints it: an outer loop over rows, two loops with multiply-adds of which the second
# spills and leaves for a block out of line, a loop of scalars, and a jump backwards that is no loop.
CODE = """
0000000000000000 <sm_kernel>:
   0:\tpush   %rbp
   1:\tmov    %rsp,%rbp
   2:\tvxorps %xmm0,%xmm0,%xmm0
  10:\tmovzwl (%r8,%rax,2),%edx
  12:\tvbroadcastss (%rdi,%rax,4),%zmm0
  14:\tvfmadd231ps (%rcx,%rdx,8),%zmm0,%zmm1
  16:\tvfmadd231ps 0x40(%rcx,%rdx,8),%zmm0,%zmm2
  18:\tadd    $0x1,%rax
  1a:\tcmp    %rax,%rsi
  1c:\tjne    10 <sm_kernel+0x10>
  20:\tvmovups (%rax),%ymm3
  22:\tvgatherdps %ymm4,(%rax,%ymm5,4),%ymm6
  24:\tvfmadd213ps (%rax){1to8},%ymm3,%ymm6
  26:\tvpermps %ymm1,%ymm2,%ymm3
  28:\tprefetchnta 0x1000(%rax)
  2a:\tlea    0x4(%rsp),%rax
  2c:\tvmovaps %ymm7,-0x40(%rbp)
  2e:\tja     60 <sm_kernel+0x60>
  30:\tvmovaps %ymm7,(%r9)
  32:\tcmpq   $0x0,(%r9)
  34:\tjne    20 <sm_kernel+0x20>
  36:\tvfmadd231ss (%rax),%xmm1,%xmm2
  38:\tjne    36 <sm_kernel+0x36>
  3a:\tcmp    %r12,%r11
  3c:\tjne    2 <sm_kernel+0x2>
  3e:\tvfmadd231ps %ymm1,%ymm2,%ymm3
  40:\tret
  60:\tmov    0x8(%rsp),%rdx
  62:\tjmp    30 <sm_kernel+0x30>
  70:\tjmp    3e <sm_kernel+0x3e>
"""


# A loop that is entered at its end too, and behind a jump through a table one inside of another.
JUMPS_IN = """
0000000000000000 <sm_kernel>:
   0:\tjne    18 <sm_kernel+0x18>
   2:\tjne    20 <sm_kernel+0x20>
  10:\tvfmadd231ps (%rcx),%zmm0,%zmm1
  18:\tcmp    %rax,%rsi
  1a:\tjne    10 <sm_kernel+0x10>
  20:\tjmp    *%rdx
  30:\tvmovups (%rax),%ymm3
  32:\tvfmadd231ps %ymm1,%ymm2,%ymm3
  34:\tjne    32 <sm_kernel+0x32>
  36:\tjne    30 <sm_kernel+0x30>
  40:\tret
"""


class Loops(unittest.TestCase):
    def test_counts(self):
        loops = hot_loops.hot_loops(hot_loops.parse(CODE)["sm_kernel"])
        self.assertEqual(loops, [
            hot_loops.Loop(instructions=7, fma=2, loads=2, broadcasts=1, index_loads=1),
            hot_loops.Loop(instructions=13, fma=1, loads=1, broadcasts=1, gathers=8, shuffles=1,
                           index_loads=1, stores=1, stack=2)])
        self.assertEqual([loop.loads_per_fma for loop in loops], [1.5, 10])

    def test_rbp_is_a_register_like_others_without_a_frame(self):
        code = CODE.replace("mov    %rsp,%rbp", "mov    %rdi,%rbp")
        loop = hot_loops.hot_loops(hot_loops.parse(code)["sm_kernel"])[1]
        self.assertEqual((loop.stores, loop.stack), (2, 1))

    def test_loops_that_are_jumped_into(self):
        self.assertEqual(hot_loops.hot_loops(hot_loops.parse(JUMPS_IN)["sm_kernel"]), [
            hot_loops.Loop(instructions=3, fma=1, loads=1),
            hot_loops.Loop(instructions=2, fma=1)])

    def test_no_loop(self):
        self.assertEqual(hot_loops.hot_loops(hot_loops.parse(
            "0000000000000000 <f>:\n   0:\tvfmadd231ps %ymm1,%ymm2,%ymm3\n   4:\tret\n")["f"]), [])


class Comparison(unittest.TestCase):
    def compare(self, now, compiler=("gcc", 12), **stored):
        stored = {"compiler": "gcc", "major": 12, "kernels": {"k": [vars(hot_loops.Loop(
            fma=2, loads=2, broadcasts=1))]}, **stored}
        return hot_loops.compare(compiler, {"k": now}, stored)

    def test_the_same_compiler(self):
        same = hot_loops.Loop(fma=2, loads=2, broadcasts=1)
        self.assertEqual(self.compare([same]), ([], []))
        for now in ([same, same], [hot_loops.Loop(fma=2, loads=1, broadcasts=1)]):
            self.assertIn("k: counts differ", self.compare(now)[0][0])
        self.assertIn("kernels differ", self.compare([same], kernels={})[0][0])

    def test_another_compiler(self):
        for compiler in (("gcc", 13), ("clang", 12)):
            complaints, remarks = self.compare([hot_loops.Loop(fma=4, loads=6)], compiler)
            self.assertEqual((complaints, len(remarks)), ([], 1))
        self.assertIn("1.75 loads per FMA, expected at most 1.50",
                      self.compare([hot_loops.Loop(fma=4, loads=7)], ("gcc", 13))[0][0])
        self.assertIn("1 references to the stack, expected at most 0",
                      self.compare([hot_loops.Loop(fma=4, loads=6, stack=1)], ("gcc", 13))[0][0])


class Command(unittest.TestCase):
    def main(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = hot_loops.main(arguments)
        return code, out.getvalue(), err.getvalue()

    def test_the_release_build_has_the_stored_counts(self):
        if not os.path.isfile(os.path.join(RELEASE, "libsparsemark.so")):
            self.skipTest(f"{RELEASE} holds no library: build the preset release")
        code, out, err = self.main("--check", STORED)
        self.assertEqual((code, err), (0, ""))
        names = [name for name in listed_kernels() if "_avx" in name]
        self.assertEqual([line.split()[0] for line in out.splitlines()
                          if line.startswith("spm")], names)

    def test_nothing_stored_spills(self):
        kernels = hot_loops.load(STORED)["kernels"]
        self.assertEqual({name: loop["stack"] for name, loops in kernels.items()
                          for loop in loops if loop["stack"]}, {})

    def test_update_and_check(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "stored.json")
            loops = {"k": [hot_loops.Loop(fma=2, loads=1)], "l": [hot_loops.Loop(fma=1)] * 2}
            hot_loops.store(path, ("gcc", 12), loops)
            self.assertEqual(hot_loops.compare(("gcc", 12), loops, hot_loops.load(path)), ([], []))
            self.assertEqual(json.dumps(hot_loops.load(path)).count("fma"), 3)

    def test_refusals(self):
        with tempfile.TemporaryDirectory() as folder:
            code, _, err = self.main("--build", folder)
            self.assertEqual((code, err.count("\n")), (2, 1))
            self.assertIn("0 objects", err)
        with self.assertRaisesRegex(hot_loops.HotLoopsError, "nothing.json: cannot be read"):
            hot_loops.load("nothing.json")


if __name__ == "__main__":
    unittest.main()
