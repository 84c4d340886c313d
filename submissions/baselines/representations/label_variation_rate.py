"""VR: how much the variation of labels between neighbours changes from one of the last layers to the next.

Formula: the mean of |v_{l+1} - v_l| over the last three representations (the two last hidden layers and the
logits), v_l = trace(Sᵀ L_l S) / total edge weight for one-hot labels S and the Laplacian L_l of the graph that
joins each example with its 20 nearest neighbours by cosine similarity in layer l.
Source: Lassance et al. 2021, "Ranking Deep Learning Generalization using Label Variation in Latent Geometry
Graphs" (VR).
Cost: one forward pass over at most 500 training examples.
Higher: the last layers do more of the work, so a larger expected gap.
"""

from itertools import pairwise

from gengap_measures import (
    Dataset,
    activations,
    hidden_layers,
    label_signal,
    label_variation,
    logits,
    neighbour_graph,
    some,
)
from torch import nn

NAME = "Label variation rate"
SOURCE = "Lassance et al. 2021"
TRACK = "standard"
COST = "s"

EXAMPLES = 500
NEIGHBOURS = 20


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The mean change of the label variation, from 0 to 1."""
    inputs, labels = some(dataset, EXAMPLES)
    signal = label_signal(labels, dataset.classes)
    points = [*activations(model, inputs, hidden_layers(model)[-2:]), logits(model, inputs)]
    variations = [label_variation(neighbour_graph(layer, NEIGHBOURS), signal) for layer in points]
    changes = [abs(later - earlier) for earlier, later in pairwise(variations)]
    return sum(changes) / len(changes)
