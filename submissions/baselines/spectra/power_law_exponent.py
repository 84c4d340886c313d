"""How heavy the tails of the layers' eigenvalues are: WeightWatcher's α.

Formula: the mean over layers of the exponent α of a power law fitted to the eigenvalues of Wᵀ W above a smallest one,
which is chosen so that the (two-sided) Kolmogorov-Smirnov distance is least: α = 1 + n / sum of log(λ / λ_min). A
convolution's eigenvalues are those of all its (out, in) slices together. Layers with fewer than eight are left out, and
tails of fewer than four.
Source: Martin and Mahoney 2021, "Implicit Self-Regularization in Deep Neural Networks"; the fit: Clauset, Shalizi and
Newman 2009, "Power-Law Distributions in Empirical Data", eq. 3.1 and 3.9. The package `weightwatcher` compares the two
distribution functions on one side of each step, and also tries tails of two and three.
Cost: a singular value decomposition of each weight; the data are not looked at.
Higher: lighter tails, layers that have learnt less structure, so a larger expected gap.
"""

from gengap_measures import Dataset, power_laws
from torch import nn

NAME = "Power-law exponent"
SOURCE = "Martin and Mahoney 2021"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The mean exponent. Raises ValueError if every layer has too few eigenvalues for a fit."""
    laws = power_laws(model)
    return sum(law.exponent for law in laws) / len(laws)
