"""How far training examples lie from the decision boundary, at the input and in hidden layers.

Formula: minus the mean, over the input and at most three hidden layers at even distances, of the mean of five
statistics (lower fence, quartiles, upper fence) of the normalised margins: (z_y - max of the other z) / length
of its gradient in the layer / square root of the layer's total variance.
Source: Jiang, Krishnan, Mobahi and Bengio 2019, "Predicting the Generalization Gap in Deep Networks with Margin
Distributions". They fit a weight for each statistic and layer to networks whose gaps are known; here all weigh
the same.
Cost: a forward and a backward pass over at most 1000 training examples for each layer.
Higher: examples nearer to the boundary, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, evenly, hidden_layers, normalised_margins, some
from torch import Tensor, nn

NAME = "Margin distribution"
SOURCE = "Jiang et al. 2019"
TRACK = "standard"
COST = "m"

EXAMPLES = 1000
LAYERS = 3


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """Minus the mean of the signatures."""
    inputs, labels = some(dataset, EXAMPLES)
    hidden = hidden_layers(model)
    layers = [None, *(hidden[i] for i in evenly(len(hidden), LAYERS).tolist())]
    means = [signature(normalised_margins(model, inputs, labels, layer)).mean() for layer in layers]
    return -float(torch.stack(means).mean())


def signature(margins: Tensor) -> Tensor:
    """Lower fence, first quartile, median, third quartile, upper fence of (n,) margins."""
    low, middle, high = margins.quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64))
    reach = 1.5 * (high - low)
    lowest, highest = margins[margins >= low - reach].min(), margins[margins <= high + reach].max()
    return torch.stack([lowest, low, middle, high, highest])
