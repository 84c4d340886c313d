"""Intra-class clustering seen by single neurons: how much they vary within a class. The paper's c3.

Formula: minus the mean over classes c of the mean of the largest N/C of σ_c / σ over all N neurons before their
activation, σ_c the standard deviation of a neuron (averaged over positions) over the examples of class c, σ
that over all examples, for C classes.
Source: Carbonnelle and De Vleeschouwer 2021, "Intraclass Clustering: an Implicit Learning Ability that
Regularizes DNNs" (c3, neuron level).
Cost: one forward pass over at most 2000 training examples.
Higher: fewer neurons that see structure within a class, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, activations, pooled, some, weight_layers
from torch import nn

NAME = "Intra-class selectivity"
SOURCE = "Carbonnelle and De Vleeschouwer 2021"
TRACK = "standard"
COST = "s"

EXAMPLES = 2000


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """Minus the mean selectivity of the most selective neurons."""
    inputs, labels = some(dataset, EXAMPLES)
    layers = weight_layers(model)
    neurons = torch.cat(activations(model, inputs, layers[:-1] or layers, pooled), dim=1)
    spread = neurons.std(dim=0, correction=0) + 1e-7
    most = max(1, round(neurons.shape[1] / dataset.classes))
    selectivity = [
        (neurons[labels == label].std(dim=0, correction=0) / spread).topk(most).values.mean()
        for label in torch.unique(labels)
    ]
    return -float(torch.stack(selectivity).mean())
