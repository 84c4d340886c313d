"""Plans the training of a recipe: each network's settings and random numbers, and which are trained together."""

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from model_zoo.architectures import build
from model_zoo.recipes import Hyperparameters, Recipe, TrainingSettings
from model_zoo.recipes.families import FAMILIES
from model_zoo.training.randomness import NetworkRandomness, Randomness

_MOST_TOGETHER = {"cpu": 16, "cuda": 512}  # on a processor, more at once gain nothing
_MOST_PARAMETERS_TOGETHER = 2**26  # in one vector of all networks; an optimizer needs a handful of them


@dataclass(frozen=True)
class NetworkPlan:
    """How one network is trained.

    Attributes
    ----------
    architecture : mapping
    dropout_after : mapping of int to int
        By layer index, the number of values that dropout may zero.
    settings : TrainingSettings
    randomness : NetworkRandomness
    """

    architecture: Mapping[str, object]
    dropout_after: Mapping[int, int]
    settings: TrainingSettings
    randomness: NetworkRandomness


@dataclass(frozen=True)
class PlannedNetwork:
    """A network of the recipe's grid: its hyperparameters on the axes, and its plan.

    `sibling` is 0 for the network of the grid itself, else the number of its sibling from another seed.
    """

    hyperparameters: Hyperparameters
    sibling: int
    plan: NetworkPlan


def planned_networks(
    recipe: Recipe, randomness: Randomness, input_shape: Sequence[int], classes: int
) -> list[PlannedNetwork]:
    """Plan a network for each point of the grid.

    Parameters
    ----------
    recipe : Recipe
    randomness : Randomness
    input_shape : sequence of int
        (C, H, W).
    classes : int

    Returns
    -------
    list of PlannedNetwork
        In the grid's order, siblings last, each with random numbers of its own.
    """
    return [
        PlannedNetwork(point, sibling, _plan(recipe, point, randomness.network(point, sibling), input_shape, classes))
        for sibling in range(1 + recipe.siblings)
        for point in recipe.grid()
    ]


def grouped(networks: Sequence[PlannedNetwork], device: str) -> list[list[int]]:
    """Group the networks that are trained together: same architecture, batch size and optimizer.

    The groups depend on the recipe and the kind of device alone, not on the number of cores.

    Parameters
    ----------
    networks : sequence of PlannedNetwork
    device : {"cpu", "cuda"}

    Returns
    -------
    list of list of int
        Indices of the networks of each group, the most expensive group first.
    """
    alike: dict[str, list[int]] = defaultdict(list)
    for place, network in enumerate(networks):
        plan = network.plan
        settings = plan.settings
        company = [plan.architecture, settings.optimizer, settings.batch_size, settings.training_size]
        alike[json.dumps(company, sort_keys=True)].append(place)
    groups = [group for places in alike.values() for group in _split(networks, places, device)]
    return sorted(groups, key=lambda places: len(places) * relative_cost(networks[places[0]].plan), reverse=True)


def relative_cost(plan: NetworkPlan) -> float:
    """Estimate how long an epoch takes, relative to other networks of the recipe."""
    return (1 + parameter_count(plan.architecture) / 10_000) / plan.settings.batch_size


def parameter_count(architecture: Mapping[str, object]) -> int:
    """Count the trained parameters."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(architecture).parameters())


def _split(networks: Sequence[PlannedNetwork], places: list[int], device: str) -> Iterator[list[int]]:
    fitting = _MOST_PARAMETERS_TOGETHER // parameter_count(networks[places[0]].plan.architecture)
    groups = math.ceil(len(places) / max(1, min(_MOST_TOGETHER[device], fitting)))
    bounds = [len(places) * group // groups for group in range(groups + 1)]
    return (places[start:end] for start, end in pairwise(bounds))


def _plan(
    recipe: Recipe,
    point: Hyperparameters,
    randomness: NetworkRandomness,
    input_shape: Sequence[int],
    classes: int,
) -> NetworkPlan:
    declaration = FAMILIES[recipe.family].declare(input_shape, classes, {**recipe.fixed, **point})
    return NetworkPlan(
        architecture=declaration.architecture,
        dropout_after=declaration.dropout_after,
        settings=recipe.settings(point),
        randomness=randomness,
    )
