"""sparsemark prune --pattern rows: the smaller network computes what the large one does with the
channels switched off, and what cannot be connected is refused."""

import json
import unittest

import numpy as np

from model_files import forward, keras_network, normal, of_keras, pack, to_keras, torch_network, unpack
from program import ProgramTest, needs_program, run


def strongest(matrix, sparsity):
    """Which rows of a matrix stay, by their L2 norm."""
    norms = np.sqrt((matrix.astype(np.float64) ** 2).sum(axis=1)).astype(np.float32)
    count = max(int(np.rint(len(norms) * (1 - sparsity))), 1)
    return norms >= np.sort(norms)[-count]


class RowsTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.out = self.path("small.safetensors")

    def write(self, tensors, name="model.safetensors"):
        return self.put(name, pack(tensors))

    def prune(self, tensors, *arguments):
        done = run("prune", "--input", self.write(tensors), "--out", self.out, "--json", *arguments)
        self.finish(done)
        self.rows = {row["name"]: row for row in json.loads(done.stdout)["tensors"]}
        return unpack(self.out)[0]

    def refused(self, tensors, *arguments, parts=()):
        model = self.write(tensors)
        before = self.snapshot()
        done = run("prune", "--input", model, "--out", self.out, *arguments)
        self.refuse(done, *parts)
        self.assertEqual(self.snapshot(), before)


@needs_program
class Networks(RowsTest):
    HALF = ("--pattern", "rows", "--sparsity", "0.5")

    def check(self, before, after, keep, nchw=False):
        """On pictures of noise."""
        for seed in range(3):
            picture = normal(np.random.default_rng(seed), 4, 4, 1)
            np.testing.assert_allclose(forward(after, picture, nchw=nchw),
                                       forward(before, picture, keep, nchw=nchw), atol=1e-4)

    def test_keras(self):
        tensors = keras_network()
        found = self.prune(tensors, "--weights-order", "in-out,hwio", *self.HALF, "--skip",
                           "dense1*")
        keep = [strongest(tensors[f"conv{i}.weight"].reshape(-1, n).T, 0.5)
                for i, n in ((1, 8), (2, 6))]
        self.check(of_keras(tensors), of_keras(found), keep)
        self.assertEqual({n: found[n].shape for n in tensors}, {
            "conv1.weight": (3, 3, 1, 4), "conv1.bias": (4,), "conv2.weight": (3, 3, 4, 3),
            "conv2.bias": (3,), "bn.gamma": (3,), "bn.beta": (3,), "bn.moving_mean": (3,),
            "bn.moving_variance": (3,), "dense1.weight": (12, 16), "dense1.bias": (16,),
            "dense2.weight": (16, 10), "dense2.bias": (10,)})
        self.assertEqual(self.rows["dense2.weight"]["reason"],
                         "last layer: its rows are the network's outputs")
        self.assertEqual(self.rows["dense1.weight"]["follows"], "inputs of conv2.weight")
        self.assertEqual(self.rows["bn.beta"]["follows"], "channels of conv2.weight")
        self.assertEqual(self.rows["conv2.weight"]["shape_before"], [3, 3, 8, 6])
        self.assertEqual(self.rows["conv2.weight"]["sparsity"], 0.5)

    def test_torch(self):
        tensors = torch_network()
        found = self.prune(tensors, *self.HALF)
        keep = [strongest(tensors[f"features.{i}.weight"].reshape(n, -1), 0.5)
                for i, n in ((0, 8), (4, 6))]
        units = strongest(tensors["classifier.1.weight"], 0.5)
        convs, dense = to_keras(tensors)
        dense[1] = (dense[1][0] * units[:, None], dense[1][1])
        self.check((convs, dense), to_keras(found), keep, nchw=True)
        self.assertEqual(found["classifier.1.weight"].shape, (8, 12))
        self.assertEqual(found["features.5.num_batches_tracked"], 7)
        self.assertEqual(found["classifier.4.weight"].shape, (10, 8))

    def test_beside_other_patterns(self):
        tensors = keras_network()
        found = self.prune(tensors, "--weights-order", "in-out,hwio", "--rule", "conv1*=rows@0.5",
                           "--rule", "conv2*=nm:2:4", "--rule", "dense1*=unstructured@0.5")
        self.assertEqual(found["conv2.weight"].shape, (3, 3, 4, 6))
        self.assertEqual((found["conv2.weight"] != 0).sum(axis=2).max(), 2)
        self.assertEqual(self.rows["conv2.weight"]["pattern"], "nm:2:4")
        self.assertEqual(self.rows["conv2.weight"]["follows"], "inputs of conv1.weight")

    def test_scores_lose_the_same(self):
        tensors = keras_network()
        scores = {n: normal(np.random.default_rng(5), *a.shape) for n, a in tensors.items()
                  if a.ndim > 1}
        path = self.put("scores.safetensors", pack(scores))
        found = self.prune(tensors, "--weights-order", "in-out,hwio", "--rule", "conv2*=rows@0.5",
                           "--rule", "dense1*=unstructured@0.5", "--score", path)
        keep = strongest(scores["conv2.weight"].reshape(-1, 6).T, 0.5)
        np.testing.assert_array_equal(found["conv2.weight"], tensors["conv2.weight"][..., keep])
        inputs = np.tile(keep, 4)  # NHWC: channels are the fastest
        score = np.abs(scores["dense1.weight"][inputs])
        mask = score >= np.sort(score.reshape(-1))[-score.size // 2]
        np.testing.assert_array_equal(found["dense1.weight"],
                                      tensors["dense1.weight"][inputs] * mask)

    def test_keras_names(self):
        rng = np.random.default_rng(4)
        tensors = {"dense/kernel:0": normal(rng, 5, 6), "dense/bias:0": normal(rng, 6),
                   "dense_1/kernel:0": normal(rng, 6, 8), "dense_1/bias:0": normal(rng, 8),
                   "output/kernel:0": normal(rng, 8, 3), "output/bias:0": normal(rng, 3)}
        found = self.prune(tensors, "--weights-order", "in-out", *self.HALF)
        self.assertEqual([found[n].shape for n in tensors],
                         [(5, 3), (3,), (3, 4), (4,), (4, 3), (3,)])

    def test_told(self):
        """Names that give no order, and a layer that two others read."""
        rng = np.random.default_rng(6)
        tensors = {"a.weight": normal(rng, 8, 4), "left.weight": normal(rng, 3, 8),
                   "right.weight": normal(rng, 5, 8), "norm.weight": normal(rng, 8)}
        keep = strongest(tensors["a.weight"], 0.5)
        found = self.prune(tensors, "--rule", "a*=rows@0.5", "--next", "a=left", "--next",
                           "a.weight=right.weight", "--next", "a=norm")
        np.testing.assert_array_equal(found["a.weight"], tensors["a.weight"][keep])
        np.testing.assert_array_equal(found["norm.weight"], tensors["norm.weight"][keep])
        for name in "left.weight", "right.weight":
            np.testing.assert_array_equal(found[name], tensors[name][:, keep])


@needs_program
class Refusals(RowsTest):
    HALF = ("--pattern", "rows", "--sparsity", "0.5")

    def setUp(self):
        super().setUp()
        self.rng = np.random.default_rng(8)

    def weights(self, **shapes):
        return {name.replace("__", "."): normal(self.rng, *shape) for name, shape in shapes.items()}

    def test_transformer(self):
        tensors = self.weights(
            encoder__layer__0__attention__self__query__weight=(8, 8),
            encoder__layer__0__attention__output__dense__weight=(8, 8),
            encoder__layer__0__intermediate__dense__weight=(32, 8),
            encoder__layer__0__output__dense__weight=(8, 32))
        self.refused(tensors, *self.HALF, parts=["Transformer", "--next", "--skip"])
        part = "encoder.layer.0."
        found = self.prune(tensors, "--rule", "*intermediate*=rows@0.5", "--next",
                           f"{part}intermediate.dense={part}output.dense")
        self.assertEqual(found[f"{part}output.dense.weight"].shape, (8, 16))

    def test_order_in_doubt(self):
        for tensors, parts in (
                (self.weights(enc1__weight=(8, 16), enc2__weight=(4, 8), dec1__weight=(8, 4),
                              dec2__weight=(16, 8)), ["names give no order", "dec1", "enc1"]),
                (self.weights(fc1__weight=(8, 4), fc2__weight=(6, 7), fc3__weight=(3, 6)),
                 ["do not fit", "fc1.weight", "fc2.weight"]),
                (self.weights(block0__conv1__weight=(8, 8, 3, 3), block0__conv2__weight=(8, 8, 3, 3)),
                 ["numbered within blocks"]),
                (self.weights(fc1__weight=(8, 4), fc2__weight=(6, 8), e__weight=(2, 2, 2)),
                 ["not every tensor"])):
            with self.subTest(parts[0]):
                self.refused(dict(sorted(tensors.items())), *self.HALF, parts=[*parts, "--next"])

    def test_names_against_places(self):
        tensors = self.weights(fc2__weight=(8, 8), fc1__weight=(8, 8), fc3__weight=(8, 8))
        self.refused(tensors, *self.HALF, parts=["different orders", "--next"])

    def test_normalization(self):
        layers = self.weights(fc1__weight=(8, 4), fc2__weight=(3, 8))
        self.refused({**layers, "norm.weight": np.ones(8, np.float32)}, *self.HALF,
                     parts=["norm.weight", "LayerNorm", "--next 'fc1=norm'"])
        more = self.weights(fc1__weight=(8, 4), fc2__weight=(8, 8), fc3__weight=(3, 8))
        norm = {f"bn.{x}": np.ones(8, np.float32) for x in ("gamma", "moving_mean")}
        self.refused({**more, **norm}, *self.HALF, parts=["bn.gamma", "2 layers", "--next"])
        found = self.prune({**more, **norm}, *self.HALF, "--next", "fc2=bn")
        self.assertEqual(found["bn.gamma"].shape, (4,))

    def test_next(self):
        tensors = self.weights(fc1__weight=(8, 4), fc2__weight=(6, 8), fc3__weight=(3, 6))
        for told, parts in (("fc1", ["LAYER=MODULE"]), ("=fc2", ["LAYER=MODULE"]),
                            ("fc1=", ["LAYER=MODULE"]), ("fc9=fc2", ["fc9"]),
                            ("fc1=fc9", ["fc9"]), ("fc1=fc3", ["8 outputs", "6 inputs"]),
                            ("fc1=fc1", ["fc1.weight"])):
            with self.subTest(told):
                self.refused(tensors, *self.HALF, "--next", told, parts=["--next", *parts])
        self.refused(tensors, "--rule", "fc2*=rows@0.5", "--next", "fc1=fc2",
                     parts=["names no layer that is pruned by rows"])

    def test_only_the_last_layer(self):
        tensors = self.weights(fc1__weight=(8, 4), fc2__weight=(6, 8))
        self.refused(tensors, "--rule", "fc2*=rows@0.5", parts=["fc2", "last layer"])

    def test_fed_by_two(self):
        tensors = self.weights(a__weight=(8, 4), b__weight=(8, 4), c__weight=(3, 8))
        self.refused(tensors, "--rule", "[ab].weight=rows@0.5", "--next", "a=c", "--next", "b=c",
                     parts=["c.weight", "one layer"])


if __name__ == "__main__":
    unittest.main()
