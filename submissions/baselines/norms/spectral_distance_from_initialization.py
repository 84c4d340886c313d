"""How far training moved the layers' weights, each measured by its largest change of any input.

Formula: sum over weight layers of ||W - W0||_2², exact for convolutions as linear maps with circular padding (Sedghi
et al. 2019).
Source: "distance of spectral from init" in Jiang et al. 2020, eq. 41.
Cost: one decomposition for each frequency of each convolution; one training example is looked at, for sizes. Needs the
initial weights.
Higher: training had to go farther to fit the data, so a larger expected gap.
"""

from gengap_measures import Dataset, spectral_distances
from torch import nn

NAME = "Spectral distance from initialization"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The sum of squared spectral distances. Raises ValueError without initial weights."""
    return sum(distance**2 for distance in spectral_distances(model, dataset.inputs))
