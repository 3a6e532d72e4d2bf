"""scripts/mnist/table.py on files as train.py and run.sh leave them, made up; needs no PyTorch."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest

from program import ROOT

SCRIPTS = os.path.join(ROOT, "scripts", "mnist")
PIPES = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
         "encoding": "utf-8"}


class Table(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="sparsemark-test-")
        self.addCleanup(temporary.cleanup)
        self.out = temporary.name

    def write(self, recipe, name, *objects):
        os.makedirs(os.path.join(self.out, recipe), exist_ok=True)
        with open(os.path.join(self.out, recipe, name), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in objects)

    def trained(self, recipe, correct, zeros):
        options = {"images": 300, "batch": 128, "seed": 1, "torch": "2"}
        self.write(recipe, "log.jsonl", {"type": "run", "options": options, "train_images": 270},
                   {"type": "test", "when": "end", "correct": correct, "images": 100,
                    "accuracy": correct / 100}, {"type": "end"})
        total = {"dense": 13e6, "gzip": 4e6, "sparse": 3e6, "sparse_gzip": 2.5e6}
        self.write(recipe, "sizes.json", {"total": {"bytes": total}, "tensors": [
            {"name": "dense1.weight", "shape": [10, 20], "zeros": zeros}]})

    def measured(self, recipe, right, *times):
        """times: batch, ns, ns of the dense network."""
        def estimate(median, noisy=False):
            return {"median": median, "low": median - 0.25, "high": median + 0.25, "noisy": noisy}

        build = {"compiler": "cc 1", "type": "Release", "commit": "0123456789", "dirty": False}
        self.write(recipe, "speed.jsonl", {"type": "run", "machine": "a-machine", "build": build},
                   *({"type": "model", "batch": batch, "right": right, "time_ns": estimate(time),
                      "dense_time_ns": estimate(dense),
                      "speedup_dense": estimate(dense / time, batch == 1),
                      "speedup_pytorch": estimate(10 * batch)} for batch, time, dense in times))

    def table(self):
        done = subprocess.run([sys.executable, os.path.join(SCRIPTS, "table.py"), self.out],
                              check=False, timeout=60, **PIPES)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        names = lines[0].strip("| ").split(" | ")
        rows = {line.split()[1]: line.strip("| ").split(" | ") for line in lines[2:]
                if line.startswith("| ")}
        return {name: dict(zip(names, row)) for name, row in rows.items()}, lines

    def test_every_batch_has_its_speedup(self):
        self.trained("dense", 98, 0)
        self.trained("gradual", 97, 160)
        self.trained("rows", 96, 0)
        self.measured("dense", 98, (1, 4e6, 4e6), (32, 8e6, 8e6), (128, 30e6, 30e6))
        self.measured("gradual", 95, (1, 2e6, 3e6), (32, 2e6, 4e6), (128, 2e6, 6e6),
                      (512, 2e6, 9e6))
        self.measured("rows", 96, (1, 1e6, 2e6), (32, 1e6, 2e6), (128, 10e6, 2e6), (512, 1, 1))
        rows, lines = self.table()
        row = rows["gradual"]
        self.assertEqual([row[name] for name in ("zeros %", "sparse MB", "sparse + gzip MB")],
                         ["80.0", "3.00", "2.50"])
        self.assertEqual([row[f"× at {batch}"] for batch in (1, 32, 128, 512)],
                         ["1.50! (1.25–1.75)", "2.00 (1.75–2.25)", "3.00 (2.75–3.25)",
                          "4.50 (4.25–4.75)"])
        self.assertEqual((row["ms at 128"], row["× PyTorch at 128"]),
                         ("2.000", "1280.00 (1279.75–1280.25)"))
        self.assertEqual([rows["rows"][f"× at {batch}"] for batch in (1, 32, 128, 512)],
                         ["4.00†", "8.00†", "3.00†", "-"])
        self.assertEqual(rows["nm"]["× at 128"], "-")
        self.assertIn("- gradual: 97 right answers in training, 95 in sparsemark model", lines)
        self.assertIn("- dense: no speed at batch 512: not measured", lines)
        self.assertTrue(any("(a-machine, cc 1 Release, commit 0123456)" in line for line in lines))
        if importlib.util.find_spec("vl_convert"):
            self.assertTrue(os.path.exists(os.path.join(self.out, "accuracy.svg")))

    def test_what_is_missing_has_a_reason(self):
        self.trained("gradual", 97, 160)
        with open(os.path.join(self.out, "gradual", "speed.jsonl.error"), "w",
                  encoding="utf-8") as file:
            file.write("a note\nsparsemark: no speed today\n")
        rows, lines = self.table()
        self.assertEqual((rows["gradual"]["zeros %"], rows["gradual"]["× at 1"]), ("80.0", "-"))
        self.assertIn("- gradual: no speed at batch 1, 32, 128, 512: sparsemark: no speed today",
                      lines)
        self.assertTrue(any("not trained to its end" in line and "random-tuned" in line
                            for line in lines))

    def test_nothing_to_measure(self):
        done = subprocess.run(["bash", os.path.join(SCRIPTS, "run.sh"), "--full", "--measure-only",
                               "--data", "nowhere", "--out", self.out], check=False, timeout=60,
                              **PIPES)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertIn(f"{self.out} holds no RECIPE/model.safetensors", done.stderr)


if __name__ == "__main__":
    unittest.main()
