"""sparsemark prune, end to end: masks against NumPy, schedules, scores, rules and reasons."""

import os
import unittest

import numpy as np

from model_files import normal, pack, unpack
from program import needs_program
from prune_case import PruneTest, kept


@needs_program
class Masks(PruneTest):
    WEIGHTS = ("conv1.weight", "conv2.weight", "dense1.weight", "dense2.weight")

    def test_unstructured(self):
        summary, found = self.prune("--sparsity", "0.6")
        for name in self.WEIGHTS:
            mask, threshold = kept(self.tensors[name], 0.6)
            np.testing.assert_array_equal(found[name], self.tensors[name] * mask, name)
            row = self.rows[name]
            self.assertEqual(row["zeros"], np.count_nonzero(~mask))
            self.assertAlmostEqual(row["threshold"], float(threshold), places=6)
            self.assertEqual(row["sparsity_asked"], 0.6)
            self.assertAlmostEqual(row["sparsity"], row["zeros"] / mask.size, places=6)
        others = set(self.tensors) - set(self.WEIGHTS)
        self.assert_same(found, others)
        self.assertEqual(list(self.rows), list(self.tensors))
        self.assertEqual(self.rows["conv1.bias"]["reason"], "bias")
        self.assertEqual(self.rows["bn.gamma"]["reason"], "BatchNorm scale or shift")
        self.assertEqual(self.rows["bn.moving_mean"]["reason"], "BatchNorm statistic")
        self.assertEqual(summary["total"]["zeros"], sum(r["zeros"] for r in self.rows.values()))
        self.assertEqual(summary["total"]["pruned"], 4)

    def test_zeros_are_written_as_plus_zero(self):
        _, found = self.prune("--sparsity", "0.5")
        for name in self.WEIGHTS:
            zeros = found[name][found[name] == 0]
            self.assertFalse(np.signbit(zeros).any(), name)

    def test_minus_zeros_lose_their_sign_where_a_rule_takes_them(self):
        rng = np.random.default_rng(3)
        name, left = "dense1.weight", "conv2.weight"
        for tensor in (name, left):
            w = self.tensors[tensor]
            self.tensors[tensor] = w * (rng.random(w.shape) < 0.2).astype(np.float32)  # as TFMOT
        w = self.tensors[name]
        minus = int(np.count_nonzero(np.signbit(w) & (w == 0)))
        self.assertGreater(minus, 0)
        model = self.put("masked.safetensors", pack(self.tensors))
        for rule in ("unstructured@0", "unstructured@0.1", "unstructured@0.9"):
            for compat in ((), ("--compat", "tfmot")):
                summary, found = self.prune("--rule", f"{name}={rule}", *compat, model=model)
                self.assertFalse(np.signbit(found[name][found[name] == 0]).any())
                self.assertEqual(found[left].tobytes(), self.tensors[left].tobytes())
                row, values = self.rows[name], np.count_nonzero(found[name])
                self.assertEqual(row["bytes"]["sparse"], 4 * values + -(-w.size // 8))
                if rule != "unstructured@0.9":
                    self.assertEqual(summary["total"]["minus_zeros"], minus)
                    np.testing.assert_array_equal(found[name], w)

    def test_zeros_stay(self):
        self.prune("--sparsity", "0.8")
        again = self.path("again.safetensors")
        os.rename(self.out, again)
        _, found = self.prune("--sparsity", "0.5", model=again)
        first = unpack(again)[0]
        for name in self.WEIGHTS:
            np.testing.assert_array_equal(found[name], first[name], name)

    def test_nm(self):
        _, found = self.prune("--pattern", "nm:2:4")
        self.assertEqual(self.rows["conv1.weight"]["reason"], "one input channel")
        self.assert_same(found, ["conv1.weight"])
        for name in self.WEIGHTS[1:]:
            before, after = self.tensors[name], found[name]
            inputs = before.shape[-2]
            groups = np.moveaxis(before, -2, -1).reshape(-1, inputs)
            pruned = np.moveaxis(after, -2, -1).reshape(-1, inputs)
            for first in range(0, inputs, 4):
                order = np.argsort(-np.abs(groups[:, first:first + 4]), axis=1, kind="stable")
                expected = groups[:, first:first + 4].copy()
                np.put_along_axis(expected, order[:, 2:], 0, axis=1)
                np.testing.assert_array_equal(pruned[:, first:first + 4], expected, name)
            self.assertEqual(self.rows[name]["sparsity_asked"], 0.5)
            self.assertIsNone(self.rows[name]["threshold"])

    def test_blocks(self):
        for pool, reduce in (("avg", np.mean), ("max", np.max)):
            with self.subTest(pool):
                _, found = self.prune("--rule", "dense1*=block:4x2@0.5", "--pool", pool)
                before = self.tensors["dense1.weight"].T  # 16 outputs, 24 inputs
                pooled = reduce(np.abs(before).reshape(4, 4, 12, 2), axis=(1, 3))
                mask = np.kron(kept(pooled, 0.5)[0], np.ones((4, 2)))
                np.testing.assert_array_equal(found["dense1.weight"].T, before * mask)
                self.assertEqual(self.rows["dense2.weight"]["reason"], "matched no rule")

    def test_global(self):
        _, found = self.prune("--sparsity", "0.7", "--scope", "global", "--skip", "dense2*",
                              "--rule", "conv1*=unstructured@0.25", "--pattern", "unstructured")
        shared = [self.tensors[n] for n in ("conv2.weight", "dense1.weight")]
        threshold = kept(np.concatenate([w.reshape(-1) for w in shared]), 0.7)[1]
        for name in "conv2.weight", "dense1.weight":
            mask = np.abs(self.tensors[name]) >= threshold
            np.testing.assert_array_equal(found[name], self.tensors[name] * mask)
        mask = kept(self.tensors["conv1.weight"], 0.25)[0]
        np.testing.assert_array_equal(found["conv1.weight"], self.tensors["conv1.weight"] * mask)
        self.assert_same(found, ["dense2.weight"])

    def test_npy(self):
        weights = normal(np.random.default_rng(5), 12, 20)
        path = self.path("w.npy")
        np.save(path, weights)
        _, found = self.prune("--sparsity", "0.5", model=path, order=())
        np.testing.assert_array_equal(found["w"], weights * kept(weights, 0.5)[0])

    def test_other_tensors(self):
        tensors = {"steps": np.arange(6).reshape(2, 3), "half.weight": np.ones((4, 4), np.float16),
                   "deep.weight": normal(np.random.default_rng(1), 2, 3, 4),
                   "w.weight": normal(np.random.default_rng(2), 4, 8)}
        model = self.put("others.safetensors", pack(tensors))
        _, found = self.prune("--pattern", "nm:2:4", model=model)
        self.assertEqual({n: r["reason"] for n, r in self.rows.items()},
                         {"steps": "type I64: only F32 is pruned",
                          "half.weight": "type F16: only F32 is pruned",
                          "deep.weight": "rank 3: nm:2:4 takes 2 and 4", "w.weight": None})
        for name in list(tensors)[:3]:
            np.testing.assert_array_equal(found[name], tensors[name])


@needs_program
class Steps(PruneTest):
    def test_schedule(self):
        schedule = "polynomial:0.5,0.8,0,1000,3,100"
        summary, _ = self.prune("--schedule", schedule, "--step", "250")
        expected = 0.8 + (0.5 - 0.8) * (1 - 0.2) ** 3
        self.assertEqual(summary["step_used"], 200)
        self.assertAlmostEqual(summary["sparsity"], expected, places=6)
        self.assertEqual(len(self.notes), 1)
        self.assertIn("step 250 does not update the masks", self.notes[0])
        self.assertIn("step 200", self.notes[0])
        for step, used in ((200, 200), (1000, 1000), (4000, 1000)):
            summary, _ = self.prune("--schedule", schedule, "--step", str(step))
            self.assertEqual((summary["step_used"], len(self.notes)), (used, int(step == 4000)))

    def test_rules_keep_their_own(self):
        self.prune("--schedule", "constant:0.5,10", "--step", "10", "--pattern", "unstructured",
                   "--rule", "conv2*=unstructured@0.25")
        self.assertEqual(self.rows["conv2.weight"]["sparsity_asked"], 0.25)
        self.assertEqual(self.rows["dense1.weight"]["sparsity_asked"], 0.5)

    def test_refused(self):
        self.refused("--schedule", "constant:0.5,10", "--step", "9", parts=["--step 9", "step 10"])
        self.refused("--schedule", "constant:0.5", parts=["--schedule", "--step"])
        self.refused("--step", "5", "--sparsity", "0.5", parts=["--schedule", "--step"])
        self.refused("--schedule", "constant:0.5", "--step", "1", "--sparsity", "0.5",
                     parts=["got both"])
        self.refused("--schedule", "linear:0.5", "--step", "1", parts=["linear"])
        for step in "-1", "", "x", "1.5":
            self.refused("--schedule", "constant:0.5", "--step", step, parts=["--step"])


@needs_program
class Scores(PruneTest):
    def test_file(self):
        rng = np.random.default_rng(9)
        scores = {name: normal(rng, *array.shape) for name, array in self.tensors.items()
                  if array.ndim > 1}
        path = self.put("scores.safetensors", pack(scores))
        _, found = self.prune("--sparsity", "0.5", "--score", path)
        for name, score in scores.items():
            mask = kept(score, 0.5)[0]
            np.testing.assert_array_equal(found[name], self.tensors[name] * mask, name)

    def test_file_of_one_array(self):
        rng = np.random.default_rng(3)
        weights, score = normal(rng, 8, 8), normal(rng, 8, 8)
        np.save(self.path("w.npy"), weights)
        np.save(self.path("s.npy"), score)
        _, found = self.prune("--sparsity", "0.5", "--score", self.path("s.npy"),
                              model=self.path("w.npy"), order=())
        np.testing.assert_array_equal(found["w"], weights * kept(score, 0.5)[0])

    def test_random(self):
        arguments = ("--sparsity", "0.5", "--score", "random")
        first = self.prune(*arguments)[1]["dense1.weight"]
        again = self.prune(*arguments, "--seed", "1", "--skip", "conv*")[1]["dense1.weight"]
        other = self.prune(*arguments, "--seed", "2")[1]["dense1.weight"]
        np.testing.assert_array_equal(first, again)
        self.assertTrue((first != other).any())
        self.assertAlmostEqual(np.count_nonzero(first == 0) / first.size, 0.5, places=2)
        magnitude = kept(self.tensors["dense1.weight"], 0.5)[0]
        self.assertTrue(((first != 0) != magnitude).any())

    def test_refused(self):
        shapes = {name: array for name, array in self.tensors.items() if array.ndim > 1}
        missing = self.put("missing.safetensors",
                           pack({n: a for n, a in shapes.items() if n != "conv2.weight"}))
        self.refused("--sparsity", "0.5", "--score", missing, parts=["--score", "conv2.weight"])
        shape = self.put("shape.safetensors", pack({**shapes, "dense2.weight": normal(
            np.random.default_rng(1), 10, 16)}))
        self.refused("--sparsity", "0.5", "--score", shape,
                     parts=["dense2.weight", "[16,10]", "[10,16]"])
        bad = self.tensors["dense1.weight"].copy()
        bad[3, 5] = np.nan
        nan = self.put("nan.safetensors", pack({**shapes, "dense1.weight": bad}))
        self.refused("--sparsity", "0.5", "--score", nan, parts=[nan, "dense1.weight", "NaN"])
        self.refused("--sparsity", "0.5", "--score", self.path("none.npy"), parts=["none.npy"])


@needs_program
class Rules(PruneTest):
    def test_the_first_that_matches_counts(self):
        self.prune("--rule", "dense1*=nm:2:4", "--rule", "dense*=unstructured@0.9",
                   "--rule", "conv2*=nm:1:4@2", "--rule", "conv?.weight=unstructured@0.25")
        self.assertEqual({n: (r["pattern"], r["sparsity_asked"]) for n, r in self.rows.items()
                          if n.endswith("weight")},
                         {"conv1.weight": ("unstructured", 0.25), "conv2.weight": ("nm:1:4@2", 0.75),
                          "dense1.weight": ("nm:2:4", 0.5), "dense2.weight": ("unstructured", 0.9)})
        self.assertEqual(self.rows["dense1.weight"]["rule"], "dense1*=nm:2:4")

    def test_pattern_is_for_the_others(self):
        self.prune("--rule", "dense1*=nm:2:4", "--pattern", "unstructured", "--sparsity", "0.5",
                   "--skip", "conv*", "--skip", "bn*")
        self.assertEqual(self.rows["dense2.weight"]["pattern"], "unstructured")
        self.assertEqual(self.rows["conv1.bias"]["reason"], "skipped: conv*")
        self.assertEqual(self.rows["bn.gamma"]["reason"], "skipped: bn*")

    def test_a_name_with_equals(self):
        model = self.put("m.safetensors", pack({"a=b.weight": normal(np.random.default_rng(1), 4, 8),
                                                "c.weight": np.ones((4, 8), np.float32)}))
        self.prune("--rule", "a=b*=unstructured@0.5", model=model)
        self.assertEqual(self.rows["a=b.weight"]["zeros"], 16)
        self.assertEqual(self.rows["c.weight"]["reason"], "matched no rule")

    def test_refused(self):
        for arguments, parts in (
                (["--rule", "conv9*=unstructured@0.5"], ["conv9*", "matches no tensor"]),
                (["--skip", "x*", "--sparsity", "0.5"], ["--skip 'x*'", "matches no tensor"]),
                (["--rule", "dense*=nm:2:4", "--rule", "dense1*=nm:1:4"],
                 ["dense1*=nm:1:4", "before"]),
                (["--rule", "dense1*=nm:2:4", "--rule", "dense2*=nm:1:4", "--skip", "dense2*"],
                 ["dense2*=nm:1:4", "skipped"]),
                (["--rule", "*.bias=unstructured@0.5"], ["prunes nothing", "bias"]),
                (["--rule", "conv1*=nm:2:4"], ["prunes nothing", "one input channel"]),
                (["--rule", "conv1*=unstructured"], ["--sparsity"]),
                (["--rule", "conv1=x@0.5"], ["conv1=x@0.5", "unstructured"]),
                (["--rule", "conv1*"], ["GLOB=PATTERN"]), (["--rule", "=nm:2:4"], ["GLOB=PATTERN"]),
                (["--rule", "conv1*=unstructured@1"], ["unstructured@1", "below 1"]),
                (["--rule", "conv1*=unstructured@"], ["below 1"]),
                (["--rule", "conv2*=nm:2:4@0.5"], ["nm:2:4@0.5", "1 - N/M"]),
                (["--pattern", "nm:2:4", "--sparsity", "0.5"], ["--sparsity", "1 - N/M"]),
                (["--pattern", "nm:5:4"], ["counts the zeros"]),
                (["--pattern", "block:4x4", "--sparsity", "0.5", "--scope", "global"],
                 ["--scope global", "block:4x4"]),
                (["--rule", "dense1*=unstructured@0.5", "--scope", "global"], ["--scope global"]),
                (["--sparsity", "0.5", "--pool", "max"], ["--pool"]),
                (["--sparsity", "0.5", "--scope", "all"], ["layer or global"]),
                (["--sparsity", "0.5", "--compat", "torch"], ["tfmot"]),
                (["--sparsity", "0.5", "--store", "zip"], ["dense or sparse"]),
                (["--sparsity", "0.5", "--skip", "*"], ["nothing to prune"]),
                (["--sparsity", "0.5", "--seed", "-1"], ["--seed"]),
                (["--sparsity", "0.5", "--weights-order", "io"], ["--weights-order"]),
                (["--sparsity", "0.5", "--next", "conv1=conv2"], ["conv1", "rows"]),
                (["--sparsity", "0.5", "more"], ["more"]), ([], ["--sparsity"])):
            self.refused(*arguments, parts=parts)
        for sparsity in "1", "-0.1", "nan", "1.5", "", "half", "0.5x":
            self.refused("--sparsity", sparsity, parts=["--sparsity", "from 0 to below 1"])


if __name__ == "__main__":
    unittest.main()
