"""The two parts of PGDL's winning measure as its authors' program computes them.

Natekar and Sharma 2020, "Representation Based Complexity Measures for Predicting Generalization in Deep Learning",
team Interpex. Measures of the group `competition` call it.
"""

import torch
from gengap_measures.data import Dataset
from gengap_measures.keras_layers import first_strided_layer, layer_inputs
from gengap_measures.outputs import logits, max_pooled
from gengap_measures.statistics import class_centers, distances
from gengap_measures.tensorflow_shuffle import tensorflow_order
from torch import Tensor, nn

BUFFER = 5000
SEED = 1  # of the program's shuffle
GLOBAL_SEED = 0  # of TensorFlow when the reference values were computed; the program itself sets none
ROUNDS = 10
EXAMPLES = 120  # of a round: three batches of 40
CLASS_BATCH = 50  # the batch that says how many classes there are
BATCHES = 10
PER_CLASS = 10  # examples of a batch, on average
_VANISHING = 1e-8


def competition_index(model: nn.Module, dataset: Dataset) -> float:
    """The Davies-Bouldin index of the first layer with strides, the mean over ten rounds of 120 shuffled examples.

    Raises ValueError if a round has examples of one class only.
    """
    order = tensorflow_order(len(dataset.labels), ROUNDS * EXAMPLES, BUFFER, SEED, GLOBAL_SEED)
    used, places = torch.unique(order, return_inverse=True)
    (outputs,) = layer_inputs(model, dataset.inputs[used], [first_strided_layer(model) + 1])
    features, labels = max_pooled(outputs).double(), dataset.labels[used]
    indices = [scikit_davies_bouldin(features[chosen], labels[chosen]) for chosen in places.split(EXAMPLES)]
    return sum(indices) / ROUNDS


def scikit_davies_bouldin(points: Tensor, labels: Tensor) -> float:
    """As scikit-learn has it: a pair of classes with one center counts nothing, and without any spread it is 0."""
    present, centers = class_centers(points, labels)
    if len(present) < 2:
        raise ValueError("all these examples have one label, so there are no clusters to tell apart")
    pairs = zip(present, centers, strict=True)
    spread = torch.stack([distances(points[labels == y], center[None]).mean() for y, center in pairs])
    apart = distances(centers, centers)
    if float(spread.max()) <= _VANISHING or float(apart.max()) <= _VANISHING:
        return 0.0
    apart[apart == 0] = torch.inf
    return float(((spread[:, None] + spread) / apart).amax(dim=1).mean())


def competition_mixup(model: nn.Module, dataset: Dataset) -> float:
    """The accuracy on averages of two examples of a class: the mean over ten batches in stored order, then classes.

    All pairs of a batch's examples of a class. A class is left out if it has fewer than two in a batch. Raises
    ValueError if every class is.
    """
    count = len(dataset.labels)
    classes = 1 + int(dataset.labels[tensorflow_order(count, CLASS_BATCH, BUFFER, SEED, GLOBAL_SEED)].max())
    stream = torch.arange(BATCHES * PER_CLASS * classes) % count
    pairs, labels, shares = [], [], []
    for label in range(classes):
        members = [batch[dataset.labels[batch] == label] for batch in stream.chunk(BATCHES)]
        if min(map(len, members)) < 2:
            continue
        for own in members:
            pairs.append(torch.combinations(own.sort().values))
            labels.append(label)
    if not pairs:
        raise ValueError(
            f"no class has two examples in each of {BATCHES} batches of {PER_CLASS * classes} in a row, so there is "
            "nothing to mix"
        )
    mixed, places = torch.unique(torch.cat(pairs), dim=0, return_inverse=True)  # repeated data repeat their pairs
    first, second = mixed.T
    predicted = logits(model, (dataset.inputs[first] + dataset.inputs[second]) / 2).argmax(dim=1)
    for label, own in zip(labels, places.split([len(part) for part in pairs]), strict=True):
        shares.append(float((predicted[own] == label).double().mean()))
    return sum(shares) / len(shares)
