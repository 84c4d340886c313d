"""How little noise in proportion to the weights it takes to hurt the network.

Formula: 1 / σ², σ the largest one at which noise N(0, σ² w_i² + ε²) in every parameter costs at most 10 % of training
accuracy on average over ten draws; ε = 0.001.
Source: "PAC-Bayes magnitude flatness" in Jiang et al. 2020, eq. 61.
Cost: about 150 forward passes over at most 1000 training examples.
Higher: a sharper minimum, so a larger expected gap. Scaling the weights of a ReLU network's layers against each other
hardly changes it.
"""

from gengap_measures import Dataset, flat, noise_tolerance, some
from torch import nn

NAME = "PAC-Bayes magnitude flatness"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "m"

EXAMPLES = 1000
EPSILON = 1e-3


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """One over the tolerated variance."""
    squares = flat(model).square()
    sigma = noise_tolerance(model, *some(dataset, EXAMPLES), lambda scale: (scale**2 * squares + EPSILON**2).sqrt())
    return 1 / sigma**2
