"""How high the ridge is between two networks that differ in their seed alone.

Formula: the mean over siblings θ' of max over α in 0, 0.1, ..., 1 of L((1 - α) θ + α θ') - ((1 - α) L(θ) + α L(θ')),
L the training cross-entropy; batch norm's statistics are taken anew at every α.
Source: Frankle, Dziugaite, Roy and Carbin 2020, "Linear Mode Connectivity and the Lottery Ticket Hypothesis" (for
errors); in losses as in Entezari, Sedghi, Saukh and Neyshabur 2022, "The Role of Permutation Invariance in Linear Mode
Connectivity of Neural Networks" (definition 1).
Cost: eleven forward passes over at most 500 training examples for each sibling.
Higher: chance leads training into other basins, so a larger expected gap.
"""

from gengap_measures import Context, Dataset, loss_barrier, siblings_of, some
from torch import nn

NAME = "Mode-connectivity barrier"
SOURCE = "Frankle et al. 2020"
TRACK = "extended"
NEEDS = ("siblings",)
COST = "s"

EXAMPLES = 500


def complexity(model: nn.Module, dataset: Dataset, context: Context) -> float:
    """The barrier in nats, at least 0."""
    inputs, labels = some(dataset, EXAMPLES)
    siblings = siblings_of(context)
    return sum(loss_barrier(model, sibling, inputs, labels) for sibling in siblings) / len(siblings)
