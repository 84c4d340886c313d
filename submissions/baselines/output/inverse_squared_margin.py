"""One over the squared output margin: a network that separates its classes narrowly should generalize worse.

Formula: 1 / m², where m is the 10th percentile over training examples of the margin f(x)[y] - max over other
classes of f(x), f the logits. Margins below 0.001 count as 0.001, so that networks which misclassify a tenth
of their training data share the largest value of one million instead of looking good behind the square.
Source: "inverse margin" in Jiang et al. 2020, after Bartlett et al. 2017, "Spectrally-Normalized Margin
Bounds for Neural Networks".
Cost: one forward pass over the training data.
Higher: a narrower margin, so a larger expected gap.
"""

from gengap_measures import Dataset, training_margin
from torch import nn

NAME = "Inverse squared margin"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """One over the square of the margins' 10th percentile (linearly interpolated)."""
    return 1.0 / training_margin(model, dataset) ** 2
