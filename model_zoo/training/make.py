"""Trains the zoo of a recipe and writes its folder, in this process. Needs torch."""

import fcntl
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from model_zoo.manifest import NetworkTruth, RecipeMark, ZooCard, ZooError
from model_zoo.recipes import Recipe, named_recipe
from model_zoo.recipes.datasets import FileData
from model_zoo.recipes.keys import KEY_BYTES, ZooKey, read_key
from model_zoo.training.batched.course import initial_weights
from model_zoo.training.datasets import Split, load_split
from model_zoo.training.plan import PlannedNetwork, planned_networks
from model_zoo.training.pool import DivergedError, Task, train_all
from model_zoo.training.randomness import Seeded, randomness_of
from model_zoo.training.trained_zoos import cached_zoo, recipe_digest, zoo_folder
from model_zoo.training.training_process import ON_THIS_MACHINE, TrainingOptions, Watcher
from model_zoo.training.work_folder import WorkFolder, work_folder
from model_zoo.writer import ZooWriter, new_zoo, unfinished_prefix

SNAPSHOT_S = 20.0
_CARD_FIELDS = {"name", "title", "text", "licence", "citation", "targets", "tracks", "truth_public"}


def make_zoo(recipe_name: str, cache: Path, watch: Watcher, options: TrainingOptions = ON_THIS_MACHINE) -> Path:
    """Return the folder of a shipped recipe's zoo in the cache, after training it if necessary.

    If several processes ask at the same time, one trains and the others wait for it.

    Parameters
    ----------
    recipe_name : str
    cache : Path
    watch : callable
        Called with a Progress.
    options : TrainingOptions

    Raises
    ------
    ZooError
        If the training fails.
    """
    recipe = named_recipe(recipe_name)
    folder = zoo_folder(recipe_name, cache)
    with _locked(cache / f".{folder.name}.lock"):
        if cached_zoo(recipe_name, cache) is None:
            shutil.rmtree(folder, ignore_errors=True)  # a damaged one
            train_zoo(recipe, folder, watch, options)
    return folder


def train_zoo(
    recipe: Recipe,
    folder: Path,
    watch: Watcher,
    options: TrainingOptions = ON_THIS_MACHINE,
    snapshot_s: float = SNAPSHOT_S,
) -> None:
    """Train the networks of a recipe and write their zoo to a new folder.

    The same recipe (and key, if its truth is hidden) gives the same bytes on the same machine, on any number of cores.
    Without a key in the options, a new one is made; the zoo has it in its private part. After an interruption the next
    call continues where this one stopped, with the same key.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
    watch : callable
        Called with a Progress.
    options : TrainingOptions
    snapshot_s : float
        Interval in seconds between snapshots of a group in training.

    Raises
    ------
    ZooError
        If the training fails.
    """
    if folder.exists():
        raise ZooError(f"{folder}: exists already; remove it or choose another folder")
    given = _given_key(recipe, options.key)
    with work_folder(folder, _digest(recipe, given, options)) as work:
        for leftover in folder.parent.glob(f"{unfinished_prefix(folder)}*"):
            shutil.rmtree(leftover, ignore_errors=True)  # of a killed process: we hold the lock
        key = None if recipe.truth_public else given or work.key(recipe.sha256)
        randomness = randomness_of(recipe, key)
        try:
            split = load_split(recipe.dataset, randomness, options.data)
        except ZooError:
            shutil.rmtree(work.path)  # nothing is trained yet; a key that draws no usable data is not kept
            raise
        networks = planned_networks(recipe, randomness, split.input_shape, split.classes)
        task = Task(recipe, randomness, options.data, work, options.device, snapshot_s)
        try:
            train_all(task, networks, options.jobs, watch)
        except DivergedError:
            shutil.rmtree(work.path)  # it would diverge again
            raise
        with new_zoo(folder) as writer:
            writer.training_data(split.train_inputs, split.train_labels)
            writer.test_data(split.test_inputs, split.test_labels)
            if "extended" in recipe.tracks:
                writer.unlabelled(split.test_inputs)
            if key is not None:
                writer.key(key.dump())
            _write_networks(writer, networks, randomness.ids(len(recipe.grid())), work)
            writer.finish(_card(recipe, split), recipe.truth_axes(), len(split.test_labels))


def _given_key(recipe: Recipe, path: Path | None) -> ZooKey | None:
    """Read the key that the zoo is to be made with, if one is given."""
    if path is None:
        return None
    if recipe.truth_public:
        raise ZooError(
            f"{path}: a key is for zoos with hidden truth, but the truth of the recipe {recipe.name} is public and its "
            "random numbers come from its seed; leave out --key"
        )
    return read_key(path, recipe.sha256)


def _write_networks(
    writer: ZooWriter, networks: Sequence[PlannedNetwork], ids: Sequence[str], work: WorkFolder
) -> None:
    """Write networks by id, each followed by siblings and trajectory; `networks` has the siblings after all others."""
    size = len(ids)
    for network_id, first in sorted(zip(ids, range(size), strict=True)):
        planned, finished = networks[first], work.network(first)
        truth = NetworkTruth(hyperparameters=dict(planned.hyperparameters), metrics=finished.metrics)
        initial = _arrays(initial_weights(planned.plan))
        writer.network(network_id, planned.plan.architecture, _arrays(finished.weights), initial, truth)
        for place in range(first + size, len(networks), size):
            writer.sibling(network_id, _arrays(work.network(place).weights))
        for epoch, weights in work.trajectory(first):
            writer.trajectory(network_id, epoch, _arrays(weights))


def _arrays(state: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    return {name: tensor.numpy() for name, tensor in state.items()}


def _digest(recipe: Recipe, given: ZooKey | None, options: TrainingOptions) -> str:
    """Digest of everything that the trained numbers depend on, except the machine and a key that is not given."""
    digest = hashlib.sha256(f"{recipe_digest(recipe)} {options.device}".encode())
    if given is not None:
        digest.update(given.derive(KEY_BYTES, "work folder"))
    if recipe.truth_public or isinstance(recipe.dataset, FileData):  # whose files may change
        split = load_split(recipe.dataset, Seeded(recipe.seed or 0), options.data)
        for array in (split.train_inputs, split.train_labels, split.test_inputs, split.test_labels):
            digest.update(array.tobytes())
    return digest.hexdigest()


def _card(recipe: Recipe, split: Split) -> ZooCard:
    mark = None if recipe.seed is None else RecipeMark(name=recipe.name, seed=recipe.seed, sha256=recipe.sha256)
    return ZooCard(
        **recipe.model_dump(include=_CARD_FIELDS),
        dataset=split.card,
        input_shape=split.input_shape,
        classes=split.classes,
        recipe=mark,  # None where the truth is hidden: who knows the grid knows more than he should
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`; the kernel releases it if this process dies."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise ZooError(f"{path}: cannot write in the cache folder: {error.strerror}") from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
