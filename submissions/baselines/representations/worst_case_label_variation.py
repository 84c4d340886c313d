"""WCV: the most that labels vary between nearest neighbours in any of the last third of the layers.

Formula: the largest of trace(Sᵀ L_l S) / total edge weight over the last third of the hidden layers l (at least
one), for one-hot labels S and the Laplacian L_l of the graph that joins each example with its nearest neighbour
by cosine similarity in layer l. At most 50 examples of each class.
Source: Lassance et al. 2021, "Ranking Deep Learning Generalization using Label Variation in Latent Geometry
Graphs" (WCV).
Cost: one forward pass over at most 500 training examples.
Higher: neighbours with other labels, so a larger expected gap.
"""

from gengap_measures import (
    Dataset,
    activations,
    hidden_layers,
    label_signal,
    label_variation,
    neighbour_graph,
    some_of_each_class,
)
from torch import nn

NAME = "Worst-case label variation"
SOURCE = "Lassance et al. 2021"
TRACK = "standard"
COST = "s"

EXAMPLES = 500
NEIGHBOURS = 1


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The largest label variation, from 0 to 1."""
    inputs, labels = some_of_each_class(dataset, max(2, EXAMPLES // dataset.classes))
    signal = label_signal(labels, dataset.classes)
    hidden = hidden_layers(model)
    points = activations(model, inputs, hidden[-(len(hidden) // 3 + 1) :])
    return max(label_variation(neighbour_graph(layer, NEIGHBOURS), signal) for layer in points)
