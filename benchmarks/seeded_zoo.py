"""The attack on a zoo with hidden truth that guesses where its random numbers come from, within 10 processor minutes.

The attacker knows the recipe, as all recipes of Gengap's are public, and what participants get: the ids, and the
initial weights of the networks, which a measure sees. Whoever guesses the seed or key can train the whole zoo again.
Each way of guessing counts upward from 0. It is first tried on a zoo that it must break (the control), then on a hidden
zoo.
"""

import hashlib
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from torch import Tensor

from model_zoo import Zoo, open_zoo
from model_zoo.recipes import Hyperparameters, Recipe
from model_zoo.recipes.keys import KEY_BYTES, ZooKey
from model_zoo.training.make import train_zoo
from model_zoo.training.randomness import Keyed, Randomness, Seeded
from model_zoo.training.training_process import TrainingOptions

SECONDS = 600.0
OLD_SEED = 4711
WEAK_NUMBER = 20_201
_SLICE = 256  # guesses between two looks at the clock
_WEIGHTS = 16  # of the first layer: torch draws them in blocks of so many
_CLOSE = 1e-6
_RECIPE: dict[str, object] = {
    "name": "secret-mlp",
    "title": "Digits, fully connected",
    "text": "",
    "licence": "CC-BY-4.0",
    "citation": "",
    "truth_public": False,
    "family": "mlp",
    "dataset": {"name": "digits", "training_size": 100},
    "training": {"momentum": 0.9, "stop_loss": 0.01, "max_epochs": 20},
    "fixed": {"batch_size": 20, "width": 48, "init_scale": 1.0},
    "axes": {"depth": [1, 2], "learning_rate": [0.005, 0.015], "weight_decay": [0.0, 0.0007], "dropout": [0.0, 0.15]},
}
HIDDEN = Recipe.model_validate(_RECIPE)
# As an older Gengap made a hidden zoo: the random numbers are those of a public one.
SEEDED = Recipe.model_validate(_RECIPE | {"truth_public": True, "seed": OLD_SEED})


@dataclass(frozen=True)
class Known:
    """What the attacker has.

    Attributes
    ----------
    recipe : Recipe
    ids : set of str
    normals : torch.Tensor
        The first initial weights of one network, divided by their standard deviation.
    points : sequence of mapping
        The hyperparameters that this network may have, since its shape shows its depth.
    """

    recipe: Recipe
    ids: frozenset[str]
    normals: Tensor
    points: Sequence[Hyperparameters]

    def begins_with(self, generator: torch.Generator) -> bool:
        """Whether this generator drew the network's initial weights."""
        return torch.allclose(torch.randn(_WEIGHTS, generator=generator), self.normals, atol=_CLOSE)


def known_of(zoo: Zoo, recipe: Recipe) -> Known:
    """Collect what a measure and the published part of a zoo show."""
    state = load_file(zoo.networks[0].initial or "")
    layers = [tensor for name, tensor in sorted(state.items()) if name.endswith(".weight")]
    first = layers[0].flatten()[:_WEIGHTS]
    return Known(
        recipe=recipe,
        ids=frozenset(entry.id for entry in zoo.networks),
        normals=first / (2 / layers[0].shape[1]) ** 0.5,
        points=[point for point in recipe.grid() if point["depth"] == len(layers) - 1],
    )


Guess = Callable[[Known, int], Randomness | None]  # what a number gives if it fits, else None


def seed_by_weights(known: Known, number: int) -> Randomness | None:
    """Guess the recipe's seed: with it, some point of the grid has the network's initial weights."""
    guessed = Seeded(number)
    fits = any(known.begins_with(guessed.network(point, 0).generator("initial weights")) for point in known.points)
    return guessed if fits else None


def seed_by_ids(known: Known, number: int) -> Randomness | None:
    """Guess the recipe's seed: with it, the first id is one of the zoo's."""
    guessed = Seeded(number)
    return guessed if guessed.ids(1)[0] in known.ids else None


def key_by_ids(known: Known, number: int) -> Randomness | None:
    """Guess the key, as a small number or its sha256: with it, the first id is one of the zoo's."""
    for key in (f"{number:0{2 * KEY_BYTES}x}", hashlib.sha256(str(number).encode()).hexdigest()):
        guessed = Keyed(ZooKey(key=key, recipe_sha256=known.recipe.sha256))
        if guessed.ids(1)[0] in known.ids:
            return guessed
    return None


def network_seed(known: Known, number: int) -> Randomness | None:
    """Guess the seed of one network's generator, of which torch keeps 32 bits."""
    return Seeded(number) if known.begins_with(torch.Generator().manual_seed(number)) else None


@dataclass(frozen=True)
class Outcome:
    """What one way of guessing achieved: how many numbers it tried, in how much processor time, and which one fits."""

    guesses: int
    seconds: float
    found: int | None
    randomness: Randomness | None


def attack(known: Known, guess: Guess, seconds: float) -> Outcome:
    """Guess upward from 0 until a number fits or the processor time is over."""
    start = time.process_time()
    for number in itertools.count():
        passed = time.process_time() - start
        if number % _SLICE == 0 and passed >= seconds:
            return Outcome(number, passed, None, None)
        if (fitting := guess(known, number)) is not None:
            return Outcome(number + 1, passed, number, fitting)
    raise AssertionError("unreachable")


def recovered(zoo: Zoo, recipe: Recipe, randomness: Randomness) -> int:
    """Count the networks whose hyperparameters follow from the random numbers: ids are drawn in the grid's order."""
    guessed = dict(zip(randomness.ids(len(recipe.grid())), recipe.grid(), strict=True))
    return sum(network.hyperparameters == guessed.get(name) for name, network in zoo.truth().networks.items())


@dataclass(frozen=True)
class Way:
    """A way of guessing, and the zoo that it must break."""

    name: str
    guess: Guess
    control: str


WAYS = (
    Way("seed of the recipe, by weights", seed_by_weights, "seeded"),
    Way("seed of the recipe, by ids", seed_by_ids, "seeded"),
    Way("small key, by ids", key_by_ids, "weak key"),
    Way("seed of one network", network_seed, "weak network"),
)


@dataclass(frozen=True)
class Row:
    """A way of guessing with its outcomes, and the number of networks whose hyperparameters it gave of each zoo."""

    way: Way
    control: Outcome
    of_control: int | None
    hidden: Outcome
    of_hidden: int


def run(folder: Path, seconds: float) -> list[Row]:
    """Make the zoos in `folder` and try every way on its control and on the hidden zoo.

    Parameters
    ----------
    folder : Path
    seconds : float
        Processor time for all guesses on the hidden zoo together. A control gets as much, and needs less.
    """
    torch.set_num_threads(1)
    (folder / "weak").write_bytes(ZooKey(key=f"{WEAK_NUMBER:0{2 * KEY_BYTES}x}", recipe_sha256=HIDDEN.sha256).dump())
    zoos = {
        "seeded": _zoo(SEEDED, folder / "seeded", None),
        "weak key": _zoo(HIDDEN, folder / "weak-zoo", folder / "weak"),
        "hidden": _zoo(HIDDEN, folder / "hidden", None),
    }
    knowns = {name: known_of(zoo, SEEDED if name == "seeded" else HIDDEN) for name, zoo in zoos.items()}
    drawn = torch.randn(_WEIGHTS, generator=torch.Generator().manual_seed(WEAK_NUMBER))
    knowns["weak network"] = Known(HIDDEN, frozenset(), drawn, [])
    rows = []
    for way in WAYS:
        control = attack(knowns[way.control], way.guess, seconds)
        hidden = attack(knowns["hidden"], way.guess, seconds / len(WAYS))
        of = zoos.get(way.control)
        rows.append(
            Row(
                way,
                control,
                None if of is None or control.randomness is None else recovered(of, HIDDEN, control.randomness),
                hidden,
                0 if hidden.randomness is None else recovered(zoos["hidden"], HIDDEN, hidden.randomness),
            )
        )
    return rows


def _zoo(recipe: Recipe, folder: Path, key: Path | None) -> Zoo:
    train_zoo(recipe, folder, lambda _: None, TrainingOptions(key=key))
    return open_zoo(folder)


@click.command()
@click.option("--seconds", default=SECONDS, show_default=True, help="Processor time for the attack on the hidden zoo.")
def main(seconds: float) -> None:
    """Attack a zoo with hidden truth; exit status 1 if anything was recovered, or a control was not."""
    with tempfile.TemporaryDirectory() as folder:
        rows = run(Path(folder), seconds)
    table = Table(
        "guessed", "control", "found there", "guesses on the hidden zoo", "guesses/s", "found", title="attack"
    )
    for row in rows:
        of = "" if row.of_control is None else f", {row.of_control} of {len(HIDDEN.grid())} networks"
        control = "nothing" if row.control.found is None else f"{row.control.found} in {row.control.seconds:.1f} s{of}"
        rate = row.hidden.guesses / row.hidden.seconds
        found = "nothing" if row.hidden.found is None else f"{row.hidden.found}, {row.of_hidden} networks"
        table.add_row(row.way.name, row.way.control, control, f"{row.hidden.guesses:,}", f"{rate:,.0f}", found)
    Console().print(table)
    is_held = all(row.control.found is not None and row.hidden.found is None for row in rows)
    sys.exit(0 if is_held else 1)


if __name__ == "__main__":
    main()
