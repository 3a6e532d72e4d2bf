"""sparsemark prune: what is written and printed, what is refused, and TFMOT's masks."""

import os
import resource
import unittest

import numpy as np

from model_files import pack, unpack
from program import needs_program, run
from prune_case import TENSORFLOW, PruneTest, kept


@needs_program
class Files(PruneTest):
    def test_in_place(self):
        self.out = self.model
        self.prune("--sparsity", "0.5")
        self.assertEqual(sorted(os.listdir(self.folder)), ["layers.txt", "model.safetensors"])

    def test_orders_are_remembered(self):
        self.prune("--pattern", "nm:2:4")
        self.assertEqual(unpack(self.out)[1]["sparsemark.weights_order"], "in-out,hwio")
        first = self.out
        self.out = self.path("again.safetensors")
        summary, found = self.prune("--pattern", "nm:2:4", model=first, order=())
        self.assertEqual(summary["weights_order"], "in-out,hwio")
        for name, array in unpack(first)[0].items():
            np.testing.assert_array_equal(found[name], array, name)

        for order, wrong, kept in [("out-in", "out-in", "in-out"), ("oihw", "oihw", "hwio"),
                                   ("in-out,oihw", "oihw", "hwio")]:
            self.refuse(run("prune", "--input", first, "--pattern", "nm:2:4", "--weights-order",
                            order), "--weights-order " + wrong, first, "say " + kept)
        for order in "in-out", "hwio", "in-out,hwio":
            self.prune("--pattern", "nm:2:4", model=first, order=("--weights-order", order))

    def test_metadata_stays(self):
        model = self.put("m.safetensors", pack(self.tensors, {"model": "dense"}))
        self.prune("--sparsity", "0.5", model=model)
        self.assertEqual(unpack(self.out)[1]["model"], "dense")
        bad = self.put("bad.safetensors", pack(self.tensors, {"sparsemark.weights_order": "x"}))
        self.refuse(run("prune", "--input", bad, "--sparsity", "0.5"), bad, "weights_order")

    def test_sparse(self):
        _, dense = self.prune("--sparsity", "0.8")
        self.out = self.path("sparse.safetensors")
        done = self.finish(run("prune", "--input", self.model, *TENSORFLOW, "--sparsity", "0.8",
                               "--store", "sparse", "--out", self.out))
        self.assertIn("sparse", done.stdout.splitlines()[-1])
        sparse = self.out
        self.assertLess(os.path.getsize(sparse), os.path.getsize(self.path("pruned.safetensors")))
        self.out = self.path("back.safetensors")
        _, back = self.prune("--sparsity", "0.5", model=sparse)
        for name, array in dense.items():
            np.testing.assert_array_equal(back[name], array, name)

    def test_table(self):
        done = self.finish(run("prune", "--input", self.model, *TENSORFLOW, "--sparsity", "0.5",
                               "--skip", "dense2.weight"))
        lines = done.stdout.splitlines()
        for name in self.tensors:
            self.assertEqual(sum(line.startswith(name + " ") for line in lines), 1, name)
        row = next(line for line in lines if line.startswith("dense2.weight"))
        self.assertIn("skipped: dense2.weight", row)
        self.assertIn("total", done.stdout)
        self.assertEqual(lines[-1], "nothing written: no --out")

    def test_sizes(self):
        self.prune("--rule", "dense1*=nm:2:4")
        packed, sizes = self.rows["dense1.weight"]["packed"], self.rows["dense1.weight"]["bytes"]
        self.assertEqual(sizes["dense"], 4 * 24 * 16)
        nonzeros = 24 * 16 // 2
        for name in "csr", "panel", "nm", "bitmap":
            self.assertGreaterEqual(packed[name], 4 * nonzeros, name)
        self.assertEqual(set(self.rows["dense2.weight"]["packed"].values()), {None})

    def test_bad_input(self):
        whole = pack(self.tensors)
        for size in 0, 4, 100, len(whole) - 1:
            cut = self.put("cut.safetensors", whole[:size])
            self.refused("--sparsity", "0.5", model=cut, parts=[cut])
        bad = {**self.tensors, "conv2.weight": self.tensors["conv2.weight"].copy()}
        bad["conv2.weight"][1, 2, 3, 4] = np.nan
        nan = self.put("nan.safetensors", pack(bad))
        self.refused("--sparsity", "0.5", model=nan,
                     parts=[nan, "conv2.weight", "[1,2,3,4]", "NaN"])
        self.refused("--sparsity", "0.5", model=self.path("none.safetensors"), parts=["none"])
        self.refuse(run("prune", "--sparsity", "0.5"), "--input")

    def test_bad_output(self):
        self.out = self.path("no", "folder.safetensors")
        self.refused("--sparsity", "0.5", parts=["folder.safetensors"])
        self.out = self.path("pruned.bin")
        self.refused("--sparsity", "0.5", parts=[".safetensors"])
        done = run("prune", "--input", self.model, "--sparsity", "0.5", "--store", "sparse")
        self.refuse(done, "--store", "--out")

    def test_full_disk(self):
        before = self.snapshot()
        done = run("prune", "--input", self.model, *TENSORFLOW, "--sparsity", "0.5", "--out",
                   self.out, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (99, 99)))
        self.refuse(done, self.out)
        self.assertEqual(self.snapshot(), before)

    def test_help(self):
        done = self.finish(run("help", "prune"))
        self.assertIn("(1, 4) is nm:3:4", done.stdout)
        self.assertIn("prune", self.finish(run("help")).stdout)


@needs_program
class Tfmot(PruneTest):
    DATA = os.path.join(os.environ.get("SPARSEMARK_DATA", ""), "mnist_cnn", "dense.safetensors")

    def test_refused(self):
        for arguments, parts in ((["--pattern", "rows", "--sparsity", "0.5"], ["no pattern rows"]),
                                 (["--scope", "global", "--sparsity", "0.5"], ["--scope global"])):
            self.refused("--compat", "tfmot", *arguments, parts=parts)

    def test_blocks_are_for_dense_layers(self):
        self.prune("--compat", "tfmot", "--pattern", "block:4x4", "--sparsity", "0.5")
        self.assertEqual(self.rows["conv2.weight"]["reason"], "rank 4: TFMOT's blocks take 2")
        self.assertEqual(self.rows["dense1.weight"]["pattern"], "block:4x4")

    @unittest.skipUnless(os.environ.get("SPARSEMARK_DATA") and os.path.isfile(DATA),
                         "SPARSEMARK_DATA names no folder with mnist_cnn/dense.safetensors")
    def test_trained_network(self):
        _, found = self.prune("--compat", "tfmot", "--sparsity", "0.8", model=self.DATA)
        tensors = unpack(self.DATA)[0]
        for name, array in tensors.items():
            mask = kept(array, 0.8)[0] if array.ndim > 1 else np.ones(array.shape, bool)
            np.testing.assert_array_equal(found[name], np.where(mask, array, 0), name)
        self.assertEqual(found["dense1.weight"].size - np.count_nonzero(found["dense1.weight"]),
                         self.rows["dense1.weight"]["zeros"])


if __name__ == "__main__":
    unittest.main()
