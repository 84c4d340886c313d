"""The winner's Davies-Bouldin index as its program computes it, for comparing with PGDL's numbers.

Formula: scikit-learn's Davies-Bouldin index, the mean over ten rounds of 120 shuffled examples, of the output of the
first Keras layer that has strides (a convolution or pooling; before batch norm and activation where these are layers
of their own), max-pooled four by four. The order is that of TensorFlow's shuffle, number by number.
Differs from "Davies-Bouldin index": that reads the first activation, and 1000 examples at once, so that it depends less
on the draw. Without a layer with strides (the program fails there) this one takes the first layer with weights.
Source: Natekar and Sharma 2020, "Representation Based Complexity Measures for Predicting Generalization in Deep
Learning", and their program.
Cost: at most 1200 training examples through the first layers.
Higher: classes that lie into each other, so a larger expected gap.
"""

from gengap_measures import Dataset, competition_index
from torch import nn

NAME = "Davies-Bouldin index (PGDL)"
SOURCE = "Natekar and Sharma 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The index. Raises ValueError where a round has one class only."""
    return competition_index(model, dataset)
