"""How much of the way from its initial to its final weights each layer needs, and how exactly it has to arrive.

Formula: the sum over weight layers of the least α² ||W - W0||² / σ² over α in 0, 0.2, ..., 1: with the layer at
(1 - α) W0 + α W and noise N(0, σ²) in it, σ is the largest one up to 1 that costs at most 10 % of the network's
training accuracy on average over five draws. An α at which the network without noise has lost as much is left
out; the sum counts as at least 1e-12, and its logarithm is the value.
Source: Chatterji, Neyshabur and Sedghi 2020, "The Intriguing Role of Module Criticality in the Generalization
of Deep Networks" (definition of a module's criticality, the least over 0 ≤ α, σ ≤ 1 at which the expected training
error is at most ε, and their sum over modules). We take ε = 10 %, counted from the network's own error; that the paper
searches a grid is known, its steps are not.
Cost: about 200 forward passes over at most 300 training examples for each layer. Needs the initial weights.
Higher: layers that cannot go back, so a larger expected gap.
"""

import math

import torch
from gengap_measures import (
    Dataset,
    accuracy,
    flat,
    initial_of,
    logits,
    noise_tolerance,
    some,
    unflattened,
    weight_spans,
)
from torch import Tensor, nn

NAME = "Module criticality"
SOURCE = "Chatterji et al. 2020"
TRACK = "standard"
COST = "h"

EXAMPLES = 300
WAYS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
DROP = 0.1
DRAWS, STEPS = 5, 8
LARGEST_SIGMA = 1.0


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The logarithm of the criticalities' sum. Raises ValueError without initial weights."""
    inputs, labels = some(dataset, EXAMPLES)
    final, initial = flat(model), flat(initial_of(model))
    total = sum(criticality(model, inputs, labels, final, initial, span) for span in weight_spans(model))
    return math.log(max(total, 1e-12))


def criticality(model: nn.Module, inputs: Tensor, labels: Tensor, final: Tensor, initial: Tensor, span: slice) -> float:
    """One layer's criticality. span: of its weight among all parameters."""
    least = accuracy(logits(model, inputs), labels) - DROP
    distance = float((final[span] - initial[span]).square().sum())
    within = torch.zeros_like(final)
    within[span] = 1.0
    found = []
    for way in WAYS:
        center = final + (way - 1) * within * (final - initial)
        outputs = logits(model, inputs, unflattened(model, center))
        if accuracy(outputs, labels) < least:
            continue
        if way == 0:
            return 0.0
        sigma = noise_tolerance(
            model, inputs, labels, lambda scale: scale * within, center=center, draws=DRAWS, steps=STEPS
        )
        found.append(way**2 * distance / min(sigma, LARGEST_SIGMA) ** 2)
    return min(found)
