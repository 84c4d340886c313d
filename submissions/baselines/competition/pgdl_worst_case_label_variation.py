"""WCV as the program of PGDL's third place computes it, for comparing with the competition's numbers.

Formula: the largest trace(Sᵀ L_l S) / 2000 over the inputs of the last ⌊k / 3⌋ + 1 of k Keras layers l, for one-hot
labels S and the normalised Laplacian L_l of the symmetric graph that joins each example with its nearest neighbour (by
a Gaussian kernel of the directions). The first 50 examples of each of the first ten classes.
With fewer classes it takes all that have examples, and with fewer examples as many of each as the smallest has; the
program fails there.
Differs from "Worst-case label variation": that counts activations as layers, and divides the variation by the weight of
a graph weighted by cosines, as in the paper.
Source: Lassance et al. 2021, "Ranking Deep Learning Generalization using Label Variation in Latent Geometry
Graphs" (WCV), and their program.
Cost: one forward pass over at most 500 training examples.
Higher: neighbours with other labels, so a larger expected gap.
"""

import torch
from gengap_measures import (
    Dataset,
    keras_layers,
    label_signal,
    layer_inputs,
    members_of_classes,
    nearest_graph,
    normalised_smoothness,
    symmetric,
)
from torch import nn

NAME = "Worst-case label variation (PGDL)"
SOURCE = "Lassance et al. 2021"
TRACK = "standard"
COST = "s"

CLASSES = 10
PER_CLASS = 50


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The largest smoothness. Raises ValueError for a network that is no chain of layers."""
    members = members_of_classes(dataset, min(CLASSES, dataset.classes))
    per_class = min([PER_CLASS, *map(len, members)])
    chosen = torch.cat([own[:per_class] for own in members])
    signal = label_signal(dataset.labels[chosen], dataset.classes)
    count = len(keras_layers(model))
    places = range(count - (count // 3 + 1), count)
    points = layer_inputs(model, dataset.inputs[chosen], places)
    return max(normalised_smoothness(symmetric(nearest_graph(layer.flatten(1))), signal) for layer in points)
