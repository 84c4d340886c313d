"""Reads Keras' HDF5 weight files: which arrays belong to which layer, in the network's order.

Neither the order of groups nor their names keep the layers' order (`conv2d_10` sorts before `conv2d_2`), so only the
attributes `layer_names` and `weight_names` are used. Links to other files are not followed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from model_zoo.manifest import ZooError

_ANOTHER_PLACE = "model_weights"
_LAYER_NAMES = "layer_names"
_WEIGHT_NAMES = "weight_names"


class StoredArray:
    """One array of an open weight file; its numbers are read by `read`."""

    def __init__(self, path: Path, name: str, dataset: h5py.Dataset) -> None:
        self.name = name
        self.shape: tuple[int, ...] = dataset.shape
        self._place = f"{path}: {name}"
        self._dataset = dataset

    def read(self) -> NDArray[np.float32]:
        """Read the numbers. Raises ZooError if they are damaged or not finite."""
        try:
            numbers = np.asarray(self._dataset[()], dtype=np.float32)
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            raise ZooError(f"{self._place}: cannot be read ({error}); fetch the file again") from None
        if not np.isfinite(numbers).all():
            raise ZooError(f"{self._place} has a number that is not finite; leave out or replace this network")
        return numbers


@dataclass(frozen=True)
class StoredLayer:
    """The arrays of one layer, in Keras' order."""

    name: str
    arrays: tuple[StoredArray, ...]


@contextmanager
def stored_layers(path: Path) -> Iterator[list[StoredLayer]]:
    """Open a weight file while the block runs.

    Yields
    ------
    list of StoredLayer
        The layers that have weights, in the network's order.

    Raises
    ------
    ZooError
        If the file is damaged; the message names it.
    """
    try:
        file = h5py.File(path, "r")
    except (OSError, RuntimeError) as error:
        raise ZooError(f"{path}: not a readable HDF5 file ({error}); fetch the file again") from None
    with file:
        try:
            layers = _layers(path, file)
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise ZooError(f"{path}: damaged HDF5 ({error}); fetch the file again") from None
        yield layers


def _layers(path: Path, file: h5py.File) -> list[StoredLayer]:
    root = file if _names(file, _LAYER_NAMES) is not None else _step(path, file, _ANOTHER_PLACE)
    names = _names(root, _LAYER_NAMES) if isinstance(root, h5py.Group) else None
    if names is None:
        raise ZooError(f"{path}: no attribute {_LAYER_NAMES}, so these are no weights saved by Keras")
    layers = []
    for name in names:
        group = _inside(path, root, name)
        weights = _names(group, _WEIGHT_NAMES) if isinstance(group, h5py.Group) else None
        if weights is None:
            raise ZooError(f"{path}: the layer {name} has no attribute {_WEIGHT_NAMES}; fetch the file again")
        if weights:
            layers.append(StoredLayer(name, tuple(_array(path, group, name, weight) for weight in weights)))
    return layers


def _array(path: Path, group: h5py.Group, layer: str, name: str) -> StoredArray:
    found = _inside(path, group, name)
    place = f"{layer}/{name}"
    if not isinstance(found, h5py.Dataset) or found.shape is None or found.dtype.kind != "f":
        raise ZooError(f"{path}: {place} is no array of floating-point numbers")
    if found.external or found.is_virtual:
        raise ZooError(
            f"{path}: {place} keeps its numbers in another file, which is not allowed; save them in this one"
        )
    return StoredArray(path, place, found)


def _inside(path: Path, group: object, name: str) -> object:
    for part in name.split("/"):
        group = _step(path, group, part)
    return group


def _step(path: Path, group: object, name: str) -> object:
    """Return the member `name` of a group, unless it is a soft or external link."""
    if not isinstance(group, h5py.Group) or not name or name not in group:
        raise ZooError(f"{path}: {name or 'a group without a name'} is missing in it; fetch the file again")
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ZooError(f"{path}: {name} is a link, which is not followed; save the weights themselves")
    return group[name]


def _names(group: h5py.Group, attribute: str) -> list[str] | None:
    """Return the texts of an attribute, or None; Keras splits a long one in pieces (`weight_names0`, …)."""
    if attribute in group.attrs:
        return _texts(group.attrs[attribute])
    pieces: list[str] = []
    while (piece := f"{attribute}{len(pieces)}") in group.attrs:
        pieces.append(piece)
    return [text for piece in pieces for text in _texts(group.attrs[piece])] if pieces else None


def _texts(values: object) -> list[str]:
    """Decode an attribute: HDF5 has byte and Unicode texts, and an empty list is an empty array of numbers."""
    return [value.decode() if isinstance(value, bytes) else str(value) for value in np.atleast_1d(np.asarray(values))]
