"""The length of the weights in the geometry of the loss: how much the loss changes as all of them grow.

Formula: the mean over training examples of <θ, ∇_θ loss>², θ all parameters: θᵀ I θ for the empirical Fisher
information I. For L bias-free ReLU layers it is L² E <p - y, f>², with the logits f, their softmax p and the
one-hot label y.
Source: Liang, Poggio, Rakhlin and Stokes 2019, "Fisher-Rao Metric, Geometry, and Complexity of Neural
Networks".
Cost: one forward pass with a tangent over at most 2000 training examples.
Higher: a larger norm, so a larger expected gap. Scaling ReLU layers against each other does not change it.
"""

from gengap_measures import Dataset, derivative_along_weights, label_signal, some
from torch import nn

NAME = "Fisher-Rao norm"
SOURCE = "Liang et al. 2019"
TRACK = "standard"
COST = "s"

EXAMPLES = 2000


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The squared norm."""
    inputs, labels = some(dataset, EXAMPLES)
    outputs, slopes = derivative_along_weights(model, inputs)
    slope_of_loss = outputs.softmax(dim=1) - label_signal(labels, outputs.shape[1])
    return float((slope_of_loss * slopes).sum(dim=1).square().mean())
