"""Pruning in the loop: which masks are made when. The C library makes masks and schedules; the
order of things is TFMOT's: see Pruner."""

import math

import numpy as np
import torch

from common import MnistError
from sparsemark import Schedule, SparsemarkError, prune_mask

ORDERS = {2: "out-in", 4: "oihw"}
TUTORIAL_STEPS, TUTORIAL_FREQUENCY = 844, 100


def fill_in(schedule, steps):
    """A recipe's schedule for a training of so many steps."""
    quarters = {f"q{i}": (i - 1) * steps // 4 + 1 for i in (2, 3, 4)}
    every = max(1, TUTORIAL_FREQUENCY * steps // TUTORIAL_STEPS)
    try:
        return schedule.format(end=max(1, steps), every=every, **quarters)
    except (KeyError, IndexError, ValueError):
        raise MnistError(f"schedule '{schedule}': expected nothing in braces but end, every, "
                         "q2, q3 and q4") from None


class Pruned:
    """A layer that is pruned, by which rule, and where it has zeros once there is a mask."""

    def __init__(self, name, weight, rule, steps, seed):
        self.name, self.weight, self.rule, self.seed = name, weight, rule, seed
        self.dropped = None
        self.texts = [fill_in(text, steps) for text in rule["schedules"]]
        self.schedules = [Schedule(text) for text in self.texts]

    def asked(self, step):
        """The sparsity to reach at this step; None where the mask stays."""
        for schedule in self.schedules:
            if schedule.updates(step):
                return schedule.sparsity(step)
        return None

    def scores(self, step):
        if self.rule["score"] == "random":
            rng = np.random.default_rng([self.seed, step, *self.name.encode()])
            return rng.random(tuple(self.weight.shape), np.float32)
        return self.weight.detach().numpy()

    def update(self, step, asked):
        """A new mask from the weights as they are now; what the log says of it."""
        pattern = self.rule["pattern"]
        try:
            kept, threshold = prune_mask(self.scores(step), pattern, asked,
                                         order=ORDERS[self.weight.dim()])
        except SparsemarkError as error:
            raise MnistError(f"{self.name}.weight, {pattern}, step {step}: {error}") from None
        self.dropped = torch.from_numpy(~kept)
        count = int(kept.sum())
        return {"type": "prune", "step": step, "layer": f"{self.name}.weight", "pattern": pattern,
                "score": self.rule["score"], "sparsity_asked": asked,
                "sparsity": 1 - count / kept.size, "kept": count, "weights": kept.size,
                "threshold": threshold if math.isfinite(threshold) else None}

    def apply(self):
        """Weights whose mask is 0 become +0.0; a product with the mask would leave -0.0."""
        if self.dropped is not None:
            with torch.no_grad():
                self.weight.masked_fill_(self.dropped, 0)


class Pruner:
    """before_batch(step), forward and backward with the masked weights, an optimizer that moves all
    of them by gradients that are not masked, and at the end of an epoch apply(). Steps count from
    1, and a new mask is made from the weights as the optimizer left them."""

    def __init__(self, network, recipe, steps, seed):
        self.layers = []
        for name, layer in network.layers().items():
            rule = next((r for r in recipe["rule"] if name in r["layers"]), None)
            if rule is not None:
                self.layers.append(Pruned(name, layer.weight, rule, steps, seed))

    def before_batch(self, step):
        """The log's objects for the masks that were made."""
        made = []
        for layer in self.layers:
            asked = layer.asked(step)
            if asked is not None:
                made.append(layer.update(step, asked))
        self.apply()
        return made

    def apply(self):
        for layer in self.layers:
            layer.apply()

    def rules(self):
        return [{"layer": f"{layer.name}.weight", "pattern": layer.rule["pattern"],
                 "score": layer.rule["score"], "schedules": layer.texts} for layer in self.layers]

    def state(self):
        return {layer.name: layer.dropped for layer in self.layers}

    def restore(self, state):
        for layer in self.layers:
            layer.dropped = state[layer.name]
