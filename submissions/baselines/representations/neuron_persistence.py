"""How correlated the neurons are, seen by topology: how soon their graph of correlations hangs together.

Formula: minus the mean death of the zero-dimensional persistent homology of all hidden neurons (averaged over
positions) under the distance 1 - |correlation over the training examples|: minus the mean edge of their minimum
spanning tree.
Source: Ballester, Clemente, Casacuberta, Madadi, Corneanu and Escalera 2024, "Predicting the Generalization Gap
in Neural Networks using Topological Data Analysis" (dimension 0 of their diagrams; they fit a regression on
summaries of dimensions 0 and 1), and Ballester et al. 2023, "Decorrelating Neurons using Persistence", for the
sign.
Cost: one forward pass over at most 1000 training examples, and the correlations of at most 2000 neurons.
Higher: more redundant neurons, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, activations, evenly, hidden_layers, pooled, some
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree
from torch import nn

NAME = "Neuron persistence"
SOURCE = "Ballester et al. 2024"
TRACK = "standard"
COST = "m"

EXAMPLES = 1000
NEURONS = 2000
SMALLEST_DISTANCE = 1e-9  # a sparse zero is no edge


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """Minus the mean death time, between -1 and 0. Neurons that never change count as uncorrelated with all."""
    inputs, _ = some(dataset, EXAMPLES)
    neurons = torch.cat(activations(model, inputs, hidden_layers(model), pooled), dim=1)
    neurons = neurons[:, evenly(neurons.shape[1], NEURONS)]
    if neurons.shape[1] < 2:
        raise ValueError("this network has fewer than two hidden neurons, so none can be correlated")
    directions = torch.nn.functional.normalize(neurons - neurons.mean(dim=0), dim=0)
    apart = (1 - (directions.T @ directions).abs()).clamp(min=SMALLEST_DISTANCE)
    # Sparse: of a dense matrix, scipy takes what is close to zero for no edge, and equal neurons would stay apart.
    tree = minimum_spanning_tree(csr_array(apart.numpy()))
    return -float(tree.sum()) / (neurons.shape[1] - 1)
