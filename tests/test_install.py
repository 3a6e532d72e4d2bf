"""The installed tree alone is enough: headers, both libraries, the CMake package and pkg-config."""

import glob
import os
import re
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXAMPLE = os.path.join(ROOT, "kernels", "example")
SAYS = re.compile(r"spm[mv]_\w+: largest difference \d\.\de-\d\d\n")
CC, CXX = os.environ.get("CC", "cc"), os.environ.get("CXX", "c++")


def call(*command, **environment):
    """Output of a command that must succeed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, encoding="utf-8", check=False, timeout=900,
                          env={**os.environ, **environment})
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def exports(library):
    """Names of the functions that a shared library offers."""
    lines = call("nm", "-D", "--defined-only", library).splitlines()
    return {name.split("@")[0] for _, kind, name in map(str.split, lines) if kind == "T"}


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """Builds the library alone, as on a machine without the program's dependencies or C++, and
        installs it somewhere else than it was configured for."""
        temporary = tempfile.TemporaryDirectory(prefix="sparsemark-test-")
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = temporary.name
        build, cls.prefix = cls.path("build"), cls.path("moved", "here")
        call("cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DSPARSEMARK_HARNESS=OFF",
             f"-DCMAKE_INSTALL_PREFIX={cls.path('elsewhere')}", "-DCMAKE_INSTALL_LIBDIR=lib",
             *(f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in ("PkgConfig", "benchmark")))
        with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
            cls.cache = file.read()
        call("cmake", "--build", build)
        call("cmake", "--install", build, "--prefix", cls.prefix)

    @classmethod
    def path(cls, *names):
        return os.path.join(cls.folder, *names)

    def library(self, name):
        return os.path.join(self.prefix, "lib", name)

    def headers(self):
        found = sorted(glob.glob(os.path.join(self.prefix, "include", "sparsemark", "*.h")))
        self.assertEqual(
            [os.path.basename(path) for path in found],
            sorted(os.listdir(os.path.join(ROOT, "kernels", "include", "sparsemark"))))
        return found

    def pkg_config(self, *arguments):
        return call("pkg-config", *arguments, "sparsemark",
                    PKG_CONFIG_PATH=self.library("pkgconfig")).split()

    def compile(self, compiler, text, *flags):
        """text, against the installed headers."""
        source = self.path("source.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        include = os.path.join(self.prefix, "include")
        call(compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{include}", *flags, source)

    def needed(self, program):
        """Whether the program asks for the shared library when it starts."""
        return "libsparsemark.so.1" in call("readelf", "--dynamic", program)

    def test_the_library_needs_no_cxx(self):
        self.assertIn("CMAKE_C_COMPILER:", self.cache)
        self.assertNotIn("CMAKE_CXX_COMPILER:", self.cache)

    def test_find_package(self):
        for target, shared in (("sparsemark", True), ("static", False)):
            # The example as it stands, but for the target.
            source, build = self.path(f"source-{target}"), self.path(f"example-{target}")
            os.mkdir(source)
            os.symlink(os.path.join(EXAMPLE, "example.c"), os.path.join(source, "example.c"))
            with open(os.path.join(EXAMPLE, "CMakeLists.txt"), encoding="utf-8") as file:
                lists = file.read()
            self.assertIn("sparsemark::sparsemark ", lists)
            with open(os.path.join(source, "CMakeLists.txt"), "w", encoding="utf-8") as file:
                file.write(lists.replace("sparsemark::sparsemark ", f"sparsemark::{target} "))
            call("cmake", "-S", source, "-B", build, "-G", "Ninja",
                 f"-DCMAKE_PREFIX_PATH={self.prefix}")
            call("cmake", "--build", build)
            program = os.path.join(build, "example")
            self.assertRegex(call(program), SAYS)
            self.assertEqual(self.needed(program), shared)

    def test_a_part_of_another_project(self):
        """Only the library, with its targets called as they are installed."""
        source, build = self.path("whole"), self.path("whole-build")
        os.mkdir(source)
        os.symlink(os.path.join(EXAMPLE, "example.c"), os.path.join(source, "example.c"))
        with open(os.path.join(source, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write("cmake_minimum_required(VERSION 3.25)\nproject(whole LANGUAGES C)\n"
                       f"add_subdirectory({ROOT} sparsemark)\n")
            for target in "sparsemark", "static":
                file.write(f"add_executable({target}_user example.c)\n"
                           f"target_link_libraries({target}_user PRIVATE sparsemark::{target} m)\n")
        call("cmake", "-S", source, "-B", build, "-G", "Ninja")
        call("ninja", "-C", build, "-n", "sparsemark_user", "static_user")
        with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
            self.assertNotIn("CMAKE_CXX_COMPILER:", file.read())

    def test_another_minor_version_is_refused(self):
        source = self.path("later")
        os.mkdir(source)
        with open(os.path.join(source, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write("cmake_minimum_required(VERSION 3.25)\nproject(later LANGUAGES C)\n"
                       "find_package(sparsemark 0.2 REQUIRED)\n")
        with self.assertRaisesRegex(AssertionError, "version: 0.1"):
            call("cmake", "-S", source, "-B", self.path("later-build"), "-G", "Ninja",
                 f"-DCMAKE_PREFIX_PATH={self.prefix}")

    def test_pkg_config(self):
        source = os.path.join(EXAMPLE, "example.c")
        for kind, flags, shared in (("shared", (), True), ("static", ("-static",), False)):
            program = self.path(f"pkg-config-{kind}")
            asked = self.pkg_config("--cflags", "--libs", *(f"-{flag}" for flag in flags))
            call(CC, "-o", program, source, *flags, *asked, "-lm")
            self.assertRegex(call(program, LD_LIBRARY_PATH=self.library("")), SAYS)
            self.assertEqual(self.needed(program), shared)

    def test_headers_compile_alone(self):
        for header in self.headers():
            text = f"#include <sparsemark/{os.path.basename(header)}>\n"
            self.compile(CC, text, "-std=c11", "-fsyntax-only")
            self.compile(CXX, text, "-std=c++17", "-fsyntax-only", "-xc++")

    def test_only_what_the_headers_declare_is_exported(self):
        names = exports(self.library("libsparsemark.so.1"))
        self.assertIn("sm_plan_run", names)
        text = "".join(f"#include <sparsemark/{os.path.basename(h)}>\n" for h in self.headers())
        text += "int main(void) {\n"
        text += "".join(f"    (void)&{name};\n" for name in sorted(names)) + "}\n"
        self.compile(CC, text, "-std=c11", "-fsyntax-only")
        # A library that takes the archive in passes on the same names, and no others.
        whole = self.path("whole.so")
        call(CC, "-shared", "-o", whole, "-Wl,--whole-archive", self.library("libsparsemark.a"),
             "-Wl,--no-whole-archive", "-lm")
        self.assertEqual(exports(whole), names)

    def test_no_global_state_but_the_cpu_mask(self):
        symbols = call("objdump", "--syms", self.library("libsparsemark.a"))
        state = re.findall(r" O \.(?:data|bss)\t\S+ (\S+)$", symbols, re.MULTILINE)
        self.assertEqual([name.split(".")[0] for name in state], ["cached"])
        # What belongs to a thread is the last message.
        self.assertEqual(re.findall(r" \.t(?:data|bss)\t\S+ (\w+)$", symbols, re.MULTILINE),
                         ["message"])


if __name__ == "__main__":
    unittest.main()
