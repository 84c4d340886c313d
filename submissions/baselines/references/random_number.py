"""A random number: what a measure that knows nothing scores.

Formula: a standard normal number from torch's generator, which Gengap seeds from the upload and the network.
Source: none; the floor that the zoo's check reports is an average over many such measures.
Cost: none; neither network nor data are looked at.
Higher: means nothing.
"""

import torch
from gengap_measures import Dataset
from torch import nn

NAME = "Random number"
SOURCE = "reference"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """A standard normal number."""
    return float(torch.randn((), dtype=torch.float64))
