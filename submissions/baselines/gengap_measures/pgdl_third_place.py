"""How smooth labels are on graphs of examples, as the program of PGDL's third place computes it.

Lassance, Béthune, Bontonou, Hamidouche and Gripon 2021, "Ranking Deep Learning Generalization using Label Variation in
Latent Geometry Graphs", team BrAIn. Graphs are computed in the network's own precision, as there: in collapsed layers
it decides which neighbours count as equally near. Measures of the group `competition` call it.
"""

import numpy as np
import torch
from gengap_measures.data import Dataset
from gengap_measures.graphs import label_signal
from gengap_measures.keras_layers import keras_layers, layer_inputs
from gengap_measures.tensorflow_shuffle import buffered_order
from torch import Tensor, nn

BUFFER = 100
_NORMALIZER = 2 * 2 * 500
_LARGEST = 1000.0
_SHORTEST = 1e-12


def smoothness_of_mixtures(model: nn.Module, dataset: Dataset, classes: int, per_class: int, graphs: int) -> float:
    """The median over graphs of the labels' smoothness on mixtures at the last layer's input: VPM.

    classes: how many, from 0 on; one without examples is left out. Draws come from a generator of its own and are the
    same for every network. A place of the batch keeps its share in all graphs, as in the program.
    """
    generator = torch.Generator().manual_seed(0)
    last = len(keras_layers(model)) - 1
    members = members_of_classes(dataset, classes)
    drawn = torch.cat([_drawn(own, graphs, per_class, generator) for own in members], dim=1)
    # The middle one of three uniform numbers is Beta(2, 2).
    share = torch.rand(drawn.shape[1], 3, generator=generator).median(dim=1).values
    weights = share.view(-1, *[1] * (dataset.inputs.dim() - 1)).to(dataset.inputs.dtype)
    found = []
    for chosen in drawn:
        partners = torch.randperm(len(chosen), generator=generator)
        inputs, signal = dataset.inputs[chosen], label_signal(dataset.labels[chosen], dataset.classes)
        mixed = weights * inputs + (1 - weights) * inputs[partners]
        mixed_signal = share.double()[:, None] * signal + (1 - share.double())[:, None] * signal[partners]
        (points,) = layer_inputs(model, mixed, [last])
        found.append(normalised_smoothness(nearest_graph(points.flatten(1)), mixed_signal))
    return float(torch.tensor(found, dtype=torch.float64).quantile(0.5))


def members_of_classes(dataset: Dataset, classes: int) -> list[Tensor]:
    """The places of the examples of each class that has any, from class 0 to `classes` - 1."""
    members = [(dataset.labels == label).nonzero()[:, 0] for label in range(classes)]
    return [own for own in members if len(own)]


def _drawn(members: Tensor, graphs: int, per_class: int, generator: torch.Generator) -> Tensor:
    picks = torch.randint(BUFFER, (graphs * per_class,), generator=generator).tolist()
    return members[buffered_order(len(members), picks, BUFFER)].view(graphs, per_class)


def nearest_graph(points: Tensor) -> Tensor:
    """The directed graph, bool (n, n), from each point to its nearest in direction, or several that are as near.

    Raises ValueError if all points have one direction.
    """
    directions = _unit_rows(points)
    lengths = (directions * directions).sum(dim=1)
    squares = lengths[:, None] - 2 * directions @ directions.T + lengths
    scale = 3 * float(squares.std(correction=0))
    if scale == 0:
        raise ValueError("all examples have the same representation in a layer, so that no neighbours are nearest")
    return _thresholded(torch.exp(-squares / scale), 1)


def similarity_graph(points: Tensor, neighbours: int) -> Tensor:
    """The symmetric graph (n, n) of each point's nearest in direction, with cosines between 0 and 1 as weights."""
    directions = _unit_rows(points)
    similarity = (directions @ directions.T).clamp_(0, 1)
    return similarity * symmetric(_thresholded(similarity, min(neighbours, len(points) - 1)))


def symmetric(graph: Tensor) -> Tensor:
    """The bool graph with each edge in both directions."""
    return graph | graph.T


def normalised_smoothness(graph: Tensor, signal: Tensor) -> float:
    """trace(Sᵀ L S) / 2000 for the normalised Laplacian of a graph in which every point has an edge; at most 1000."""
    edges = graph.double()
    scale = edges.sum(dim=1).rsqrt()
    smooth = signal - scale[:, None] * (edges @ (scale[:, None] * signal))
    return min(max(float((signal * smooth).sum()) / _NORMALIZER, 0.0), _LARGEST)


def _unit_rows(points: Tensor) -> Tensor:
    return points * (points * points).sum(dim=1, keepdim=True).clamp(min=_SHORTEST).rsqrt()


def _thresholded(similarity: Tensor, neighbours: int) -> Tensor:
    """Whether an entry is at least its row's largest but for `neighbours`; never on the diagonal."""
    place = similarity.shape[1] - neighbours - 1
    least = np.partition(similarity.numpy(), place, axis=1)[:, place, None]  # five times as fast as torch's topk
    return (similarity >= torch.from_numpy(least)).fill_diagonal_(fill_value=False)
