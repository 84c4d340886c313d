"""The sharpness of the competition's starting kit.

Formula: 1 / m², m found in ten bisections of [0, 2] such that accuracy falls by 10 % somewhere in the box |u_i|
≤ m |w_i|: the worst of three searches, each from a uniform point of the box's inner half, by gradient steps of
0.001 with batches of 64 examples, clipped to the box.
Source: Jiang et al. 2020, starting kit of the NeurIPS competition "Predicting Generalization in Deep Learning"
(baselines/sharpness_v2/complexity.py). The kit returns m, and its steps go down the loss; here they go up, and more
sharpness is more. It also counts from an accuracy of 1 where we count from the network's own, moves the statistics of
batch norm along with the weights, and estimates accuracy on 192 or 640 examples drawn anew.
Cost: about 600 gradients of 64 examples.
Higher: a sharper minimum, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, accuracy, flat, logits, loss_gradient, some, unflattened
from torch import Tensor, nn

NAME = "Starting-kit sharpness"
SOURCE = "PGDL starting kit 2020"
TRACK = "standard"
COST = "h"

EXAMPLES = 500
BATCH = 64
BISECTIONS, SEARCHES, STEPS = 10, 3, 20
STEP_SIZE = 1e-3
DROP = 0.1
CLOSE = 0.01  # near enough to end the bisection
ROUNDED = 9  # digits: accuracies are fractions, and rounding decides no tie


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """One over the squared relative size of the box."""
    inputs, labels = some(dataset, EXAMPLES)
    least = accuracy(logits(model, inputs), labels) - DROP
    low, high = 0.0, 2.0
    middle = 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        excess = round(worst_accuracy(model, inputs, labels, middle, least) - least, ROUNDED)
        if abs(excess) < CLOSE:
            break
        low, high = (low, middle) if excess < 0 else (middle, high)
    return 1 / middle**2


def worst_accuracy(model: nn.Module, inputs: Tensor, labels: Tensor, size: float, enough: float) -> float:
    """The least accuracy at the ends of searches in the box of relative half side `size`; stops well below `enough`."""
    center = flat(model)
    limit = size * center.abs()
    worst = 1.0
    for _ in range(SEARCHES):
        moved = limit * (torch.rand(len(center)).double() - 0.5)
        for step in range(STEPS):
            chosen = (torch.arange(BATCH) + step * BATCH) % len(labels)
            slope = loss_gradient(model, inputs[chosen], labels[chosen], unflattened(model, center + moved))
            moved = (moved + STEP_SIZE * slope).clamp(-limit, limit)
        outputs = logits(model, inputs, unflattened(model, center + moved))
        worst = min(worst, accuracy(outputs, labels))
        if round(worst - enough, ROUNDED) < -CLOSE:
            break
    return worst
