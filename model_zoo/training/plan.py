"""From a recipe to the networks to train, and which of them train together. Called by `make`."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from model_zoo.recipes import Recipe
from model_zoo.recipes.families import FAMILIES, Hyperparameters
from model_zoo.training.together import NetworkPlan


@dataclass(frozen=True)
class PlannedNetwork:
    """A network's place in the recipe's grid: its hyperparameters on the axes and how it is trained."""

    hyperparameters: Hyperparameters
    plan: NetworkPlan


def planned_networks(recipe: Recipe, input_shape: Sequence[int], classes: int) -> list[PlannedNetwork]:
    """One network for each point of the grid, in the grid's order, with a seed of its own."""
    return [PlannedNetwork(point, _plan(recipe, point, input_shape, classes)) for point in recipe.grid()]


def grouped(networks: Sequence[PlannedNetwork]) -> list[list[int]]:
    """The places of the networks that train together: same architecture and batch size. Costliest first.

    The grouping depends on the recipe alone: on another number of cores, the same networks train together.
    """
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for place, network in enumerate(networks):
        groups[json.dumps(network.plan.architecture), network.plan.batch_size].append(place)
    return sorted(groups.values(), key=lambda places: _cost(networks[places[0]].plan), reverse=True)


def _cost(plan: NetworkPlan) -> float:
    layers = plan.architecture["layers"]
    assert isinstance(layers, list)
    weights: int = sum(layer.get("inputs", 0) * layer.get("outputs", 0) for layer in layers)
    return weights / plan.batch_size


def _plan(recipe: Recipe, point: Hyperparameters, input_shape: Sequence[int], classes: int) -> NetworkPlan:
    hyperparameters = {**recipe.fixed, **point}
    declaration = FAMILIES[recipe.family].declare(input_shape, classes, hyperparameters)
    named = json.dumps([recipe.seed, point], sort_keys=True).encode()
    return NetworkPlan(
        architecture=declaration.architecture,
        dropout_after=declaration.dropout_after,
        learning_rate=float(hyperparameters["learning_rate"]),
        weight_decay=float(hyperparameters["weight_decay"]),
        dropout=float(hyperparameters["dropout"]),
        batch_size=int(hyperparameters["batch_size"]),
        init_scale=float(hyperparameters["init_scale"]),
        seed=int.from_bytes(hashlib.sha256(named).digest()[:8], "little"),
    )
