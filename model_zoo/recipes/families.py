"""Families of architectures: from hyperparameters to a declaration. Recipes name them; the training calls them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Hyperparameters = Mapping[str, bool | int | float]
Layer = dict[str, object]


@dataclass(frozen=True)
class Declaration:
    """An architecture and, by layer index, the features of the layers that dropout follows in training.

    Dropout is no layer of the architecture: its probability is hidden from measures.
    """

    architecture: Mapping[str, object]
    dropout_after: Mapping[int, int]


@dataclass(frozen=True)
class Family:
    """`declare(input shape, classes, hyperparameters)`, and the names of the hyperparameters it reads."""

    declare: Callable[[Sequence[int], int, Hyperparameters], Declaration]
    hyperparameters: frozenset[str]


def _mlp(input_shape: Sequence[int], classes: int, hyperparameters: Hyperparameters) -> Declaration:
    """`depth` linear layers of `width` units, each with ReLU and dropout, then the linear classifier."""
    width, depth = int(hyperparameters["width"]), int(hyperparameters["depth"])
    channels, rows, columns = input_shape
    features = channels * rows * columns
    layers: list[Layer] = [{"type": "flatten"}]
    dropout_after: dict[int, int] = {}
    for _ in range(depth):
        layers += [{"type": "linear", "inputs": features, "outputs": width}, {"type": "relu"}]
        dropout_after[len(layers) - 1] = width
        features = width
    layers.append({"type": "linear", "inputs": features, "outputs": classes})
    return Declaration({"family": "sequential", "layers": layers}, dropout_after)


def _cnn(input_shape: Sequence[int], classes: int, hyperparameters: Hyperparameters) -> Declaration:
    """`depth` blocks of 3×3 convolution, batch norm if `batch_norm`, and ReLU, then the linear classifier.

    The first two blocks end in 2×2 max-pooling, after which the channels double from `width`. Dropout acts on
    the features before the classifier.
    """
    width, depth = int(hyperparameters["width"]), int(hyperparameters["depth"])
    batch_norm = bool(hyperparameters["batch_norm"])
    channels, rows, columns = input_shape
    layers: list[Layer] = []
    for block in range(depth):
        layers.append(
            {
                "type": "conv2d",
                "inputs": channels,
                "outputs": width,
                "kernel": 3,
                "padding": 1,
                "bias": not batch_norm,  # batch norm brings its own
            }
        )
        channels = width
        if batch_norm:
            layers.append({"type": "batchnorm2d", "features": channels})
        layers.append({"type": "relu"})
        if block < 2:
            layers.append({"type": "maxpool2d", "kernel": 2})
            rows, columns, width = rows // 2, columns // 2, width * 2
    layers.append({"type": "flatten"})
    features = channels * rows * columns
    dropout_after = {len(layers) - 1: features}
    layers.append({"type": "linear", "inputs": features, "outputs": classes})
    return Declaration({"family": "sequential", "layers": layers}, dropout_after)


FAMILIES: Mapping[str, Family] = {
    "mlp": Family(_mlp, frozenset({"width", "depth"})),
    "cnn": Family(_cnn, frozenset({"width", "depth", "batch_norm"})),
}
