"""How far training inputs lie from the decision boundary along directions in which the data vary.

Formula: minus the mean over training examples of (z_y - max of the other z) / ||P ∇(z_y - max of the other
z)||, the first-order distance to the boundary within the space of the data's first principal components (P
projects onto it). Their number is at the elbow of the cumulated variance: where it lies farthest above the
straight line.
Source: Mouton, Theunissen and Davel 2024, "Input Margins Can Predict Generalization Too" (their constrained
margin, with its first step only: they repeat it until the boundary is reached).
Cost: a forward and a backward pass over at most 500 training examples, and their principal components.
Higher: inputs nearer to the boundary, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, input_gradients, some
from torch import Tensor, nn

NAME = "Constrained input margin"
SOURCE = "Mouton et al. 2024"
TRACK = "standard"
COST = "m"

EXAMPLES = 500
SMALLEST_LENGTH = 1e-7


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """Minus the mean distance in the principal subspace."""
    inputs, labels = some(dataset, EXAMPLES)
    margins, gradients = input_gradients(model, inputs, labels)
    along = gradients @ principal_directions(inputs.flatten(1).double())
    return -float((margins / (along.norm(dim=1) + SMALLEST_LENGTH)).mean())


def principal_directions(points: Tensor) -> Tensor:
    """The leading principal directions of (n, features) as columns, up to the elbow of the cumulated variance."""
    _, lengths, directions = torch.linalg.svd(points - points.mean(dim=0), full_matrices=False)
    explained = lengths.square().cumsum(0) / lengths.square().sum().clamp(min=1e-300)
    straight = torch.arange(1, len(lengths) + 1) / len(lengths)
    leading: Tensor = directions[: int((explained - straight).argmax()) + 1]
    return leading.T
