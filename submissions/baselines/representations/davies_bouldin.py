"""How badly the classes' features cluster in the first hidden layer.

Formula: the Davies-Bouldin index of the first hidden layer's features (max-pooled four by four where they are
images): the mean over classes i of the largest (s_i + s_j) / d_ij, s the mean distance of a class's features to
their center, d the distance of two centers.
Source: Natekar and Sharma 2020, "Representation Based Complexity Measures for Predicting Generalization in Deep
Learning".
Cost: one forward pass over at most 1000 training examples.
Higher: classes that lie into each other, so a larger expected gap.
"""

from gengap_measures import Dataset, activations, davies_bouldin, hidden_layers, max_pooled, some
from torch import nn

NAME = "Davies-Bouldin index"
SOURCE = "Natekar and Sharma 2020"
TRACK = "standard"
COST = "s"

EXAMPLES = 1000


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The index. Raises ValueError if there are fewer than two classes, or two have one center."""
    inputs, labels = some(dataset, EXAMPLES)
    (features,) = activations(model, inputs, hidden_layers(model)[:1], max_pooled)
    return davies_bouldin(features, labels)
