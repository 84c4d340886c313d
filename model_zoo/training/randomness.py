"""Everything random in the making of a zoo, from the seed of a public recipe or from the key of a hidden zoo.

A seed is a number that somebody may guess, and torch's generator on the CPU keeps only 32 bits of one. From a key,
every purpose and every network gets a generator whose whole state is derived from 256 random bits. What participants
see of one generator (initial weights, the order of the training data) then says nothing about any other.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch

from model_zoo.recipes import Hyperparameters, Recipe
from model_zoo.recipes.keys import ZooKey
from model_zoo.writer import opaque_ids

Purpose = Literal["data", "training", "test", "label noise", "shift"]
NetworkPurpose = Literal["initial weights", "order", "dropout"]

_FURTHER_SEEDS: dict[Purpose, list[int]] = {"label noise": [1], "shift": [2]}
_SEED_OFFSETS: dict[NetworkPurpose, int] = {"initial weights": 0, "order": 1, "dropout": 2}
_STATE_WORDS = 624  # of 32 bits: the state of the Mersenne Twister
_STATE_START = 24  # bytes before it in the state of a torch generator, which holds each word in 64 bits
_AUGMENTATION_BYTES = 16  # the key of Philox


@dataclass(frozen=True)
class PartRandomness:
    """The generators of drawn training or test examples: of their inputs' numbers, and of what their labels add."""

    inputs: np.random.Generator
    labels: np.random.Generator


class NetworkRandomness(Protocol):
    """The random numbers of one network's training."""

    @property
    def augmentation_seed(self) -> int:
        """The key of the generator that changes the training examples, at most 128 bits."""

    def generator(self, purpose: NetworkPurpose) -> torch.Generator:
        """Make a new generator for this purpose; the same numbers each time."""


class Randomness(Protocol):
    """All random numbers of a zoo."""

    def ids(self, count: int) -> list[str]:
        """Draw `count` different network ids."""

    def generator(self, purpose: Purpose) -> np.random.Generator:
        """Make a new generator for this purpose; the same numbers each time."""

    def random_state(self, purpose: Purpose) -> np.random.RandomState:
        """Make a new generator of the kind that scikit-learn takes."""

    def parts(self, data: np.random.Generator) -> tuple[PartRandomness, PartRandomness]:
        """Return the generators of drawn training and test examples, where `data` has drawn what both share."""

    def network(self, point: Hyperparameters, sibling: int) -> NetworkRandomness:
        """Return the random numbers of a network of the grid, or of its sibling of this number (from 1)."""


@dataclass(frozen=True)
class SeededNetwork:
    """The random numbers of a network of a public zoo, from a seed of 64 bits."""

    seed: int

    @property
    def augmentation_seed(self) -> int:
        """The key of Philox."""
        return self.seed

    def generator(self, purpose: NetworkPurpose) -> torch.Generator:
        """Make a new generator for this purpose."""
        # Streams of their own, so that a network with dropout sees the examples in the same order as without.
        return torch.Generator().manual_seed(self.seed + _SEED_OFFSETS[purpose])


@dataclass(frozen=True)
class Seeded:
    """The random numbers of a public zoo, from the seed of its recipe."""

    seed: int

    def ids(self, count: int) -> list[str]:
        """Draw `count` different network ids."""
        return opaque_ids(count, self.seed)

    def generator(self, purpose: Purpose) -> np.random.Generator:
        """Make a new generator for this purpose."""
        further = _FURTHER_SEEDS.get(purpose)
        return np.random.default_rng(self.seed if further is None else [self.seed, *further])

    def random_state(self, purpose: Purpose) -> np.random.RandomState:
        """Make a new generator for scikit-learn."""
        return np.random.RandomState(self.seed)

    def parts(self, data: np.random.Generator) -> tuple[PartRandomness, PartRandomness]:
        """Return the generators of training and test examples, which are one."""
        one = PartRandomness(data, data)
        return one, one

    def network(self, point: Hyperparameters, sibling: int) -> SeededNetwork:
        """Return the random numbers of a network."""
        named = json.dumps([self.seed, point, *([sibling] if sibling else [])], sort_keys=True).encode()
        return SeededNetwork(int.from_bytes(hashlib.sha256(named).digest()[:8], "little"))


@dataclass(frozen=True)
class KeyedNetwork:
    """The random numbers of a network of a hidden zoo; `place` names it."""

    key: ZooKey
    place: Sequence[object]

    @property
    def augmentation_seed(self) -> int:
        """The key of Philox."""
        return int.from_bytes(self.key.derive(_AUGMENTATION_BYTES, "augmentation", *self.place), "little")

    def generator(self, purpose: NetworkPurpose) -> torch.Generator:
        """Make a new generator for this purpose."""
        return _with_state(self.key.derive(4 * _STATE_WORDS, purpose, *self.place))


@dataclass(frozen=True)
class Keyed:
    """The random numbers of a hidden zoo, from its key."""

    key: ZooKey

    def ids(self, count: int) -> list[str]:
        """Draw `count` different network ids."""
        return self.key.ids(count)

    def generator(self, purpose: Purpose) -> np.random.Generator:
        """Make a new generator for this purpose."""
        return self.key.stream(purpose)

    def random_state(self, purpose: Purpose) -> np.random.RandomState:
        """Make a new generator for scikit-learn."""
        return np.random.RandomState(self.key.stream(purpose).bit_generator)

    def parts(self, data: np.random.Generator) -> tuple[PartRandomness, PartRandomness]:
        """Return the generators of training and test examples."""
        # Not from `data`: participants see the training examples, and must not compute the test examples from them.
        # Nor may they compute test labels from test inputs, which the extended track shows.
        training, test = (
            PartRandomness(self.key.stream(f"{part} inputs"), self.key.stream(f"{part} labels"))
            for part in ("training", "test")
        )
        return training, test

    def network(self, point: Hyperparameters, sibling: int) -> KeyedNetwork:
        """Return the random numbers of a network."""
        return KeyedNetwork(self.key, [dict(point), sibling])


def randomness_of(recipe: Recipe, key: ZooKey | None = None) -> Randomness:
    """Return the random numbers of a recipe's zoo.

    Parameters
    ----------
    recipe : Recipe
    key : ZooKey, optional
        For a recipe with hidden truth, which has no seed.
    """
    if recipe.seed is not None:
        return Seeded(recipe.seed)
    if key is None:
        raise ValueError(f"the recipe {recipe.name} has a hidden truth, so its zoo needs a key")
    return Keyed(key)


def _with_state(words: bytes) -> torch.Generator:
    """Make a generator whose whole state is given: 624 words of 32 bits. `manual_seed` would keep 32 bits in all."""
    generator = torch.Generator().manual_seed(0)  # its next draw begins with the first word of its state
    state = generator.get_state()
    whole = np.frombuffer(words, "<u4").astype(np.uint64)
    state[_STATE_START : _STATE_START + whole.nbytes] = torch.from_numpy(whole.view(np.uint8))
    return generator.set_state(state)
