"""The curvature of the training loss in its steepest direction.

Formula: the largest eigenvalue of the Hessian of the mean cross-entropy in all parameters, by at most 20 steps
of Lanczos.
Source: Keskar et al. 2017, "On Large-Batch Training for Deep Learning"; Jastrzębski et al. 2018, "Three Factors
Influencing Minima in SGD"; by Lanczos as in Ghorbani, Krishnan and Xiao 2019, "An Investigation into Neural Net
Optimization via Hessian Eigenvalue Density".
Cost: 20 Hessian-vector products over at most 500 training examples.
Higher: a sharper minimum, so a larger expected gap.
"""

from gengap_measures import Dataset, flat, hessian_product, lanczos, some
from torch import nn

NAME = "Hessian largest eigenvalue"
SOURCE = "Keskar et al. 2017"
TRACK = "standard"
COST = "m"

EXAMPLES = 500
STEPS = 20


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The largest eigenvalue."""
    product = hessian_product(model, *some(dataset, EXAMPLES))
    return float(lanczos(product, len(flat(model)), STEPS)[-1])
