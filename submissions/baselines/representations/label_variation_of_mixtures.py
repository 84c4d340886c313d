"""VPM: how labels vary between neighbours in the penultimate layer, for mixtures of examples.

Formula: trace(Sᵀ L S) / total edge weight, for mixtures λ x + (1 - λ) x' of random pairs with λ from Beta(2,
2), their labels S mixed alike, and the Laplacian L of the graph that joins each with its nearest neighbour by
cosine similarity in the penultimate layer.
Source: Lassance et al. 2021, "Ranking Deep Learning Generalization using Label Variation in Latent Geometry
Graphs" (VPM, third place of the competition; one graph).
Cost: one forward pass over at most 500 mixed inputs.
Higher: neighbours with other labels, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, label_signal, label_variation, neighbour_graph, penultimate, some_of_each_class
from torch import nn

NAME = "Label variation of mixtures"
SOURCE = "Lassance et al. 2021"
TRACK = "standard"
COST = "s"

EXAMPLES = 500
NEIGHBOURS = 1


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The label variation of the mixtures' graph, from 0 to about 1."""
    inputs, labels = some_of_each_class(dataset, max(2, EXAMPLES // dataset.classes))
    partners = torch.randperm(len(labels))
    share = torch.rand(len(labels), 3).median(dim=1).values  # the middle one of three uniform numbers is Beta(2, 2)
    weights = share.view(-1, 1, 1, 1)
    mixed = weights * inputs + (1 - weights) * inputs[partners]
    one_hot = label_signal(labels, dataset.classes)
    signal = share.double()[:, None] * one_hot + (1 - share.double())[:, None] * one_hot[partners]
    return label_variation(neighbour_graph(penultimate(model, mixed), NEIGHBOURS), signal)
