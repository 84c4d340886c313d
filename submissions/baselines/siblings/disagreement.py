"""How often networks that differ in their seed alone contradict each other on test inputs.

Formula: the mean over siblings f' of the share of unlabelled test inputs x with argmax f(x) ≠ argmax f'(x).
Source: Jiang, Nagarajan, Baek and Kolter 2022, "Assessing Generalization of SGD via Disagreement": for networks that
are calibrated as an ensemble, the expected disagreement equals the expected test error.
Cost: a forward pass of the network and of each sibling over the unlabelled inputs.
Higher: more test errors, so a larger expected gap where training accuracies are alike.
"""

from gengap_measures import Context, Dataset, logits, siblings_of, unlabelled_of
from torch import nn

NAME = "Disagreement"
SOURCE = "Jiang et al. 2022"
TRACK = "extended"
NEEDS = ("siblings", "unlabelled")
COST = "s"


def complexity(model: nn.Module, dataset: Dataset, context: Context) -> float:
    """The share, from 0 to 1."""
    inputs = unlabelled_of(context)
    own = logits(model, inputs).argmax(dim=1)
    siblings = siblings_of(context)
    shares = [float((logits(sibling, inputs).argmax(dim=1) != own).double().mean()) for sibling in siblings]
    return sum(shares) / len(shares)
