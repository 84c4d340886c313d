"""How small a change in proportion to each weight can hurt the network: worst-case sharpness, magnitude-aware.

Formula: 1 / α², α the largest one for which no point that is found in the box |u_i| ≤ α (|w_i| + ε) costs
more than 10 % of training accuracy; ε = 0.001. The points are found by climbing the loss along the gradient's
signs. In the paper's own box, α |w_i| + ε, ε alone breaks large networks whatever α is, and all of them tie.
Source: "sharpness magnitude flatness" in Jiang et al. 2020, eq. 62, after Keskar et al. 2017, "On Large-Batch
Training for Deep Learning".
Cost: about 100 gradients over at most 500 training examples.
Higher: a sharper minimum, so a larger expected gap.
"""

from gengap_measures import Dataset, flat, some, worst_case_tolerance
from torch import nn

NAME = "Worst-case magnitude sharpness"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "m"

EXAMPLES = 500
EPSILON = 1e-3


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """One over the squared α."""
    sizes = flat(model).abs()
    return 1 / worst_case_tolerance(model, *some(dataset, EXAMPLES), lambda scale: scale * (sizes + EPSILON)) ** 2
