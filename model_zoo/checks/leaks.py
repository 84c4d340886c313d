"""Checks that nothing participants or their measures can see reveals what is hidden.

Examined are file headers, counters of training steps, ids, the order of networks.json, file times, the manifest's
recipe, and the arguments of networks that the zoo's own code builds. File sizes and shapes may differ: the architecture
is public.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import numpy as np

from model_zoo.checks.key import key
from model_zoo.checks.order import Leak, leak_in_order, leak_in_times
from model_zoo.checks.report import Item, error, ok, some, warning
from model_zoo.checks.safetensors_reader import TensorFile, opened
from model_zoo.manifest import COUNTER, MANIFEST, NETWORKS, ZooError, ZooTruth
from model_zoo.zoo import Zoo

_HARMLESS = {"format": ("pt", "np", "tf", "flax", "mlx")}  # which library wrote the file
_SHORTEST_ID = 6
_SHORTEST_NAME = 3
_SHUFFLES = 2000
# Hyperparameters that leave no trace in the shape of a network.
_TRAINING_ONLY = frozenset(
    {
        *("batch_size", "dropout", "epochs", "init_scale", "label_noise", "learning_rate", "lr", "momentum"),
        *("optimizer", "rho", "seed", "stop_loss", "training_size", "weight_decay"),
    }
)
_NEW_IDS = "Give the networks new random ids, and sort networks.json by id; writing the zoo with `ZooWriter` does both."
Targets = Mapping[str, Mapping[str, float]]
T = TypeVar("T")


def leak_items(zoo: Zoo, truth: ZooTruth | None, targets: Targets) -> Iterator[Item]:
    """Check a zoo for leaks of hidden values.

    Parameters
    ----------
    zoo : Zoo
    truth : ZooTruth or None
        None where it cannot be read.
    targets : mapping
        Target name to a mapping of network id to value.

    Yields
    ------
    Item
    """
    yield metadata(zoo)
    yield counters(zoo)
    yield recipe(zoo)
    yield key(zoo)
    yield arguments(zoo)
    if truth is not None:
        yield ids(zoo, truth)
        yield order(zoo, truth, targets)
        yield times(zoo, truth, targets)


def metadata(zoo: Zoo) -> Item:
    """Check that no public file has texts in its header."""
    with_texts = [f"{name} ({some(found, 3)})" for name, found in _of_public_tensors(zoo, _texts) if found]
    if with_texts:
        return error(
            "metadata",
            f"The headers of {len(with_texts)} public files contain texts: {some(with_texts, 3)}.",
            "Save these files without metadata: a measure could read hyperparameters there.",
        )
    return ok("metadata", "No public file has metadata.")


def counters(zoo: Zoo) -> Item:
    """Check that batch norm's counter of batches, which no network uses, does not reveal how long it was trained."""
    counting = [name for name, counts in _of_public_tensors(zoo, _counts) if counts]
    if not counting:
        return ok("counters", "No weight file counts the batches of its training.")
    text = f"{len(counting)} weight files count the batches of their training ({COUNTER}): {some(counting, 3)}."
    advice = f"Set every {COUNTER} to 0: a measure could read the number of steps. Writing with `ZooWriter` does it."
    return warning("counters", text, advice) if zoo.manifest.truth_public else error("counters", text, advice)


def recipe(zoo: Zoo) -> Item:
    """Check that a zoo with hidden truth does not name its recipe: with the seed, ids give away places on the grid."""
    if zoo.manifest.recipe is not None and not zoo.manifest.truth_public:
        return error(
            "recipe",
            f"The truth is hidden, but {MANIFEST} names the recipe {zoo.manifest.recipe.name} and its seed, from which "
            "anybody can train the zoo again.",
            f"Set recipe to null in {MANIFEST}.",
        )
    text = "The recipe is named: the truth is public." if zoo.manifest.recipe else f"{MANIFEST} names no recipe."
    return ok("recipe", text)


def arguments(zoo: Zoo) -> Item:
    """Check that the arguments of the zoo's own architectures contain no training hyperparameter."""
    hidden = sorted(
        {
            key
            for entry in zoo.networks
            if isinstance(given := entry.architecture.get("arguments"), Mapping)
            for key in given
            if key in _TRAINING_ONLY
        }
    )
    if hidden:
        return error(
            "arguments",
            f"{NETWORKS} gives architectures the arguments {some(hidden)}, which measures can read.",
            "Leave out what does not change the shape of the network.",
        )
    return ok("arguments", "No architecture gets a hyperparameter of the training alone.")


def ids(zoo: Zoo, truth: ZooTruth) -> Item:
    """Check that ids look random and contain neither an axis's name nor the network's hyperparameters."""
    listed = [entry.id for entry in zoo.networks]
    naming = [
        identifier
        for identifier in listed
        if any(len(axis.name) >= _SHORTEST_NAME and axis.name.lower() in identifier.lower() for axis in truth.axes)
    ]
    revealing = [axis.name for axis in truth.axes if _reveal_values(listed, truth, axis.name)]
    if naming or revealing:
        what = f"name an axis: {some(naming)}" if naming else f"contain each network's own value of {some(revealing)}"
        return error("ids", f"Ids {what}.", _NEW_IDS)
    short = [identifier for identifier in listed if len(identifier) < _SHORTEST_ID]
    if len(listed) > 1 and all(re.fullmatch(r"\D*\d+", identifier) for identifier in listed):
        return warning("ids", f"All ids are a counter: {some(listed, 3)}.", _NEW_IDS)
    if short:
        return warning("ids", f"{len(short)} ids are shorter than {_SHORTEST_ID} letters: {some(short)}.", _NEW_IDS)
    return ok("ids", "The ids look random.")


def order(zoo: Zoo, truth: ZooTruth, targets: Targets) -> Item:
    """Check that neither the order of networks.json nor the alphabetical order of the ids reveals anything."""
    listed = [entry.id for entry in zoo.networks]
    for what, sequence in ((f"The order of {NETWORKS}", listed), ("The alphabetical order of the ids", sorted(listed))):
        leak = leak_in_order(sequence, truth, targets)
        if leak is not None:
            return _leak_item("order", f"{what} reveals hyperparameters: {leak.text}.", leak, _NEW_IDS)
    return ok("order", "The order of the networks reveals nothing.")


def times(zoo: Zoo, truth: ZooTruth, targets: Targets) -> Item:
    """Check that the files' times, which a measure can read, do not follow an axis or a target."""
    found = {entry.id: entry.weights.stat().st_mtime_ns for entry in zoo.networks}
    leak = leak_in_times(found, truth, targets)
    if leak is not None:
        advice = "Give all files the same time: find ZOO -exec touch -d @0 {} +"
        return _leak_item("times", f"The times of the weight files reveal hyperparameters: {leak.text}.", leak, advice)
    alike = len(set(found.values())) == 1
    return ok(
        "times",
        "All weight files have the same time." if alike else "The files' times are correlated with nothing hidden.",
    )


def _leak_item(name: str, text: str, leak: Leak, advice: str) -> Item:
    if leak.certain:
        return error(name, text, advice)
    return warning(name, f"{text} By chance this happens to fewer than one zoo in a thousand.", advice)


def _reveal_values(listed: Sequence[str], truth: ZooTruth, axis_name: str) -> bool:
    """Whether ids contain their own network's value more often than in any shuffle of the values."""
    values = [str(truth.networks[identifier].hyperparameters[axis_name]) for identifier in listed]
    contains = {value: np.array([value in identifier for identifier in listed]) for value in set(values)}
    if len(contains) == 1:
        return False
    names = list(contains)
    table = np.array([contains[name] for name in names])  # value, network
    own = np.array([names.index(value) for value in values])
    columns = np.arange(len(listed))
    reached = int(table[own, columns].sum())
    shuffled = np.random.default_rng(0).permuted(np.tile(own, (_SHUFFLES, 1)), axis=1)
    return reached > int(table[shuffled, columns].sum(axis=1).max())


def _of_public_tensors(zoo: Zoo, read: Callable[[TensorFile], T]) -> Iterator[tuple[str, T]]:
    """Read something of each public file of tensors but damaged ones, which the items about weights and data report."""
    for name in zoo.manifest.files:
        if name.startswith("public/") and name.endswith(".safetensors"):
            with suppress(ZooError), opened(zoo.folder / name) as file:
                yield name, read(file)


def _counts(file: TensorFile) -> bool:
    return any(file.tensor(name).any() for name in file.names if name.endswith(COUNTER))


def _texts(file: TensorFile) -> list[str]:
    texts = sorted(file.metadata.items())
    return [f"{key}={value[:40]}" for key, value in texts if value not in _HARMLESS.get(key, ())]
