"""Builds the declaration of an architecture layer by layer and keeps track of shapes and parameters."""

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from model_zoo.recipes.hyperparameters import Hyperparameters

Layer = dict[str, object]

_WIDEST = 2**20
_TOLERANCE = 0.02


@dataclass(frozen=True)
class Declaration:
    """An architecture, and after which layers dropout acts in training.

    Dropout is not part of the architecture, since its probability must stay hidden from measures.

    Attributes
    ----------
    architecture : mapping
        See docs/zoo-format.md.
    dropout_after : mapping of int to int
        By index of a top-level layer, the number of values of its output for one example, C·H·W for an image.
    """

    architecture: Mapping[str, object]
    dropout_after: Mapping[int, int]


@dataclass(frozen=True)
class Family:
    """A family of architectures.

    Attributes
    ----------
    declare : callable
        From (input shape, classes, hyperparameters) to a Declaration. Raises ValueError if the hyperparameters do not
        agree with each other or with the inputs.
    hyperparameters : frozenset of str
        Names of the hyperparameters that it uses.
    """

    declare: Callable[[Sequence[int], int, Hyperparameters], Declaration]
    hyperparameters: frozenset[str]


class Sketch:
    """An architecture being written; `shape` is the output of the layers so far: (C, H, W), or (features,)."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(shape)
        self.layers: list[Layer] = []
        self.parameters = 0
        self._dropout_after: dict[int, int] = {}

    def add(self, kind: str, **keywords: object) -> None:
        """Add a layer that keeps the shape and has no parameters."""
        self.layers.append({"type": kind, **keywords})

    def convolution(self, outputs: int, kernel: int = 3, stride: int = 1, bias: bool = True) -> None:
        """Add a convolution of odd kernel size, padded so that only its stride reduces the image."""
        inputs, rows, columns = self.shape
        padding = kernel // 2
        keywords: Layer = {"inputs": inputs, "outputs": outputs, "kernel": kernel}
        if stride > 1:
            keywords["stride"] = stride
        if padding:
            keywords["padding"] = padding
        self.add("conv2d", **keywords, bias=bias)
        self.parameters += outputs * (inputs * kernel**2 + bias)
        self.shape = (outputs, -(-rows // stride), -(-columns // stride))

    def batch_norm(self) -> None:
        """Add batch norm over the channels."""
        self.add("batchnorm2d", features=self.shape[0])
        self.parameters += 2 * self.shape[0]

    def pool(self) -> None:
        """Add 2×2 max-pooling. Raises ValueError for an image that is too small."""
        channels, rows, columns = self.shape
        if min(rows, columns) < 2:
            raise ValueError(f"too many poolings for images that are {rows}×{columns} by now")
        self.add("maxpool2d", kernel=2)
        self.shape = (channels, rows // 2, columns // 2)

    def global_average(self) -> None:
        """Add the mean of each channel: (C, H, W) → (C,)."""
        self.add("globalavgpool2d")
        self.shape = (self.shape[0], 1, 1)
        self.flatten()

    def flatten(self) -> None:
        """Add a flatten layer: (C, H, W) → (C·H·W,)."""
        self.add("flatten")
        self.shape = (self.size,)

    def linear(self, outputs: int) -> None:
        """Add a linear layer with bias over the last dimension."""
        *outer, inputs = self.shape
        self.add("linear", inputs=inputs, outputs=outputs)
        self.parameters += outputs * (inputs + 1)
        self.shape = (*outer, outputs)

    def drop(self) -> None:
        """Let dropout act after the last layer so far."""
        self._dropout_after[len(self.layers) - 1] = self.size

    @property
    def size(self) -> int:
        """Number of values of one example."""
        return math.prod(self.shape)

    def declaration(self) -> Declaration:
        """Return the finished declaration."""
        return Declaration({"family": "sequential", "layers": self.layers}, self._dropout_after)


def of_parameters(parameters: int, sketch: Callable[[int], Sketch]) -> Sketch:
    """Find the width whose number of parameters is closest to `parameters`.

    Parameters
    ----------
    parameters : int
    sketch : callable
        From a width to a Sketch, whose number of parameters increases with the width.

    Returns
    -------
    Sketch

    Raises
    ------
    ValueError
        If no width comes within 2 %.
    """
    # The least width with at least so many parameters.
    width = 1 + bisect.bisect_left(range(1, _WIDEST), parameters, key=lambda wide: sketch(wide).parameters)
    closest = min((sketch(max(1, width - 1)), sketch(width)), key=lambda made: abs(made.parameters - parameters))
    if abs(closest.parameters - parameters) > _TOLERANCE * parameters:
        raise ValueError(f"parameters = {parameters}: no width comes within 2 %, the closest has {closest.parameters}")
    return closest
