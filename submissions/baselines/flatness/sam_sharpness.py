"""How much one step up the gradient raises the training loss.

Formula: L(w + ρ g / ||g||) - L(w), g the gradient of the mean training loss L, ρ = 0.05.
Source: Foret, Kleiner, Mobahi and Neyshabur 2021, "Sharpness-Aware Minimization for Efficiently Improving
Generalization".
Cost: one gradient and two forward passes over at most 2000 training examples.
Higher: a sharper minimum, so a larger expected gap.
"""

from gengap_measures import Dataset, flat, logits, loss_gradient, mean_loss, some, unflattened
from torch import nn

NAME = "SAM sharpness"
SOURCE = "Foret et al. 2021"
TRACK = "standard"
COST = "s"

EXAMPLES = 2000
RHO = 0.05


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The rise of the loss in nats."""
    inputs, labels = some(dataset, EXAMPLES)
    slope = loss_gradient(model, inputs, labels)
    climbed = unflattened(model, flat(model) + RHO * slope / slope.norm().clamp(min=1e-12))
    return mean_loss(logits(model, inputs, climbed), labels) - mean_loss(logits(model, inputs), labels)
