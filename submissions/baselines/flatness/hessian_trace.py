"""The curvature of the training loss summed over all directions.

Formula: the trace of the Hessian of the mean cross-entropy in all parameters, by Hutchinson's estimate with 30
random sign vectors.
Source: Yao, Gholami, Keutzer and Mahoney 2020, "PyHessian: Neural Networks Through the Lens of the Hessian"; as
a measure of flatness Dinh et al. 2017, "Sharp Minima Can Generalize for Deep Nets", discuss it.
Cost: 30 Hessian-vector products over at most 500 training examples.
Higher: a sharper minimum, so a larger expected gap.
"""

from gengap_measures import Dataset, flat, hessian_product, hutchinson, some
from torch import nn

NAME = "Hessian trace"
SOURCE = "Yao et al. 2020"
TRACK = "standard"
COST = "m"

EXAMPLES = 500
PROBES = 30


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The estimated trace."""
    product = hessian_product(model, *some(dataset, EXAMPLES))
    return hutchinson(product, len(flat(model)), PROBES)
