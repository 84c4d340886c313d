"""How unsure a network is of averages of two training examples of one class.

Formula: 1 - mean probability that softmax gives to the label of (x + x') / 2, over pairs x, x' of one label. It
is 1 - accuracy on these mixtures, an ingredient of the winning solution, counted smoothly: networks trained
to the end on few data classify nearly every mixture, and plain accuracy would tie most of them at 1.
Source: Natekar and Sharma 2020, "Representation Based Complexity Measures for Predicting Generalization in
Deep Learning".
Pairs: example i of a class goes with the 1st, 2nd, ... next example of that class, around the circle, so that
every example is used equally often and every network sees the same pairs; nothing is drawn at random.
Cost: one forward pass over at most 4096 mixed inputs.
Higher: less certain between examples of one class, so a larger expected gap.
"""

from gengap_measures import Dataset, logits, same_label_pairs
from torch import nn

NAME = "Label-wise mixup"
SOURCE = "Natekar and Sharma 2020"
TRACK = "standard"
COST = "s"

PAIRS = 4096


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """One minus the mean probability of the shared label. Raises ValueError where no class has two examples."""
    first, second = same_label_pairs(dataset.labels, PAIRS)
    mixed = (dataset.inputs[first] + dataset.inputs[second]) / 2
    probabilities = logits(model, mixed).softmax(dim=1).gather(1, dataset.labels[first][:, None])
    return float((1 - probabilities).mean())
