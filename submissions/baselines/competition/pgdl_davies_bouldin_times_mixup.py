"""The winner of PGDL as its program computes it, for comparing with the competition's numbers.

Formula: DBI · (1 - m): DBI as in "Davies-Bouldin index (PGDL)", m the accuracy on averages of two examples of one class
as in "Label-wise mixup (PGDL)".
Differs from "Davies-Bouldin times mixup": that reads the first activation, takes all examples at once, and counts
probabilities instead of accuracy, so that fewer networks tie.
Source: Natekar and Sharma 2020, "Representation Based Complexity Measures for Predicting Generalization in Deep
Learning", and their program.
Cost: at most 1200 training examples through the first layers; one forward pass over the pairs of each class in ten
batches, 450 or so for each class.
Higher: worse separated and less consistent, so a larger expected gap.
"""

from gengap_measures import Dataset, competition_index, competition_mixup
from torch import nn

NAME = "Davies-Bouldin times mixup (PGDL)"
SOURCE = "Natekar and Sharma 2020"
TRACK = "standard"
COST = "m"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The product. Raises ValueError where a round has one class only, or no class has pairs in every batch."""
    return competition_index(model, dataset) * (1 - competition_mixup(model, dataset))
