"""How far averages of two training examples of one class lie from the decision boundary, in the first hidden layer.

Formula: minus the mean over pairs of one label of Δz / ||∇Δz|| in the first hidden layer, in units of the
square root of its features' mean variance; Δz is the logit of the label minus the largest other.
Source: Natekar and Sharma 2020, "Representation Based Complexity Measures for Predicting Generalization in Deep
Learning" (the margin of mixed-up data). Pairs are as in label-wise mixup, nothing is drawn at random.
Cost: a forward and a backward pass over at most 1000 mixed inputs.
Higher: mixtures nearer to the boundary, so a larger expected gap.
"""

from gengap_measures import Dataset, hidden_layers, normalised_margins, same_label_pairs
from torch import nn

NAME = "Mixup margin"
SOURCE = "Natekar and Sharma 2020"
TRACK = "standard"
COST = "s"

PAIRS = 1000


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """Minus the mean margin of mixtures. Raises ValueError where no class has two examples."""
    first, second = same_label_pairs(dataset.labels, PAIRS)
    mixed = (dataset.inputs[first] + dataset.inputs[second]) / 2
    layer = hidden_layers(model)[0]
    return -float(normalised_margins(model, mixed, dataset.labels[first], layer, per_feature=True).mean())
