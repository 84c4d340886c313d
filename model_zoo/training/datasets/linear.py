"""A noisy linear classification task, for which the true risk of any linear classifier is known."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import owens_t
from torch import nn

from model_zoo.manifest import DatasetCard, ZooError
from model_zoo.recipes.datasets import LinearData
from model_zoo.training.datasets.split import Split
from model_zoo.training.randomness import PartRandomness, Randomness


@dataclass(frozen=True)
class LinearRisk:
    """The probability that a linear network misclassifies a new example of the task.

    Attributes
    ----------
    direction : ndarray
        The teacher's unit vector u, (dimension,).
    noise : float
        Standard deviation of the noise that is added to u·x.
    """

    direction: NDArray[np.float64]
    noise: float

    def __call__(self, network: nn.Module) -> float:
        """Compute the risk of a network of flatten and linear layers with two outputs, else raise ZooError."""
        weight, bias = self._decision(network)
        length = float(np.linalg.norm(weight))
        if length == 0:
            return 0.5
        cosine = float(weight @ self.direction) / length
        # r with 1 - rho² as a sum of squares: near rho = 1 the difference would lose all its digits
        across = math.hypot(float(np.linalg.norm(weight / length - cosine * self.direction)), self.noise)
        slope = cosine / across if across else math.copysign(math.inf, cosine)
        return float(0.5 - 2 * owens_t(bias / length, slope))

    def _decision(self, network: nn.Module) -> tuple[NDArray[np.float64], float]:
        layers = list(network.children())
        if not isinstance(network, nn.Sequential) or not all(
            isinstance(layer, nn.Flatten | nn.Linear) for layer in layers
        ):
            raise ZooError("the true risk is known only for networks of linear layers; take the family linear")
        weight, bias = np.eye(len(self.direction)), np.zeros(len(self.direction))
        for layer in layers:
            if isinstance(layer, nn.Linear):
                matrix = _float64(layer.weight)
                weight, bias = matrix @ weight, matrix @ bias
                if layer.bias is not None:
                    bias = bias + _float64(layer.bias)
        if len(bias) != 2:
            raise ZooError(f"the true risk is known for two outputs, not {len(bias)}")
        return weight[1] - weight[0], float(bias[1] - bias[0])


def linear(data: LinearData, randomness: Randomness) -> Split:
    """Draw standard normal x with label 1 where u·x + noise·e > 0, else 0.

    Parameters
    ----------
    data : LinearData
    randomness : Randomness
        Of the unit vector u and of the examples.

    Returns
    -------
    Split
        Inputs (n, 1, 1, dimension); `true_risk` is set.
    """
    generator = randomness.generator("data")
    drawn = generator.standard_normal(data.dimension)
    risk = LinearRisk(drawn / np.linalg.norm(drawn), data.noise)
    sizes = (data.training_size, data.test_size)
    train, test = (_drawn(risk, *part) for part in zip(sizes, randomness.parts(generator), strict=True))
    return Split(
        card=DatasetCard(
            name="noisy linear task",
            source="drawn by Gengap",
            licence="CC0-1.0",
            text=f"Standard normal vectors of {data.dimension} numbers, labelled by the sign of a random direction's "
            f"product plus noise of standard deviation {data.noise:g}; {data.training_size} to train, "
            f"{data.test_size} to test. The true risk of a linear network is known in closed form.",
        ),
        classes=data.classes,
        train_inputs=train[0],
        train_labels=train[1],
        test_inputs=test[0],
        test_labels=test[1],
        true_risk=risk,
    )


def _drawn(risk: LinearRisk, size: int, randomness: PartRandomness) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    vectors = randomness.inputs.standard_normal((size, len(risk.direction))).astype(np.float32)
    labels = vectors @ risk.direction + risk.noise * randomness.labels.standard_normal(size) > 0
    return vectors[:, np.newaxis, np.newaxis], labels.astype(np.int64)


def _float64(parameter: torch.Tensor) -> NDArray[np.float64]:
    return parameter.detach().cpu().double().numpy()
