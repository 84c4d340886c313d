"""How much accuracy is lost, over all strengths of a perturbation, as inputs move towards another class.

Formula: with A(α) the accuracy on (1 - α) x + α x', x' of another class, α from 0 to 0.5 in eleven steps, rescaled to
0 to 1: the area between the cumulated response of a network that is always right and this network's,
∫ (t - ∫₀ᵗ A) dt, by the trapezoidal rule. It is the Gini coefficient's construction.
Source: Schiff, Quanz, Das and Chen 2021, "Predicting Deep Neural Network Generalization with Perturbation Response
Curves" (Gi-score, inter-class mixup of inputs). The construction is that of the paper's figure 1; which pairs are
mixed, and eleven strengths up to one half, are our choice; the paper also mixes within classes and in hidden layers.
Cost: eleven forward passes over at most 1000 training examples.
Higher: accuracy that falls sooner, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, mixup_response
from torch import nn

NAME = "Gi-score"
SOURCE = "Schiff et al. 2021"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The area between the curves, from 0 to 1/2. Raises ValueError if all labels are the same."""
    magnitudes, response = mixup_response(model, dataset)
    cumulated = torch.cat([torch.zeros(1), torch.cumulative_trapezoid(response, magnitudes)]).double()
    return float(torch.trapezoid(magnitudes - cumulated, magnitudes))
