"""The winner's label-wise mixup as its program computes it, for comparing with PGDL's numbers.

Formula: 1 - accuracy on (x + x') / 2 for all pairs x, x' of one label in a batch, the mean over ten batches and then
over classes. A batch has ten examples per class in stored order, from the start again at the data's end. The number
of classes is the largest label of 50 shuffled examples plus 1, as in the program. A class with fewer than two examples
in a batch is left out.
Differs from "Label-wise mixup": that counts the label's probability instead of accuracy, so that fewer networks tie,
and pairs examples of the whole data.
Source: Natekar and Sharma 2020, "Representation Based Complexity Measures for Predicting Generalization in Deep
Learning", and their program.
Cost: one forward pass over the pairs of each class in ten batches, 450 or so for each class.
Higher: less consistent between examples of one class, so a larger expected gap.
"""

from gengap_measures import Dataset, competition_mixup
from torch import nn

NAME = "Label-wise mixup (PGDL)"
SOURCE = "Natekar and Sharma 2020"
TRACK = "standard"
COST = "m"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """One minus the accuracy. Raises ValueError where no class has pairs in every batch."""
    return 1 - competition_mixup(model, dataset)
