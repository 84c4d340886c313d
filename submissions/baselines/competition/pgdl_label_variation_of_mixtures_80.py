"""VPM with 80 graphs as the program of PGDL's third place computes it, for comparing with the competition's numbers.

Formula: the median over 80 graphs of trace(Sᵀ L S) / 2000 as in "Label variation of mixtures (PGDL)", with 50 examples
of each of the first ten classes and one λ for each place in the batch, the same in all graphs.
Differs from "Label variation of mixtures": that has one symmetric graph weighted by cosines, divides by its weight, and
averages features over positions, as in the paper.
Source: Lassance et al. 2021, "Ranking Deep Learning Generalization using Label Variation in Latent Geometry
Graphs" (VPM, G = 80), and their program.
Cost: one forward pass over 40,000 mixed inputs.
Higher: neighbours with other labels, so a larger expected gap.
"""

from gengap_measures import Dataset, smoothness_of_mixtures
from torch import nn

NAME = "Label variation of mixtures, 80 graphs (PGDL)"
SOURCE = "Lassance et al. 2021"
TRACK = "standard"
COST = "h"

CLASSES = 10
PER_CLASS = 50
GRAPHS = 80


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The median smoothness. Raises ValueError for a network that is no chain of layers."""
    return smoothness_of_mixtures(model, dataset, min(CLASSES, dataset.classes), PER_CLASS, GRAPHS)
