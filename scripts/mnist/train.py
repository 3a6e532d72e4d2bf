#!/usr/bin/env python3
"""Trains the tutorial's network by recipes, with pruning in the loop.

A recipe leaves OUT/RECIPE/model.safetensors and log.jsonl: an object for the run, for every mask
made, every epoch and every test. A training that was stopped goes on from its last checkpoint when
the same command is given again, and ends with the same bytes. The variable MNIST_LINE is the line
of the progress bar, where several run at once.
"""

import argparse
import os
import pickle
import subprocess
import sys
import time

from common import PROGRAM, MnistError, read_recipes, write_whole
from images import read_split

try:
    import torch
    from torch.nn.functional import cross_entropy
    from tqdm import tqdm
except ImportError as error:
    print(f"train: {error}: expected what scripts/setup.sh --with-pytorch installs, and "
          ".venv/bin/python", file=sys.stderr)
    sys.exit(2)

import network as net  # noqa: E402
from journal import Log, read_log, tensorboard  # noqa: E402
from pruning import Pruner  # noqa: E402
from sparsemark import SparsemarkError  # noqa: E402

TEST_BATCH = 1000
VALIDATION = 0.1  # Keras's validation_split: the last images


class Data:
    """The first images of the training set, its end kept for validation, and the test set."""

    def __init__(self, folder, limit):
        images, labels = tensors(*read_split(folder, "train"))
        self.images = min(limit or len(images), len(images))
        self.train = int(self.images * (1 - VALIDATION))
        if self.train == 0:
            raise MnistError(f"{self.images} training images: expected at least 2")
        self.x, self.y = images[:self.train], labels[:self.train]
        held = slice(self.train, self.images)
        self.sets = {"validation": (images[held], labels[held]),
                     "test": tensors(*read_split(folder, "test"))}


def tensors(images, labels):
    pixels = torch.from_numpy(images.copy()).unsqueeze(1).float() / 255
    return pixels.to(memory_format=torch.channels_last), torch.from_numpy(labels.astype("int64"))


class Training:
    """One recipe from its start, or from its checkpoint, to its model."""

    def __init__(self, recipe, recipes, data, args):
        self.recipe, self.data, self.args = recipe, data, args
        self.folder = os.path.join(args.out, recipe["name"])
        self.steps_per_epoch = -(-data.train // args.batch)
        self.steps = self.steps_per_epoch * recipe["epochs"]
        self.step, self.loss_sum, self.correct, self.seconds = 0, 0.0, 0, 0.0
        # Images come in another order than in the epochs of the model that this one starts from.
        origin = recipes.get(recipe.get("from"), {"epochs": 0})
        self.first_epoch = origin["epochs"]
        self.options = {"recipe": recipe, "seed": args.seed, "images": data.images,
                        "batch": args.batch, "threads": args.threads, "torch": torch.__version__}

    def path(self, name):
        return os.path.join(self.folder, name)

    def finished(self):
        """Whether an earlier call did it all; refuses a log of other options."""
        log = read_log(self.path("log.jsonl"))
        if log and log[0].get("options") != self.options:
            raise MnistError(f"{self.path('log.jsonl')}: trained with options "
                             f"{log[0].get('options')}: expected {self.options}, or another --out")
        return bool(log) and log[-1]["type"] == "end"

    def begin(self):
        """Where the last call stopped, or the beginning."""
        os.makedirs(self.folder, exist_ok=True)
        checkpoint = self.checkpoint()
        torch.manual_seed(self.args.seed)
        self.network = checkpoint["network"] if checkpoint else self.start()
        self.optimizer = torch.optim.Adam(self.network.parameters(), eps=1e-7, fused=True)
        self.pruner = Pruner(self.network, self.recipe, self.steps, self.args.seed)
        if checkpoint:
            self.optimizer.load_state_dict(checkpoint["optimizer"])
            self.pruner.restore(checkpoint["dropped"])
            torch.set_rng_state(checkpoint["rng"])
            for name in ("step", "loss_sum", "correct", "seconds"):
                setattr(self, name, checkpoint[name])
        board = tensorboard(self.folder, self.step) if self.args.tensorboard else None
        self.log = Log(self.path("log.jsonl"), checkpoint["log"] if checkpoint else 0, board)
        if not checkpoint:
            self.log.write({"type": "run", "options": self.options, "steps": self.steps,
                            "train_images": self.data.train, "widths": self.network.widths,
                            "rules": self.pruner.rules()})
            if "from" in self.recipe:
                self.test("start")

    def checkpoint(self):
        """What an earlier call left, or None."""
        path = self.path("checkpoint.pt")
        try:
            found = torch.load(path, weights_only=True)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            raise MnistError(f"{path}: cannot be read: {str(error).splitlines()[0]}; remove it to "
                             "begin anew") from None
        network = net.Network(found["widths"])
        network.load_state_dict(found["network"])
        return {**found, "network": network}

    def start(self):
        """Random weights, or another recipe's model, made smaller if the recipe says so."""
        if "from" not in self.recipe:
            return net.Network()
        source = os.path.join(self.args.out, self.recipe["from"], "model.safetensors")
        if not os.path.isfile(source):
            raise MnistError(f"{source}: does not exist: recipe {self.recipe['name']} starts from "
                             f"it; train {self.recipe['from']} first")
        if "prune" not in self.recipe:
            return net.load(source)
        smaller = self.path("start.safetensors")
        command = [PROGRAM, "prune", "--input", source, "--out", smaller, *self.recipe["prune"]]
        try:
            done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, encoding="utf-8",
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        except OSError as error:
            raise MnistError(f"{PROGRAM}: cannot be run: {error.strerror}; expected a release "
                             "build, or SPARSEMARK_PROGRAM to name sparsemark") from None
        if done.returncode != 0:
            raise MnistError(f"{' '.join(command)}: {done.stderr.strip()}")
        return net.load(smaller)

    def save_checkpoint(self):
        state = {"widths": self.network.widths, "network": self.network.state_dict(),
                 "optimizer": self.optimizer.state_dict(), "dropped": self.pruner.state(),
                 "rng": torch.get_rng_state(), "log": self.log.length(),
                 **{name: getattr(self, name) for name in ("step", "loss_sum", "correct",
                                                           "seconds")}}
        write_whole(self.path("checkpoint.pt"), lambda name: torch.save(state, name))

    def measure(self, which):
        """(mean loss, right answers) with the weights as they are."""
        x, y = self.data.sets[which]
        self.network.eval()
        loss, correct = 0.0, 0
        with torch.inference_mode():
            for at in range(0, len(x), TEST_BATCH):
                logits = self.network(x[at:at + TEST_BATCH])
                labels = y[at:at + TEST_BATCH]
                loss += cross_entropy(logits, labels, reduction="sum").item()
                correct += (logits.argmax(1) == labels).sum().item()
        self.network.train()
        return loss / max(1, len(x)), correct

    def test(self, when):
        loss, correct = self.measure("test")
        images = len(self.data.sets["test"][0])
        self.log.write({"type": "test", "when": when, "step": self.step, "correct": correct,
                        "images": images, "accuracy": correct / images, "loss": loss})

    def prune(self, step):
        made = self.pruner.before_batch(step)
        for entry in made:
            self.log.write(entry)
        if made and step == 1:
            self.test("pruned")

    def batch(self, chosen):
        x, y = self.data.x[chosen], self.data.y[chosen]
        logits = self.network(x.contiguous(memory_format=torch.channels_last))
        loss = cross_entropy(logits, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.loss_sum += loss.item() * len(y)
        self.correct += (logits.argmax(1) == y).sum().item()

    def end_epoch(self, epoch):
        self.pruner.apply()
        loss, correct = self.measure("validation")
        held = self.data.images - self.data.train
        self.log.write({"type": "epoch", "epoch": epoch + 1, "step": self.step,
                        "loss": self.loss_sum / self.data.train,
                        "accuracy": self.correct / self.data.train, "validation_loss": loss,
                        "validation_accuracy": correct / max(1, held), "seconds": self.seconds})
        self.loss_sum, self.correct, self.seconds = 0.0, 0, 0.0

    def epoch(self, epoch, bar):
        shuffle = torch.Generator().manual_seed(1000 * self.args.seed + self.first_epoch + epoch)
        order = torch.randperm(self.data.train, generator=shuffle)
        for batch in range(self.step - epoch * self.steps_per_epoch, self.steps_per_epoch):
            began = time.monotonic()
            self.prune(self.step + 1)
            self.batch(order[batch * self.args.batch:(batch + 1) * self.args.batch])
            self.step += 1
            self.seconds += time.monotonic() - began
            bar.update()
            if self.step % self.steps_per_epoch == 0:
                self.end_epoch(epoch)
            if self.step % self.args.checkpoint == 0 or self.step % self.steps_per_epoch == 0:
                self.save_checkpoint()

    def run(self):
        if self.finished():
            print(f"train: {self.recipe['name']}: done before", file=sys.stderr)
            return
        self.begin()
        with tqdm(total=self.steps, initial=self.step, desc=self.recipe["name"], unit="batch",
                  disable=None, position=int(os.environ.get("MNIST_LINE", 0))) as bar:
            for epoch in range(self.step // self.steps_per_epoch, self.recipe["epochs"]):
                self.epoch(epoch, bar)
        if self.recipe["epochs"] == 0:
            self.prune(1)
        self.test("end")
        net.save(self.path("model.safetensors"), self.network)
        self.log.write({"type": "end", "model": "model.safetensors"})
        self.log.close()
        if os.path.exists(self.path("checkpoint.pt")):
            os.unlink(self.path("checkpoint.pt"))


def whole(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def arguments(recipes):
    parser = argparse.ArgumentParser(
        prog="train", description="Trains the tutorial's network by recipes, in their order.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="recipes:\n" + "".join(f"  {name:15} {r['about']}\n" for name, r in recipes.items()))
    whole.__name__ = "whole number from 1 on"
    parser.add_argument("recipe", nargs="*", help="which ones (all)")
    parser.add_argument("--data", required=True, help="folder with the four MNIST files, gzipped")
    parser.add_argument("--out", required=True, help="folder that gets a folder a recipe")
    parser.add_argument("--images", type=whole, help="train on the first N images only")
    parser.add_argument("--batch", type=whole, default=128, help="images a step (128)")
    parser.add_argument("--seed", type=whole, default=1, help="of everything random (1)")
    parser.add_argument("--threads", type=whole, default=1,
                        help="of PyTorch (1); with another number results differ in the last bits")
    parser.add_argument("--checkpoint", type=whole, default=200, metavar="STEPS",
                        help="steps from one checkpoint to the next (200); epochs end with one")
    parser.add_argument("--tensorboard", action="store_true",
                        help="log for TensorBoard too, which has to be installed")
    args = parser.parse_args()
    for name in args.recipe:
        if name not in recipes:
            raise MnistError(f"unknown recipe '{name}': expected one of {', '.join(recipes)}")
    return args


def main():
    recipes = read_recipes()
    args = arguments(recipes)
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    data = Data(args.data, args.images)
    for name in args.recipe or recipes:
        Training(recipes[name], recipes, data, args).run()


if __name__ == "__main__":
    try:
        main()
    except (MnistError, SparsemarkError) as error:
        print(f"train: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"train: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("train: stopped; the same command goes on", file=sys.stderr)
        sys.exit(130)
