"""How long the training loss stayed high: the area below its curve.

Formula: ∫ L(θ(t)) dt over epochs t by the trapezoidal rule, L the training cross-entropy, from the initial weights, or
where a zoo has none from the first moment of the trajectory, to the last one.
Source: Ru, Lyle, Schut, Fil, van der Wilk and Gal 2021, "Speedy Performance Estimation for Neural Architecture Search"
(training-speed estimate: the sum of training losses over all steps); the motive is Lyle et al. 2020, "A Bayesian
Perspective on Training Speed and Model Selection". Losses are seen at the moments that the zoo has kept, not at every
step, and with the weights of one moment on all examples.
Cost: a forward pass over at most 1000 training examples for each moment.
Higher: slower training, so a larger expected gap.
"""

import torch
from gengap_measures import Context, Dataset, logits, mean_loss, some, trajectory_of
from torch import nn

NAME = "Training speed"
SOURCE = "Ru et al. 2021"
TRACK = "extended"
NEEDS = ("trajectory",)
COST = "s"

EXAMPLES = 1000


def complexity(model: nn.Module, dataset: Dataset, context: Context) -> float:
    """The area in nats times epochs. Raises ValueError where there is one moment alone and no initial weights."""
    inputs, labels = some(dataset, EXAMPLES)
    moments = [(moment.epoch, moment.network) for moment in trajectory_of(context)]
    initial = getattr(model, "initial", None)
    if isinstance(initial, nn.Module):
        moments.insert(0, (0.0, initial))
    if len(moments) < 2:
        raise ValueError("one moment of a training alone tells no speed")
    losses = [mean_loss(logits(network, inputs), labels) for _, network in moments]
    epochs = [epoch for epoch, _ in moments]
    return float(torch.trapezoid(torch.tensor(losses, dtype=torch.float64), torch.tensor(epochs, dtype=torch.float64)))
