"""sparsemark sensitivity against NumPy: masks, answers, intervals and claims; what it refuses; the
picture and table of its records."""

import json
import os
import subprocess
import sys
import unittest

import numpy as np

from program import PROGRAM, ROOT, ProgramTest, environment, needs_program, read_records, run
from test_cli_model import SHAPE, forward, idx, reordered, safetensors, weights

LAYERS = ["conv1", "conv2", "dense1", "dense2"]
IMAGES = 60
Z = 1.959963984540054
SPARSITIES = [0.5, 0.65, 0.9]
PATTERNS = ["unstructured", "block:16x1", "nm:2:4", "rows"]
SCRIPT = os.path.join(ROOT, "scripts", "sensitivity.py")


def kept(count, sparsity):
    return max(int(np.rint(np.float32(count) * (np.float32(1) - np.float32(sparsity)))), 1)


def by_score(score, sparsity):
    """The k largest stay."""
    return score >= np.sort(score, axis=None)[::-1][kept(score.size, sparsity) - 1]


def unstructured(w, sparsity):
    return by_score(np.abs(w), sparsity)


def rows(w, sparsity):
    flat = w.reshape(-1, w.shape[-1]).astype("f8")
    return np.broadcast_to(by_score(np.sqrt((flat ** 2).sum(axis=0)), sparsity), w.shape)


def block_16x1(w, sparsity):
    """Sixteen outputs of one input; the last block of an input may have fewer."""
    flat = np.abs(w.reshape(-1, w.shape[-1]).astype("f8"))
    cuts = [flat[:, i:i + 16].mean(axis=1) for i in range(0, flat.shape[1], 16)]
    keep = np.repeat(by_score(np.stack(cuts, axis=1), sparsity), 16, axis=1)
    return keep[:, :flat.shape[1]].reshape(w.shape)


def nm_2_4(w, _):
    """The two largest of four neighbouring inputs; the last group may have fewer."""
    keep = np.zeros(w.shape, dtype=bool)
    for i in range(0, w.shape[-2], 4):
        group = np.abs(w[..., i:i + 4, :])
        order = np.argsort(-group, axis=-2, kind="stable")
        rank = np.argsort(order, axis=-2)
        keep[..., i:i + 4, :] = rank < 2
    return keep


MASKS = {"unstructured": unstructured, "block:16x1": block_16x1, "nm:2:4": nm_2_4, "rows": rows}
LEFT = {("nm:2:4", "conv1"), ("rows", "dense2")}


def prune(tensors, pattern, sparsity, layers):
    pruned = dict(tensors)
    for layer in layers:
        w = tensors[layer + ".weight"]
        keep = MASKS[pattern](w, sparsity)
        pruned[layer + ".weight"] = np.where(keep, w, 0)
        if pattern == "rows":  # an output without weights, bias and BatchNorm is 0
            outputs = keep.reshape(-1, w.shape[-1])[0]
            names = [layer + ".bias"] + ["bn.beta", "bn.moving_mean"] * (layer == "conv2")
            pruned.update({name: np.where(outputs, tensors[name], 0) for name in names})
    return pruned


def normal(values):
    mean, half = values.mean(), Z * values.std(ddof=1) / np.sqrt(len(values))
    return mean, mean - half, mean + half


@needs_program
class Sensitivity(ProgramTest):
    @classmethod
    def setUpClass(cls):
        random = np.random.default_rng(5)
        cls.images = random.integers(0, 256, (IMAGES, *SHAPE), dtype="u1")
        cls.tensors = weights(seed=11, zeros=0)
        cls.before = forward(cls.tensors, cls.images).argmax(axis=1)
        cls.labels = cls.before.astype("u1")
        cls.labels[::6] = (cls.labels[::6] + 1) % 10
        cls.found = {}

    def setUp(self):
        super().setUp()
        self.weights = self.put("small.safetensors", safetensors(self.tensors))
        self.put("t10k-images-idx3-ubyte", idx(self.images))
        self.put("t10k-labels-idx1-ubyte", idx(self.labels))

    def sensitivity(self, *arguments, **options):
        return run("sensitivity", "--weights", self.weights, "--data", self.folder, *arguments,
                   **options)

    def records(self, *arguments, name="out.jsonl"):
        out = self.path(name)
        done = self.finish(self.sensitivity("--out", out, *arguments))
        return done, read_records(out)

    def sweep(self, *more):
        return self.records("--pattern", ",".join(PATTERNS), "--sparsity",
                            ",".join(map(str, SPARSITIES)), *more)

    def answers(self, pattern, sparsity, layers):
        """Classes, by NumPy."""
        key = pattern, sparsity, tuple(layers)
        if key not in self.found:
            pruned = prune(self.tensors, pattern, sparsity, layers)
            self.found[key] = forward(pruned, self.images).argmax(axis=1)
        return self.found[key]

    def test_every_cell(self):
        done, (first, *records) = self.sweep()
        cells = [record for record in records if record["type"] == "sensitivity"]
        expected = [(pattern, sparsity, layer) for pattern in PATTERNS
                    for sparsity in ([0.5] if pattern == "nm:2:4" else SPARSITIES)
                    for layer in [*LAYERS, "all"] if (pattern, layer) not in LEFT]
        self.assertEqual([(c["pattern"], c["sparsity"], c["layer"]) for c in cells], expected)
        self.assertEqual((first["type"], first["options"]["command"]), ("run", "sensitivity"))
        self.assertEqual(first["dense"]["right"], int((self.before == self.labels).sum()))
        for cell in cells:
            with self.subTest(cell["pattern"], sparsity=cell["sparsity"], layer=cell["layer"]):
                self.check_cell(cell)
        left = {(r["pattern"], r["layer"]): r["reason"] for r in records if r["type"] == "left"}
        self.assertEqual(set(left), LEFT)
        for (pattern, layer), reason in left.items():
            self.assertIn(f"{pattern}, {layer}: left as it is: {reason}\n", done.stdout)
        # Anything but noise: pruning has to change answers for this test to mean something.
        self.assertGreater(sum(c["changed"] for c in cells), 100)

    def check_cell(self, cell):
        pattern = cell["pattern"]
        layers = ([layer for layer in LAYERS if (pattern, layer) not in LEFT]
                  if cell["layer"] == "all" else [cell["layer"]])
        self.assertEqual(cell["layers"], layers)
        now = self.answers(pattern, cell["sparsity"], layers)
        was_right, right = self.before == self.labels, now == self.labels
        worse, better = int((was_right & ~right).sum()), int((right & ~was_right).sum())
        self.assertEqual((cell["images"], cell["right"], cell["changed"]),
                         (IMAGES, int(right.sum()), int((now != self.before).sum())))
        self.assertEqual((cell["worse"], cell["better"]), (worse, better))
        self.assertAlmostEqual(cell["accuracy"], right.mean(), places=8)
        self.assertAlmostEqual(cell["lost"], was_right.mean() - right.mean(), places=8)
        p, q = (worse + 1) / (IMAGES + 2), (better + 1) / (IMAGES + 2)
        half = Z * np.sqrt((p + q - (p - q) ** 2) / (IMAGES + 2))
        self.assertAlmostEqual(cell["lost_low"], max(p - q - half, -1), places=7)
        self.assertAlmostEqual(cell["lost_high"], min(p - q + half, 1), places=7)
        pruned = prune(self.tensors, pattern, cell["sparsity"], layers)
        zeros = np.concatenate([pruned[layer + ".weight"].ravel() == 0 for layer in layers])
        self.assertAlmostEqual(cell["zeros"], zeros.mean(), places=8)

    def losses(self, pattern):
        """layer -> [sparsity][image], right answers by NumPy."""
        sparsities = [0.5] if pattern == "nm:2:4" else SPARSITIES
        return {layer: np.array([self.answers(pattern, s, [layer]) == self.labels
                                 for s in sparsities])
                for layer in LAYERS if (pattern, layer) not in LEFT}

    def test_claims(self):
        done, records = self.sweep()
        claims = [record for record in records if record["type"] == "claim"]
        self.assertEqual([c["pattern"] for c in claims], PATTERNS * 4)
        pairs = {0: lambda a, b: a == "conv1",
                 1: lambda a, b: a.startswith("conv") and b.startswith("dense"),
                 2: lambda a, b: False}
        for i, record in enumerate(claims[:12]):
            with self.subTest(record["claim"], pattern=record["pattern"]):
                right = self.losses(record["pattern"])
                names = list(right)
                wanted = [(a, b) for a in names for b in names[names.index(a) + 1:]
                          if pairs[i // 4](a, b)]
                if i // 4 == 2:
                    wanted = list(zip(names, names[1:]))
                self.check_pairs(record, right, wanted)
        for record in claims[12:]:
            with self.subTest(record["claim"], pattern=record["pattern"]):
                self.check_little(record)
        for claim in dict.fromkeys(record["claim"] for record in claims):
            self.assertIn(f"\n{claim}: ", done.stdout)

    def check_pairs(self, record, right, pairs):
        was = (self.before == self.labels).mean()
        for layer, now in right.items():
            self.assertAlmostEqual(record["lost"][layer], was - now.mean(), places=7)
        found = {f"{a} - {b}": normal((right[b].astype(float) - right[a]).mean(axis=0))
                 for a, b in pairs}
        if not found:
            self.assertEqual((record["verdict"], record["value"]), ("not judged", None))
            return
        refuted = any(high < 0 for _, _, high in found.values())
        holds = all(low > 0 for _, low, _ in found.values())
        self.assertEqual(record["verdict"], "does not hold" if refuted
                         else "holds" if holds else "undecided")
        np.testing.assert_allclose([record[name] for name in ("value", "low", "high")],
                                   found[record["decisive"]], atol=1e-7)

    def check_little(self, record):
        sparsities = [s for s in SPARSITIES if 0.5 <= s <= 0.7]
        right = self.losses(record["pattern"])
        was = (self.before == self.labels).mean()
        for layer, now in right.items():
            lost = [was - r.mean() for r in now[:len(sparsities)]]
            self.assertAlmostEqual(record["lost"][layer], max(lost), places=7)
            self.assertEqual(record["at"][layer], sparsities[int(np.argmax(np.round(lost, 9)))])
        self.assertEqual(record["verdict"], "does not hold" if record["low"] > 0.01 else
                         "holds" if record["high"] <= 0.01 else "undecided")

    def test_as_prune_and_model(self):
        """The two commands, one after the other, give the same answers."""
        for layer, pattern, sparsity, how in (("conv1", "rows", 0.5, []),
                                              ("conv2", "nm:2:4@2", None, []),
                                              ("dense1", "unstructured", 0.9,
                                               ["--score", "random", "--seed", "4"])):
            with self.subTest(layer, pattern=pattern):
                asked = ["--sparsity", str(sparsity)] if sparsity else []
                out = self.path(f"{layer}.safetensors")
                at = f"@{sparsity}" if sparsity else ""
                self.finish(run("prune", "--input", self.weights, "--weights-order", "in-out,hwio",
                                "--rule", f"{layer}.weight={pattern}{at}", "--out", out, *how))
                model = json.loads(self.finish(run("model", "--weights", out, "--data", self.folder,
                                                   "--accuracy", "--json")).stdout)
                _, records = self.records("--layers", layer, "--pattern", pattern, *asked, *how,
                                          name=f"{layer}.jsonl")
                cells = [r for r in records if r["type"] == "sensitivity"]
                self.assertEqual([c["layer"] for c in cells], [layer])
                self.assertEqual(cells[0]["right"], model["right"])

    def test_extremes(self):
        _, records = self.records("--pattern", "unstructured", "--sparsity", "0,1")
        for cell in records[1:11]:
            if cell["sparsity"] == 0:
                self.assertEqual((cell["changed"], cell["lost"], cell["zeros"]), (0, 0, 0))
            else:
                self.assertEqual(cell["zeros"], 1)

    def test_orders(self):
        """PyTorch's order of the axes: the same weights, the same answers."""
        asked = "--pattern", "unstructured,rows", "--sparsity", "0.3,0.6"
        _, expected = self.records(*asked, name="tensorflow.jsonl")
        self.put("small.safetensors", safetensors(reordered(self.tensors, "out-in", "oihw")))
        _, records = self.records(*asked, "--weights-order", "out-in,oihw", name="pytorch.jsonl")
        cells, wanted = ([(r["layer"], r["pattern"], r["sparsity"], r["zeros"], r["right"])
                          for r in found if r["type"] == "sensitivity"]
                         for found in (records, expected))
        self.assertEqual(cells, wanted)

    def test_the_same_every_time(self):
        first, second = (self.sensitivity("--sparsity", "0.8", "--images", "30")
                         for _ in range(2))
        self.assertEqual(self.finish(first).stdout, self.finish(second).stdout)
        self.assertIn(" of 30 images", first.stdout)

    def test_choices(self):
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("one hardware thread")
        _, one = self.records("--layers", "dense*,conv1", "--sparsity", "0.9", name="1")
        _, two = self.records("--layers", "dense*,conv1", "--sparsity", "0.9", "--threads", "2",
                              name="2")
        for records in one, two:
            for record in records:
                del record["run_id"]
        self.assertEqual(one[1:], two[1:])
        self.assertEqual({r["layer"] for r in one if r["type"] == "sensitivity"},
                         {"conv1", "dense1", "dense2", "all"})

    def refused(self, *arguments, parts, **options):
        before = self.snapshot()
        with self.subTest(" ".join(arguments)):
            self.refuse(self.sensitivity(*arguments, **options), *parts)
            self.assertEqual(self.snapshot(), before)

    def test_usage(self):
        there = self.put("there.jsonl", "kept\n")
        for arguments, parts in (
                (["--pattern", "stripes"], ["--pattern 'stripes'"]),
                (["--pattern", "nm:5:4"], ["--pattern 'nm:5:4'"]),
                (["--sparsity", "1.5"], ["--sparsity '1.5'", "from 0 to 1"]),
                (["--sparsity", "0.9:0.1:0.1"], ["--sparsity"]),
                (["--pattern", "nm:2:4", "--sparsity", "0.5"], ["--sparsity", "1 - N/M"]),
                (["--score", "loss"], ["--score 'loss'", "magnitude or random"]),
                (["--layers", "fc*"], ["--layers 'fc*'", "conv1"]),
                (["--images", str(IMAGES + 1)], ["--images", str(IMAGES)]),
                (["--threads", "1,1"], ["--threads"]), (["--seed", "-1"], ["--seed"]),
                (["--out", there], [there, "exists"]),
                (["--out", self.path("missing", "o.jsonl")], ["o.jsonl", "No such file"]),
                (["--frobnicate"], ["--frobnicate"]), (["more"], ["'more'"])):
            self.refused(*arguments, parts=parts)
        self.refuse(run("sensitivity", "--weights", self.weights), "--weights", "--data")
        self.assertIn("usage: sparsemark sensitivity", run("help", "sensitivity").stdout)
        with open("/dev/full", "wb") as full:
            self.refuse(self.sensitivity("--sparsity", "0.5", "--images", "9", stdout=full),
                        "standard output")

    def test_missing_and_damaged_files(self):
        out = self.path("out.jsonl")
        self.refuse(run("sensitivity", "--weights", self.weights, "--data", self.path("nowhere"),
                        "--out", out), "nowhere")
        self.refuse(run("sensitivity", "--weights", self.path("none.safetensors"), "--data",
                        self.folder, "--out", out), "none.safetensors")
        self.tensors = {k: v for k, v in self.tensors.items() if k != "bn.beta"}
        self.put("small.safetensors", safetensors(self.tensors))
        self.refused("--out", out, parts=["bn.beta"])
        self.assertFalse(os.path.exists(out))

    def test_killed(self):
        """Nothing is left of a run that did not come to its end."""
        before = self.snapshot()
        with subprocess.Popen([PROGRAM, "sensitivity", "--weights", self.weights, "--data",
                               self.folder, "--sparsity", "0.05:0.95:0.02", "--out",
                               self.path("out.jsonl")], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, env=environment()) as child:
            self.assertIn(b" left: ", child.stderr.readline())
            child.kill()
        self.assertLess(child.returncode, 0)
        self.assertEqual(self.snapshot(), before)

    def script(self, *arguments):
        return subprocess.run([sys.executable, SCRIPT, *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, encoding="utf-8", check=False, timeout=120)

    def test_picture_and_table(self):
        _, records = self.sweep()
        done = self.script(self.path("out.jsonl"))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("sensitivity.svg"), encoding="utf-8") as file:
            svg = file.read()
        for word in (*PATTERNS, *LAYERS, "all", "small.safetensors"):
            self.assertIn(f">{word}" if word in PATTERNS else word, svg)
        with open(self.path("sensitivity.png"), "rb") as file:
            self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
        with open(self.path("table.md"), encoding="utf-8") as file:
            table = file.read()
        cell = next(r for r in records if r.get("layer") == "conv2" and r.get("lost", 0) > 0.1)
        line = next(line for line in table.splitlines()
                    if line.startswith(f"| {cell['pattern']} | {100 * cell['sparsity']:g} % |"))
        self.assertTrue(line.split(" | ")[3].startswith(f"{100 * cell['lost']:.2f} ("), line)
        self.assertNotIn(self.folder, table)
        for record in records:
            if record["type"] == "claim":
                self.assertIn(f"| {record['claim']} | {record['pattern']} | {record['verdict']} |",
                              table)

    def test_records_that_are_none(self):
        run_line = {"type": "run", "schema": 2, "dense": {"right": 1, "images": 2},
                    "options": {"weights": "w", "score": "magnitude"}}
        self.put("out.jsonl", json.dumps(run_line) + '\n{"type": "cell"')
        done = self.script(self.path("out.jsonl"))
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"^sensitivity.py: .*out.jsonl: line 2: expected .*\n$")
        self.assertFalse(os.path.exists(self.path("table.md")))
        self.assertEqual(self.script(self.path("nowhere")).returncode, 2)
        cell = {"type": "sensitivity", "schema": 2, "pattern": "rows", "layer": "all",
                "sparsity": 0.5, "accuracy": 0.5, "zeros": 0.5, "lost": 0, "lost_low": 0,
                "lost_high": 0}
        damaged = [(line, field, value) for line in (run_line, cell) for field in line
                   if field not in ("type", "schema") for value in (None, [])]
        for line, field, value in damaged:
            with self.subTest(field, value=value):
                lines = [{**each, field: value} if each is line else each
                         for each in (run_line, cell)]
                self.put("out.jsonl", "".join(json.dumps(each) + "\n" for each in lines))
                done = self.script(self.path("out.jsonl"))
                self.assertEqual(done.returncode, 2)
                self.assertRegex(done.stderr, rf'^sensitivity.py: .*: expected "{field}.*\n$')


if __name__ == "__main__":
    unittest.main()
