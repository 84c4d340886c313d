"""Families of fully connected networks. `families` has them in its table."""

from collections.abc import Sequence

from model_zoo.recipes.families.declaration import Declaration, Sketch, of_parameters
from model_zoo.recipes.hyperparameters import Hyperparameters


def mlp(input_shape: Sequence[int], classes: int, hyperparameters: Hyperparameters) -> Declaration:
    """`depth` linear layers of `width` units, each with ReLU and dropout, then the linear classifier."""
    return _mlp(input_shape, classes, int(hyperparameters["width"]), int(hyperparameters["depth"])).declaration()


def mlp_of_parameters(input_shape: Sequence[int], classes: int, hyperparameters: Hyperparameters) -> Declaration:
    """An `mlp` of `depth` hidden layers, as wide as makes the number of parameters closest to `parameters`."""
    depth = int(hyperparameters["depth"])
    parameters = int(hyperparameters["parameters"])
    return of_parameters(parameters, lambda width: _mlp(input_shape, classes, width, depth)).declaration()


def linear(input_shape: Sequence[int], classes: int, _hyperparameters: Hyperparameters) -> Declaration:
    """The linear classifier alone. Dropout acts on the inputs."""
    sketch = Sketch(input_shape)
    sketch.flatten()
    sketch.drop()
    sketch.linear(classes)
    return sketch.declaration()


def _mlp(input_shape: Sequence[int], classes: int, width: int, depth: int) -> Sketch:
    sketch = Sketch(input_shape)
    sketch.flatten()
    for _ in range(depth):
        sketch.linear(width)
        sketch.add("relu")
        sketch.drop()
    sketch.linear(classes)
    return sketch
