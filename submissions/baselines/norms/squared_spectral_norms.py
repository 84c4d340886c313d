"""The squared spectral norms of the layers as the linear maps they are, convolutions exactly.

Formula: sum over weight layers of ||W||_2², with batch norm folded into the layer before it. The norm of a
convolution is that of the map from images to images with circular padding, found by the Fourier transform, not that
of its reshaped kernel.
Source: Yoshida and Miyato 2017, "Spectral Norm Regularization for Improving the Generalizability of Deep Learning";
the exact norm: Sedghi, Gupta and Long 2019, "The Singular Values of Convolutional Layers".
Cost: one decomposition for each frequency of each convolution; one training example is looked at, for sizes.
Higher: layers that can amplify differences more, so a larger expected gap.
"""

from gengap_measures import Dataset, linear_maps
from torch import nn

NAME = "Squared spectral norms"
SOURCE = "Yoshida and Miyato 2017"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The sum of squared spectral norms."""
    return sum(layer.spectral**2 for layer in linear_maps(model, dataset.inputs))
