"""Checks of a zoo's weight files: readable, finite, and no network twice."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model_zoo.checks.report import Item, error, ok, some
from model_zoo.checks.safetensors_reader import opened
from model_zoo.manifest import ZooError
from model_zoo.zoo import NetworkEntry


@dataclass(frozen=True)
class WeightsFound:
    """What is in one weight file.

    Attributes
    ----------
    network : str
    role : str
        "final", "initial", "sibling" or "trajectory".
    digest : str
        Of names, shapes and numbers, independent of their order in the file.
    infinite : tuple of str
        Tensors with numbers that are not finite.
    unreadable : str or None
        Why the file could not be read.
    """

    network: str
    role: str
    digest: str
    infinite: tuple[str, ...]
    unreadable: str | None = None


def weights_of(entry: NetworkEntry) -> list[WeightsFound]:
    """Examine all weight files of a network, one tensor at a time."""
    files = [("final", entry.weights)]
    files += [] if entry.initial is None else [("initial", entry.initial)]
    files += [("sibling", path) for path in entry.siblings]
    files += [("trajectory", path) for _, path in entry.trajectory]
    return [_read(entry.id, role, path) for role, path in files]


def weight_items(found: Sequence[WeightsFound]) -> Iterator[Item]:
    """Check all weight files of a zoo."""
    yield readable(found)
    yield finite(found)
    yield duplicates(found)


def readable(found: Sequence[WeightsFound]) -> Item:
    """Check that every weight file is a complete safetensors file."""
    faults = [each.unreadable for each in found if each.unreadable is not None]
    if faults:
        return error("weight files", f"{len(faults)} weight files cannot be read: {faults[0]}.", "Save them again.")
    return ok("weight files", f"All {len(found)} weight files can be read.")


def finite(found: Sequence[WeightsFound]) -> Item:
    """Check that no weight is nan or infinite."""
    infinite = [f"{each.network} ({each.role}: {some(each.infinite, 2)})" for each in found if each.infinite]
    if infinite:
        return error(
            "finite weights",
            f"{len(infinite)} weight files hold nan or infinite numbers: {some(infinite)}.",
            "Their training diverged: train them with a lower learning rate, or drop that value of the axis.",
        )
    return ok("finite weights", "All weights are finite.")


def duplicates(found: Sequence[WeightsFound]) -> Item:
    """Check that no two networks have the same weights, and that training changed them.

    Networks may share their initial weights: those of one seed start alike.
    """
    trained: dict[str, list[str]] = defaultdict(list)
    initial = {each.network: each.digest for each in found if each.role == "initial" and each.unreadable is None}
    for each in found:
        if each.role in ("final", "sibling") and each.unreadable is None:
            trained[each.digest].append(each.network if each.role == "final" else f"{each.network}'s sibling")
    ends = {(each.network, each.digest) for each in found if each.role in ("final", "initial")}
    still = [each.network for each in found if each.role == "trajectory" and (each.network, each.digest) in ends]
    doubled = [" = ".join(names) for names in trained.values() if len(names) > 1]
    untrained = [each.network for each in found if each.role == "final" and each.digest == initial.get(each.network)]
    if doubled:
        return error(
            "duplicates",
            f"The same weights are there more than once: {some(doubled, 3)}.",
            "Train each network separately; copies make ties that no measure can resolve.",
        )
    if untrained:
        return error(
            "duplicates",
            f"{len(untrained)} networks have the same weights before and after training: {some(untrained)}.",
            "Record the initial weights before the training, or check that the training ran.",
        )
    if still:
        return error(
            "duplicates",
            f"The trajectory of {some(list(dict.fromkeys(still)))} holds its initial or its final weights once more.",
            "Leave both out of public/trajectory: a measure has them anyway.",
        )
    return ok("duplicates", "No two networks have the same weights, and none has kept its initial ones.")


def _read(network: str, role: str, path: Path) -> WeightsFound:
    digest = hashlib.sha256()
    infinite: list[str] = []
    try:
        with opened(path) as file:
            for name in file.names:
                tensor = file.tensor(name)
                digest.update(f"{name} {tensor.dtype} {tensor.shape}\n".encode())
                digest.update(np.ascontiguousarray(tensor).data)
                if not np.isfinite(tensor).all():
                    infinite.append(name)
    except ZooError as fault:
        return WeightsFound(network, role, "", (), str(fault))
    return WeightsFound(network, role, digest.hexdigest(), tuple(infinite))
