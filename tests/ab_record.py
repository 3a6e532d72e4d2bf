"""Records of `sparsemark ab` with known answers, for the tests of the verdict."""

import math
import random

SAMPLES = 8


class Maker:
    """Makes records; the same seed gives the same one. Times scatter upwards, as real ones do."""

    def __init__(self, seed=1, scatter=0.004, tainted=0.0, copies=0.0):
        self.random = random.Random(seed)
        self.scatter = scatter  # between rounds, and between arms of a round
        self.tainted = tainted  # share of samples
        self.copies = copies  # difference of two copies of one build

    def entry(self, cell, effect):
        arms = []
        drift = self.random.gauss(0, 5 * self.scatter)  # of the round: both builds have it
        for arm in range(4):
            level = math.exp(drift + self.random.gauss(0, self.scatter))
            level *= 1e5 * (1 + effect if arm >= 2 else 1) * (1 + self.copies * (arm % 2))
            arms.append([round(level * (1 + abs(self.random.gauss(0, 0.01))), 1)
                         for _ in range(SAMPLES)])
        taints = [[8 * (self.random.random() < self.tainted) for _ in range(SAMPLES)]
                  for _ in range(4)]
        return {"cell": cell, "calls": 10, "blocking": [[256, 64]] * 4, "ns": arms,
                "taints": taints}

    def block(self, effects, rounds, control):
        """effects: cell -> share by which cand takes longer."""
        taken = []
        for number in range(rounds):
            entries = [self.entry(cell, effect) for cell, effect in effects.items()]
            entries.append(self.entry(None, control))
            self.random.shuffle(entries)
            taken.append({"shuffle": number, "cells": entries})
        return {"cells": list(effects), "rounds": taken}

    def record(self, effects, rounds=11, again=None, control=0.0, delta=0.03):
        """effects: one a cell; again: cell -> effect of the second block, None for none."""
        blocks = [self.block(dict(enumerate(effects)), rounds, control)]
        if again is not None:
            blocks.append(self.block(again, rounds, control))
        build = {"file": "libsparsemark.so", "version": "0.1.0", "abi": 1, "kernels": 30}
        return {
            "type": "ab", "schema": 1, "machine": {"slug": "test-machine", "warnings": ["a note"]},
            "base": build, "cand": dict(build, version="0.2.0"), "identical": False,
            "only_in": {"base": [], "cand": []}, "control": "spmm_dense",
            "options": {"delta": delta, "seed": 1, "inject": None},
            "points": [{"layer": "some/layer", "provenance": "seeded-gaussian", "m": 64, "k": 48,
                        "n": 32, "layout": "feature", "sparsity": 0.7}],
            "cells": [{"kernel": f"kernel{i}", "point": 0} for i in range(len(effects))],
            "blocks": blocks}
