"""VPM as the program of PGDL's third place computes it with one graph, for comparing with the competition's numbers.

Formula: trace(Sᵀ L S) / 2000 for mixtures λ x + (1 - λ) x' of random pairs of 500 / C examples of each of C classes, λ
from Beta(2, 2), their labels S mixed alike, and the normalised Laplacian L of the directed graph that joins each with
its nearest neighbour (by a Gaussian kernel of the directions) at the input of Keras' last layer, flattened.
Draws are the same for every network; the program's differ from run to run.
Differs from "Label variation of mixtures": that has a symmetric graph weighted by cosines, divides by its weight, and
averages features over positions, as in the paper.
Source: Lassance et al. 2021, "Ranking Deep Learning Generalization using Label Variation in Latent Geometry
Graphs" (VPM, G = 1), and their program.
Cost: one forward pass over 500 mixed inputs.
Higher: neighbours with other labels, so a larger expected gap.
"""

from gengap_measures import Dataset, smoothness_of_mixtures
from torch import nn

NAME = "Label variation of mixtures (PGDL)"
SOURCE = "Lassance et al. 2021"
TRACK = "standard"
COST = "s"

EXAMPLES = 500


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The mixtures' smoothness. Raises ValueError for a network that is no chain of layers."""
    per_class = max(1, EXAMPLES // dataset.classes)
    return smoothness_of_mixtures(model, dataset, dataset.classes, per_class, graphs=1)
