"""Converts a PGDL network's config.json and weight files to a declaration and arrays for PyTorch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from model_zoo.architectures.layers import KERAS_LAYERS
from model_zoo.importers.plain_files import read_json
from model_zoo.importers.tensorflow_files.hdf5 import StoredLayer, stored_layers
from model_zoo.importers.tensorflow_files.keras_keywords import KeywordError, Keywords
from model_zoo.importers.tensorflow_files.keras_layers import LAYERS, Arrays, Network, Weighted
from model_zoo.manifest import ZooError

_MOST_LAYERS = 2000


@dataclass(frozen=True)
class KerasNetwork:
    """A network as config.json describes it.

    Attributes
    ----------
    architecture : mapping
        Declaration, see docs/zoo-format.md.
    input_shape : tuple of int
        (channels, rows, columns).
    classes : int
        Number of logits.
    """

    architecture: dict[str, object]
    input_shape: tuple[int, int, int]
    classes: int
    _weighted: tuple[Weighted, ...]

    def check(self, path: Path) -> None:
        """Raise ZooError unless a weight file has exactly this network's arrays. Reads no numbers."""
        with stored_layers(path) as layers:
            self._matched(path, layers)

    def weights(self, path: Path) -> Arrays:
        """Read a weight file under PyTorch's names and in its order. Raises ZooError."""
        arrays: dict[str, NDArray[Any]] = {}
        with stored_layers(path) as layers:
            for weighted, layer in self._matched(path, layers):
                try:
                    arrays |= weighted.convert([array.read() for array in layer.arrays])
                except KeywordError as error:
                    raise ZooError(f"{path}: {weighted.place}: {error}") from None
        return arrays

    def _matched(self, path: Path, layers: Sequence[StoredLayer]) -> list[tuple[Weighted, StoredLayer]]:
        if len(layers) != len(self._weighted):
            raise ZooError(
                f"{path}: {len(layers)} layers with weights, but config.json has {len(self._weighted)}; "
                "these are the weights of another network, or some are missing"
            )
        for weighted, layer in zip(self._weighted, layers, strict=True):
            if len(layer.arrays) != len(weighted.shapes):
                raise ZooError(
                    f"{path}: {weighted.place} needs {len(weighted.shapes)} arrays, but {layer.name} has "
                    f"{len(layer.arrays)}"
                )
            for array, shape in zip(layer.arrays, weighted.shapes, strict=True):
                if array.shape != shape:
                    raise ZooError(
                        f"{path}: {array.name} has the shape {array.shape}, but {weighted.place} needs {shape}"
                    )
        return list(zip(self._weighted, layers, strict=True))


def read_network(path: Path, task: str, name: str, *, with_keras_layers: bool = True) -> KerasNetwork:
    """Read a network's config.json. A softmax at the end is left out, so that the outputs are logits.

    Parameters
    ----------
    path : Path
    task, name : str
        Of the network, for messages.
    with_keras_layers : bool
        Whether the declaration says how many layers each of Keras' became, none for dropout.

    Returns
    -------
    KerasNetwork

    Raises
    ------
    ZooError
        If a layer is not supported; the message names task, network and layer.
    """
    content = read_json(path)
    layers = content.get("model_config") if isinstance(content, dict) else None
    if not isinstance(layers, list) or not 0 < len(layers) <= _MOST_LAYERS:
        raise ZooError(f"{path}: model_config must be a list of 1 to {_MOST_LAYERS} layers")
    network = Network(_input_shape(path, content))
    shape = network.picture()
    sizes: list[int] = []
    for index, layer in enumerate(layers):
        place = f"task {task}, network {name}, layer {index}"
        kind = layer.get("layer_name") if isinstance(layer, dict) else None
        if not isinstance(kind, str):
            raise ZooError(f"{path}: {place}: must be an object with a layer_name")
        translate = LAYERS.get(kind)
        if translate is None:
            raise ZooError(f"{path}: {place}: the layer {kind!r} is unknown; known are {', '.join(LAYERS)}")
        network.place = f"layer {index} ({kind})"
        before = len(network.layers)
        try:
            keywords = Keywords({key: value for key, value in layer.items() if key != "layer_name"})
            translate(network, keywords)
            keywords.require_all_taken()
        except KeywordError as error:
            raise ZooError(f"{path}: {place} ({kind}): {error}") from None
        sizes.append(len(network.layers) - before)
    return _finished(path, f"task {task}, network {name}", network, shape, sizes if with_keras_layers else None)


def _finished(
    path: Path, place: str, network: Network, shape: tuple[int, int, int], sizes: list[int] | None
) -> KerasNetwork:
    if network.layers and network.layers[-1] == {"type": "softmax"}:
        network.layers.pop()
        if sizes is not None:
            sizes[max(index for index, size in enumerate(sizes) if size)] -= 1
    if len(network.shape) != 1 or network.shape[0] < 2:
        raise ZooError(f"{path}: {place}: its outputs have the shape {network.shape}, not one number for each class")
    if network.flattened is not None:
        raise ZooError(f"{path}: {place}: class outputs that are pixels of a flattened image are not supported")
    rows, columns, channels = shape
    return KerasNetwork(
        architecture={"family": "sequential", "layers": network.layers}
        | ({} if sizes is None else {KERAS_LAYERS: sizes}),
        input_shape=(channels, rows, columns),
        classes=network.shape[0],
        _weighted=tuple(network.weighted),
    )


def _input_shape(path: Path, content: object) -> tuple[int, ...]:
    sizes = content.get("input_shape") if isinstance(content, dict) else None
    if (
        not isinstance(sizes, list)
        or len(sizes) != 3
        or not all(isinstance(size, int | float) and 1 <= size <= 2**16 and size == int(size) for size in sizes)
    ):
        raise ZooError(f"{path}: input_shape must be [rows, columns, channels], not {sizes!r}")
    return tuple(int(size) for size in sizes)
