"""The winner of the PGDL competition: how badly features cluster, times how unsure mixtures of one class are.

Formula: DBI · (1 - m): DBI the Davies-Bouldin index of the first hidden layer's features (max-pooled four by
four where they are images), m the mean probability that softmax gives to the label of averages of two examples
of one class. The competition's entry counts m by accuracy, which ties networks trained to the end on few data.
Source: Natekar and Sharma 2020, "Representation Based Complexity Measures for Predicting Generalization in Deep
Learning".
Cost: one forward pass over at most 1000 training examples and one over at most 2000 mixed ones.
Higher: worse separated and less consistent, so a larger expected gap.
"""

from gengap_measures import (
    Dataset,
    activations,
    davies_bouldin,
    hidden_layers,
    logits,
    max_pooled,
    same_label_pairs,
    some,
)
from torch import nn

NAME = "Davies-Bouldin times mixup"
SOURCE = "Natekar and Sharma 2020"
TRACK = "standard"
COST = "s"

EXAMPLES = 1000
PAIRS = 2000


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The product. Raises ValueError if there are fewer than two classes, or no class has two examples."""
    inputs, labels = some(dataset, EXAMPLES)
    (features,) = activations(model, inputs, hidden_layers(model)[:1], max_pooled)
    first, second = same_label_pairs(dataset.labels, PAIRS)
    mixed = (dataset.inputs[first] + dataset.inputs[second]) / 2
    sure = logits(model, mixed).softmax(dim=1).gather(1, dataset.labels[first][:, None])
    return davies_bouldin(features, labels) * float((1 - sure).mean())
