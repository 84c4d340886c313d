"""VR as the program of PGDL's third place computes it, for comparing with the competition's numbers.

Formula: the median over at most eleven batches of 500 in stored order of the mean of |v_{l+1} - v_l| over the inputs of
the last two Keras layers and the output, v_l = trace(Sᵀ L_l S) / 100,000 for one-hot labels S and the Laplacian L_l
of the symmetric graph that joins each example with its 20 nearest neighbours, weighted by cosines (negative ones as
0). A last batch of fewer is left out.
With fewer than 500 examples (the program fails there) it takes one batch of all.
Differs from "Label variation rate": that reads hidden layers, however many layers without weights there are between,
and divides the variation by the graph's weight, as in the paper.
Source: Lassance et al. 2021, "Ranking Deep Learning Generalization using Label Variation in Latent Geometry
Graphs" (VR), and their program.
Cost: one forward pass over at most 5500 training examples.
Higher: the last layers do more of the work, so a larger expected gap.
"""

from itertools import pairwise
from statistics import median

from gengap_measures import Dataset, keras_layers, label_signal, layer_inputs, similarity_graph
from torch import Tensor, nn

NAME = "Label variation rate (PGDL)"
SOURCE = "Lassance et al. 2021"
TRACK = "standard"
COST = "m"

EXAMPLES = 500
BATCHES = 11
NEIGHBOURS = 20
NORMALIZER = 2 * 50 * 1000


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The median rate. Raises ValueError for a network that is no chain of layers."""
    size = min(EXAMPLES, len(dataset.labels))
    number = min(BATCHES, len(dataset.labels) // size)
    return median(rate(model, dataset, slice(start * size, (start + 1) * size)) for start in range(number))


def rate(model: nn.Module, dataset: Dataset, batch: slice) -> float:
    """The mean change of the variation, of one batch."""
    count = len(keras_layers(model))
    signal = label_signal(dataset.labels[batch], dataset.classes)
    points = layer_inputs(model, dataset.inputs[batch], range(max(0, count - 2), count + 1))
    variations = [variation(layer.flatten(1), signal) for layer in points]
    changes = [abs(later - earlier) for earlier, later in pairwise(variations)]
    return sum(changes) / len(changes)


def variation(points: Tensor, signal: Tensor) -> float:
    """trace(Sᵀ L S) over the program's constant."""
    edges = similarity_graph(points, NEIGHBOURS).double()
    smooth = edges.sum(dim=1)[:, None] * signal - edges @ signal
    return float((signal * smooth).sum()) / NORMALIZER
