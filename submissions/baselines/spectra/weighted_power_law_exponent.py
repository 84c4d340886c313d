"""The tails of the layers' eigenvalues together with their scale: WeightWatcher's α̂.

Formula: the mean over layers of α log10 λ_max, α the exponent of a power law fitted to the eigenvalues of Wᵀ W above a
smallest one, which is chosen so that the (two-sided) Kolmogorov-Smirnov distance is least, λ_max the largest
eigenvalue. Layers with fewer than eight eigenvalues are left out, and tails of fewer than four.
Source: Martin, Peng and Mahoney 2021, "Predicting Trends in the Quality of State-of-the-Art Neural Networks
without Access to Training or Testing Data".
Cost: a singular value decomposition of each weight; the data are not looked at.
Higher: larger norms for the tails there are, so a larger expected gap.
"""

import math

from gengap_measures import Dataset, power_laws
from torch import nn

NAME = "Weighted power-law exponent"
SOURCE = "Martin et al. 2021"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The mean weighted exponent. Raises ValueError if every layer has too few eigenvalues for a fit."""
    laws = power_laws(model)
    return sum(law.exponent * math.log10(law.largest) for law in laws) / len(laws)
