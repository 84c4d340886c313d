"""How much one step up its own gradient raises the loss of a small batch, on average.

Formula: the mean over batches B of m = 16 training examples of L_B(w + ρ g_B / ||g_B||) - L_B(w), g_B the
gradient of the batch's mean loss L_B, ρ = 0.05.
Source: Foret, Kleiner, Mobahi and Neyshabur 2021, "Sharpness-Aware Minimization for Efficiently Improving
Generalization" (m-sharpness); Andriushchenko and Flammarion 2022, "Towards Understanding Sharpness-Aware
Minimization".
Cost: one gradient and two forward passes over at most 800 training examples.
Higher: a sharper minimum, so a larger expected gap.
"""

from gengap_measures import Dataset, batches, flat, logits, loss_gradient, mean_loss, some, unflattened
from torch import nn

NAME = "m-sharpness"
SOURCE = "Foret et al. 2021"
TRACK = "standard"
COST = "m"

EXAMPLES = 800
M = 16
RHO = 0.05


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The mean rise of the batches' losses in nats."""
    inputs, labels = some(dataset, EXAMPLES)
    weights = flat(model)
    rises = []
    for x, y in batches(inputs, labels, size=M):
        slope = loss_gradient(model, x, y)
        climbed = unflattened(model, weights + RHO * slope / slope.norm().clamp(min=1e-12))
        rises.append(mean_loss(logits(model, x, climbed), y) - mean_loss(logits(model, x), y))
    return sum(rises) / len(rises)
