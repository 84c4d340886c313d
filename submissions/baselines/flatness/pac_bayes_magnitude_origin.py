"""A PAC-Bayes bound whose noise is in proportion to the weights, with the weights' norm in the place of their way.

Formula: 1/4 · sum over parameters i of log((ε² + (σ² + 1) ||w||² / ω) / (ε² + σ² |w_i - w0_i|²)) + log(n / σ) +
10, for ω parameters and ε = 0.001; σ is the largest one at which noise N(0, σ² w_i² + ε²) costs at most 10 % of
training accuracy on average over ten draws.
Source: "PAC-Bayes magnitude origin" in Jiang et al. 2020, eq. 57; the distance in the denominator is theirs.
Cost: about 150 forward passes over at most 1000 training examples. Needs the initial weights.
Higher: a larger bound on the gap.
"""

import math

from gengap_measures import Dataset, flat, initial_of, noise_tolerance, some
from torch import nn

NAME = "PAC-Bayes magnitude origin"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "m"

EXAMPLES = 1000
EPSILON = 1e-3


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The bound without its constants. Raises ValueError without initial weights."""
    squares = flat(model).square()
    moved = (flat(model) - flat(initial_of(model))).square()
    sigma = noise_tolerance(model, *some(dataset, EXAMPLES), lambda scale: (scale**2 * squares + EPSILON**2).sqrt())
    above = EPSILON**2 + (sigma**2 + 1) * squares.mean()
    below = EPSILON**2 + sigma**2 * moved
    return 0.25 * float((above / below).log().sum()) + math.log(len(dataset.labels) / sigma) + 10
