"""How the cumulated accuracy under strong perturbations compares with that under weak ones.

Formula: minus ∫ C over the strongest 60 % of perturbations / ∫ C over the weakest 10 %, where C(t) = ∫₀ᵗ A is the
cumulated response and A(α) the accuracy on (1 - α) x + α x', x' of another class, α from 0 to 0.5 in eleven steps,
rescaled to 0 to 1 (trapezoidal rule). It is the Palma ratio's construction.
Source: Schiff, Quanz, Das and Chen 2021, "Predicting Deep Neural Network Generalization with Perturbation Response
Curves" (Pal-score, inter-class mixup of inputs); oriented so that higher means a larger gap. That areas below the
cumulated curve are compared is the paper's figure 1. The shares of 60 % and 10 % are from memory and could not be
checked; which pairs are mixed, and how strongly, is our choice as in the Gi-score.
Cost: eleven forward passes over at most 1000 training examples.
Higher: accuracy that does not last, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, mixup_response
from torch import nn

NAME = "Pal-score"
SOURCE = "Schiff et al. 2021"
TRACK = "standard"
COST = "s"

STRONGEST, WEAKEST = 0.6, 0.1


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """Minus the ratio of the areas; 0 for a network that is never right. Raises ValueError if all labels are equal."""
    magnitudes, response = mixup_response(model, dataset)
    cumulated = torch.cat([torch.zeros(1), torch.cumulative_trapezoid(response, magnitudes)]).double()
    strong = magnitudes >= 1 - STRONGEST - 1e-9
    weak = magnitudes <= WEAKEST + 1e-9
    area = float(torch.trapezoid(cumulated[strong], magnitudes[strong]))
    return -area / max(float(torch.trapezoid(cumulated[weak], magnitudes[weak])), 1e-12)
