"""Writing an architecture layer by layer, with the shape that each layer leaves. Called by this package's families."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from model_zoo.recipes.hyperparameters import Hyperparameters

Layer = dict[str, object]

_WIDEST = 2**20
_TOLERANCE = 0.02


@dataclass(frozen=True)
class Declaration:
    """An architecture and, by index of its outermost layers, the size of the outputs that dropout follows in training.

    The size counts all numbers of one example: C·H·W of an image. Dropout is no layer of the architecture: its
    probability is hidden from measures.
    """

    architecture: Mapping[str, object]
    dropout_after: Mapping[int, int]


@dataclass(frozen=True)
class Family:
    """`declare(input shape, classes, hyperparameters)`, and the names of the hyperparameters it reads.

    `declare` raises ValueError where the hyperparameters do not go together or do not suit the inputs.
    """

    declare: Callable[[Sequence[int], int, Hyperparameters], Declaration]
    hyperparameters: frozenset[str]


class Sketch:
    """The layers written so far. `shape` is that of one example after them: (C, H, W), or (features,)."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(shape)
        self.layers: list[Layer] = []
        self.parameters = 0
        self._dropout_after: dict[int, int] = {}

    def add(self, kind: str, **keywords: object) -> None:
        """A layer that leaves the shape as it is and has no parameters."""
        self.layers.append({"type": kind, **keywords})

    def convolution(self, outputs: int, kernel: int = 3, stride: int = 1, bias: bool = True) -> None:
        """A convolution of odd kernel, padded so that it halves the image only by its stride."""
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
        """Batch norm over the channels."""
        self.add("batchnorm2d", features=self.shape[0])
        self.parameters += 2 * self.shape[0]

    def pool(self) -> None:
        """2×2 max-pooling."""
        channels, rows, columns = self.shape
        if min(rows, columns) < 2:
            raise ValueError(f"too many poolings for images that are {rows}×{columns} by now")
        self.add("maxpool2d", kernel=2)
        self.shape = (channels, rows // 2, columns // 2)

    def global_average(self) -> None:
        """The mean of each channel: (C, H, W) → (C,)."""
        self.add("globalavgpool2d")
        self.shape = (self.shape[0], 1, 1)
        self.flatten()

    def flatten(self) -> None:
        """(C, H, W) → (C·H·W,)."""
        self.add("flatten")
        self.shape = (self.size,)

    def linear(self, outputs: int) -> None:
        """A linear layer with bias over the last dimension."""
        *outer, inputs = self.shape
        self.add("linear", inputs=inputs, outputs=outputs)
        self.parameters += outputs * (inputs + 1)
        self.shape = (*outer, outputs)

    def drop(self) -> None:
        """Dropout in training after the last layer so far."""
        self._dropout_after[len(self.layers) - 1] = self.size

    @property
    def size(self) -> int:
        """The numbers of one example."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    def declaration(self) -> Declaration:
        """The whole."""
        return Declaration({"family": "sequential", "layers": self.layers}, self._dropout_after)


def of_parameters(parameters: int, sketch: Callable[[int], Sketch]) -> Sketch:
    """The sketch of the width that comes closest to so many parameters; `sketch(width)` grows with the width.

    Raises ValueError where none comes within 2 %.
    """
    low, high = 1, _WIDEST
    while low < high:  # the least width with at least so many parameters
        middle = (low + high) // 2
        low, high = (low, middle) if sketch(middle).parameters >= parameters else (middle + 1, high)
    closest = min((sketch(max(1, low - 1)), sketch(low)), key=lambda made: abs(made.parameters - parameters))
    if abs(closest.parameters - parameters) > _TOLERANCE * parameters:
        raise ValueError(f"parameters = {parameters}: no width comes within 2 %, the closest has {closest.parameters}")
    return closest
