"""What the tests of the program share: where it is, how it is run, and what every error looks like."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

TESTS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(TESTS)
DATA = os.path.join(TESTS, "data")
# A shell that starts a job in the background lets it ignore Ctrl-C, and so would every program that
# is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)

PROGRAM = os.path.abspath(os.environ.get("SPARSEMARK_PROGRAM",
                                         os.path.join(ROOT, "build", "debug", "sparsemark")))

needs_program = unittest.skipUnless(
    os.path.isfile(PROGRAM), f"{PROGRAM} does not exist: build it, or set SPARSEMARK_PROGRAM")

NOTE = "sparsemark: note: "
PROGRESS = re.compile(r"\d+/\d+, \d+ s, about \d+ s left: ")

# Two layers with odd edges, small enough for a fraction of a second a point in a debug build.
LAYERS = "square 64 48 16\nodd 33 65 7\n"


def run(*arguments, program=PROGRAM, env=None, **options):
    """Runs the program to its end."""
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          encoding="utf-8", errors="replace", env=environment(env), timeout=300,
                          check=False, **options)


def environment(changes=None):
    """This one without what steers the program."""
    clean = {name: value for name, value in os.environ.items() if name != "SPARSEMARK_ISA"}
    clean.update(changes or {})
    return clean


def errors(stderr):
    """The lines of stderr that are neither progress nor notes about the machine."""
    return [line for line in stderr.splitlines()
            if not PROGRESS.match(line) and not line.startswith(NOTE)]


def fields():
    """(kind, name) of every field of a cell, from the list that the program is built from."""
    with open(os.path.join(ROOT, "harness", "records", "cell.inc"), encoding="utf-8") as file:
        return re.findall(r"^SM_CELL\((\w+), *(\w+)\)", file.read(), re.MULTILINE)


def listed_kernels(path=os.path.join(ROOT, "kernels", "kernels.inc")):
    """The names that kernels.inc asks for."""
    with open(path, encoding="utf-8") as file:
        lines = re.findall(r"^SM_KERNEL\(([^)]*)\)", file.read(), re.MULTILINE)
    names = []
    for line in lines:
        *words, mr, nr = [field.strip() for field in line.split(",")]
        names.append("_".join(words) + f"_{mr}x{nr}")
    return names


def kernels():
    """list kernels --json: name -> object."""
    return {row["name"]: row for row in json.loads(run("list", "kernels", "--json").stdout)}


def table(text):
    """The head, the rows and the lines below the rows of what run prints."""
    head, *lines = text.splitlines()
    rows = next(i for i, line in enumerate(lines) if re.match(r"\d+ rows; ", line))
    return head, lines[:rows], lines[rows:]


def read_records(path):
    """The complete lines of a result file as objects; each must be JSON."""
    with open(path, "rb") as file:
        data = file.read()
    return [json.loads(line) for line in data[:data.rfind(b"\n") + 1].splitlines()]


def cells_of(path):
    return [record for record in read_records(path) if record["type"] == "cell"]


class ProgramTest(unittest.TestCase):
    """A folder of its own for every test, with a layers file in it."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sparsemark-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.layers = self.put("layers.txt", LAYERS)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def put(self, name, content):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def snapshot(self):
        """Every file below the folder with what is in it."""
        found = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        found[path] = file.read()
        return found

    def small_run(self, *arguments, **options):
        """Arguments of a run that takes a fraction of a second a point."""
        return run("run", "--layers", self.layers, "--peers", "none", "--budget", "1s", *arguments,
                   **options)

    def finish(self, done):
        """The run ended well and said nothing but notes and progress."""
        self.assertEqual((done.returncode, errors(done.stderr)), (0, []), done.stderr)
        return done

    def refuse(self, done, *parts, code=2):
        """One line that begins with the program's name and holds every part; the exit code."""
        lines = errors(done.stderr)
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertTrue(lines[0].startswith("sparsemark: "), lines[0])
        for part in parts:
            self.assertIn(part, lines[0])
        self.assertEqual(done.returncode, code, lines[0])
