"""How high the ridge is between two networks that differ in their seed alone, once their units are in one order.

Formula: as the mode-connectivity barrier, with the hidden units of each sibling permuted to match the network's:
layer by layer the permutation with the largest sum of correlations between the outputs of paired units over the
training data.
Source: Entezari, Sedghi, Saukh and Neyshabur 2022, "The Role of Permutation Invariance in Linear Mode Connectivity of
Neural Networks"; the matching of activations is that of Ainsworth, Hayase and Srinivasa 2023, "Git Re-Basin".
Cost: thirteen forward passes over at most 500 training examples and an assignment problem per layer, for each sibling.
Higher: other basins that no order of the units explains, so a larger expected gap.
"""

from gengap_measures import Context, Dataset, aligned, loss_barrier, siblings_of, some
from torch import nn

NAME = "Aligned mode-connectivity barrier"
SOURCE = "Entezari et al. 2022"
TRACK = "extended"
NEEDS = ("siblings",)
COST = "s"

EXAMPLES = 500


def complexity(model: nn.Module, dataset: Dataset, context: Context) -> float:
    """The barrier in nats, at least 0. Raises ValueError for networks that are no plain chain of layers."""
    inputs, labels = some(dataset, EXAMPLES)
    siblings = siblings_of(context)
    barriers = [loss_barrier(model, aligned(sibling, model, inputs), inputs, labels) for sibling in siblings]
    return sum(barriers) / len(barriers)
