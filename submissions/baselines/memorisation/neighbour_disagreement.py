"""How often the nearest training examples, seen by the penultimate layer, have another label.

Formula: the mean over training examples of the part of their ten nearest others (or half a class where classes
are smaller), by cosine similarity of penultimate features, that have another label: what a vote of neighbours
loses when an example is left out.
Source: k-nearest-neighbour proxy of the self-influence of Feldman and Zhang 2020, "What Neural Networks
Memorize and Why"; the closed form for neighbours: Jia et al. 2021, "Scalability vs. Utility".
Cost: one forward pass over at most 2000 training examples.
Higher: examples that stand alone and were memorised, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, cosine_similarity, penultimate, some
from torch import nn

NAME = "Neighbour disagreement"
SOURCE = "Feldman and Zhang 2020"
TRACK = "standard"
COST = "s"

EXAMPLES = 2000
NEIGHBOURS = 10


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The mean part of neighbours with another label, from 0 to 1."""
    inputs, labels = some(dataset, EXAMPLES)
    neighbours = max(1, min(NEIGHBOURS, len(labels) // (2 * dataset.classes)))
    similarity = cosine_similarity(penultimate(model, inputs)).fill_diagonal_(-torch.inf)
    nearest = similarity.topk(neighbours, dim=1).indices
    return float((labels[nearest] != labels[:, None]).double().mean())
