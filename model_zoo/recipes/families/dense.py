"""Families of fully connected networks: multilayer perceptrons and the linear classifier."""

from collections.abc import Sequence

from model_zoo.recipes.families.declaration import Declaration, Sketch, of_parameters
from model_zoo.recipes.hyperparameters import Hyperparameters


def mlp(input_shape: Sequence[int], classes: int, hyperparameters: Hyperparameters) -> Declaration:
    """Declare `depth` linear layers of `width` units, each with ReLU and dropout, then a linear classifier.

    Parameters
    ----------
    input_shape : sequence of int
        (C, H, W).
    classes : int
    hyperparameters : mapping
        `width` and `depth`.
    """
    return _mlp(input_shape, classes, int(hyperparameters["width"]), int(hyperparameters["depth"])).declaration()


def mlp_of_parameters(input_shape: Sequence[int], classes: int, hyperparameters: Hyperparameters) -> Declaration:
    """Declare an `mlp` of `depth` hidden layers whose width makes the number of parameters closest to `parameters`.

    Parameters
    ----------
    input_shape : sequence of int
        (C, H, W).
    classes : int
    hyperparameters : mapping
        `depth` and `parameters`.

    Raises
    ------
    ValueError
        If no width comes within 2 %.
    """
    depth = int(hyperparameters["depth"])
    parameters = int(hyperparameters["parameters"])
    return of_parameters(parameters, lambda width: _mlp(input_shape, classes, width, depth)).declaration()


def linear(input_shape: Sequence[int], classes: int, _hyperparameters: Hyperparameters) -> Declaration:
    """Declare a linear classifier. Dropout acts on the inputs."""
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
