"""From a recipe to a zoo folder, and filling the cache of them. Called by this package's command and by tests."""

import fcntl
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_zoo.cache import cached_zoo, zoo_folder
from model_zoo.manifest import NetworkTruth, RecipeMark, ZooCard, ZooError
from model_zoo.recipes import Recipe, named_recipe
from model_zoo.training.datasets import Split, load_split
from model_zoo.training.plan import planned_networks
from model_zoo.training.pool import Watcher, train_all
from model_zoo.writer import new_zoo, opaque_ids, unfinished_prefix


def make_zoo(recipe_name: str, cache: Path, watch: Watcher) -> Path:
    """The folder of the recipe's zoo in `cache`, trained now unless it is there. Raises ZooError.

    Of several processes that ask at once, one trains and the others wait for it.
    """
    recipe = named_recipe(recipe_name)
    folder = zoo_folder(recipe_name, cache)
    with _locked(cache / f".{folder.name}.lock"):
        if cached_zoo(recipe_name, cache) is None:
            shutil.rmtree(folder, ignore_errors=True)  # a damaged one
            for leftover in cache.glob(f"{unfinished_prefix(folder)}*"):
                shutil.rmtree(leftover, ignore_errors=True)  # of a killed process: we hold the lock
            train_zoo(recipe, folder, watch)
    return folder


def train_zoo(recipe: Recipe, folder: Path, watch: Watcher) -> None:
    """Train the recipe's networks and write their zoo to the new folder `folder`. Raises ZooError.

    The same recipe gives the same bytes on the same machine.
    """
    split = load_split(recipe.dataset, recipe.seed)
    networks = planned_networks(recipe, split.input_shape, split.classes)
    results = train_all(networks, recipe.training, split, watch)
    ids = opaque_ids(len(networks), recipe.seed)
    with new_zoo(folder) as writer:
        writer.training_data(split.train_inputs, split.train_labels)
        writer.test_data(split.test_inputs, split.test_labels)
        for network_id, network, result in sorted(zip(ids, networks, results, strict=True), key=lambda made: made[0]):
            if not all(math.isfinite(metric) for metric in result.metrics.values()):
                raise ZooError(
                    f"recipe {recipe.name}: training diverged at {network.hyperparameters}; "
                    "lower the learning rate or the initial scale"
                )
            truth = NetworkTruth(hyperparameters=dict(network.hyperparameters), metrics=result.metrics)
            writer.network(network_id, network.plan.architecture, result.weights, result.initial, truth)
        writer.finish(_card(recipe, split), recipe.truth_axes(), len(split.test_labels))


def _card(recipe: Recipe, split: Split) -> ZooCard:
    mark = RecipeMark(name=recipe.name, seed=recipe.seed, sha256=recipe.sha256)
    return ZooCard(
        name=recipe.name,
        title=recipe.title,
        text=recipe.text,
        licence=recipe.licence,
        citation=recipe.citation,
        dataset=split.card,
        input_shape=split.input_shape,
        classes=split.classes,
        truth_public=recipe.truth_public,
        recipe=mark if recipe.truth_public else None,  # the ids come from the seed and tell the grid's order
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`; the kernel frees it if this process dies."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ZooError(f"{path}: cannot write in the cache folder: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
