"""NC1: how much the penultimate features of a class vary, beside how far the classes lie apart.

Formula: trace(Σ_W Σ_B⁺) / C for the within-class covariance Σ_W, the covariance Σ_B of the class means, its
pseudo-inverse Σ_B⁺ and C classes.
Source: Papyan, Han and Donoho 2020, "Prevalence of Neural Collapse during the Terminal Phase of Deep Learning
Training" (NC1).
Cost: one forward pass over at most 2000 training examples.
Higher: classes that have collapsed less, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, class_centers, penultimate, some
from torch import nn

NAME = "Within-class variance"
SOURCE = "Papyan et al. 2020"
TRACK = "standard"
COST = "s"

EXAMPLES = 2000
SMALLEST_EIGENVALUE = 1e-8  # of Σ_B, beside its largest: below it there is rounding


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The trace over the number of classes. Raises ValueError if all labels are the same."""
    inputs, labels = some(dataset, EXAMPLES)
    features = penultimate(model, inputs)
    present, centers = class_centers(features, labels)
    if len(present) < 2:
        raise ValueError("all these examples have one label, so there is nothing between classes to compare with")
    within = features - centers[torch.searchsorted(present, labels)]
    between = centers - centers.mean(dim=0)
    covariance_within = within.T @ within / len(labels)
    covariance_between = between.T @ between / len(present)
    inverse = torch.linalg.pinv(covariance_between, rtol=SMALLEST_EIGENVALUE, hermitian=True)
    return float((covariance_within * inverse).sum()) / len(present)
