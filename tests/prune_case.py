"""What tests of sparsemark prune share: a small network to prune, and the rule in NumPy."""

import json

import numpy as np

from model_files import keras_network, pack, unpack
from program import NOTE, ProgramTest, run

TENSORFLOW = ("--weights-order", "in-out,hwio")


def kept(scores, sparsity):
    """The rule in float32: k of N by magnitude, ties stay."""
    scores = np.abs(scores)
    n = np.float32(scores.size)
    k = max(int(np.rint(n * (np.float32(1) - np.float32(sparsity)))), 1)
    threshold = np.partition(scores.reshape(-1), scores.size - k)[scores.size - k]
    return scores >= threshold, threshold


class PruneTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.tensors = keras_network()
        self.model = self.put("model.safetensors", pack(self.tensors))
        self.out = self.path("pruned.safetensors")

    def prune(self, *arguments, model=None, order=TENSORFLOW):
        """The summary and what was written."""
        done = self.finish(run("prune", "--input", model or self.model, "--out", self.out, "--json",
                               *order, *arguments))
        summary = json.loads(done.stdout)
        self.notes = [line for line in done.stderr.splitlines() if line.startswith(NOTE)]
        self.rows = {row["name"]: row for row in summary["tensors"]}
        return summary, unpack(self.out)[0]

    def refused(self, *arguments, parts=(), model=None):
        before = self.snapshot()
        with self.subTest(" ".join(arguments)):
            done = run("prune", "--input", model or self.model, "--out", self.out, *TENSORFLOW,
                       *arguments)
            self.refuse(done, *parts)
            self.assertEqual(done.stdout, "")
            self.assertEqual(self.snapshot(), before)

    def assert_same(self, found, names):
        for name in names:
            np.testing.assert_array_equal(found[name], self.tensors[name], name)
