"""Intra-class clustering seen by whole layers: how unequal the distances within a class are. The paper's c4.

Formula: minus the mean over classes c of the largest over layers of s_c / s, with s_c the standard deviation of
the cosine distances between the examples of class c, and s that between all examples. Neurons (averaged over
positions, before their activation) are standardised, and only what exceeds their 75th percentile counts.
Source: Carbonnelle and De Vleeschouwer 2021, "Intraclass Clustering: an Implicit Learning Ability that
Regularizes DNNs" (c4, layer level).
Cost: one forward pass over at most 1000 training examples.
Higher: less structure within a class, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, activations, cosine_similarity, pooled, some, weight_layers
from torch import Tensor, nn

NAME = "Intra-class clustering"
SOURCE = "Carbonnelle and De Vleeschouwer 2021"
TRACK = "standard"
COST = "s"

EXAMPLES = 1000
PERCENTILE = 0.75


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """Minus the mean over classes of the clearest layer's ratio."""
    inputs, labels = some(dataset, EXAMPLES)
    layers = weight_layers(model)
    ratios = [spread_ratios(points, labels) for points in activations(model, inputs, layers[:-1] or layers, pooled)]
    return -float(torch.stack(ratios).amax(dim=0).mean())


def spread_ratios(points: Tensor, labels: Tensor) -> Tensor:
    """The standard deviation of cosine distances within each class that occurs, over that of all: (classes,)."""
    standardised = (points - points.mean(dim=0)) / (points.std(dim=0, correction=0) + 1e-7)
    peaks = (standardised - standardised.quantile(PERCENTILE, dim=0)).clamp(min=0)
    similarity = cosine_similarity(peaks)
    members = [labels == label for label in torch.unique(labels)]
    within = [similarity[chosen][:, chosen].std(correction=0) for chosen in members]
    return torch.stack(within) / (similarity.std(correction=0) + 1e-7)
