"""What the scripts of this folder share: one-line errors, files written whole, the recipes."""

import os
import sys
import tomllib

FOLDER = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(FOLDER))
sys.path.insert(0, os.path.dirname(FOLDER))

LAYERS = ("conv1", "conv2", "dense1", "dense2")
PROGRAM = os.environ.get("SPARSEMARK_PROGRAM",
                         os.path.join(ROOT, "build", "release", "sparsemark"))


class MnistError(Exception):
    """One line: what is wrong, where, and what was expected."""


def write_whole(path, save):
    """save(name) writes a file under a temporary name, which then gets its own."""
    temporary = f"{path}.tmp"
    try:
        save(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise MnistError(f"{path}: cannot be written: {error.strerror or error}") from None


def read_recipes(path=os.path.join(FOLDER, "recipes.toml")):
    """name -> recipe; refuses what nobody would read."""
    try:
        with open(path, "rb") as file:
            found = tomllib.load(file).get("recipe", [])
    except OSError as error:
        raise MnistError(f"{path}: cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise MnistError(f"{path}: {error}: expected TOML") from None
    recipes = {}
    for recipe in found:
        name = recipe.get("name", "")
        where = f"{path}: recipe '{name}'"
        recipe.setdefault("rule", [])
        only(where, recipe, {"name", "about", "epochs"}, {"from", "prune", "rule"})
        if name in recipes or "from" in recipe and recipe["from"] not in recipes:
            raise MnistError(f"{where}: expected a new name, and 'from' an earlier recipe")
        for rule in recipe["rule"]:
            only(where, rule, {"layers", "pattern", "schedules"}, {"score"})
            if not set(rule["layers"]) <= set(LAYERS):
                raise MnistError(f"{where}: layers {rule['layers']}: expected some of "
                                 f"{', '.join(LAYERS)}")
            if rule.setdefault("score", "magnitude") not in ("magnitude", "random"):
                raise MnistError(f"{where}: score '{rule['score']}': expected magnitude or random")
        recipes[name] = recipe
    return recipes


def only(where, table, needed, others):
    if not needed <= set(table) <= needed | others:
        raise MnistError(f"{where}: fields {', '.join(sorted(table))}: expected "
                         f"{', '.join(sorted(needed))}, and of {', '.join(sorted(others))}")
