"""How much of what the penultimate layer says of a training label comes from that very example.

Formula: the mean over training examples of s_i - s_{-i}: the score that ridge regression from penultimate
features to one-hot labels gives an example's own label, with the example and without it. In closed form it is h
/ (1 - h) · (1 - s_i), for the example's leverage h.
Source: Feldman and Zhang 2020, "What Neural Networks Memorize and Why" (their memorisation, for the last layer
alone instead of retrained networks); the closed form: Allen 1974, PRESS.
Cost: one forward pass over at most 1000 training examples, and one linear system.
Higher: labels that are remembered example by example, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, label_signal, penultimate, some
from torch import nn

NAME = "Leave-one-out memorisation"
SOURCE = "Feldman and Zhang 2020"
TRACK = "standard"
COST = "m"

EXAMPLES = 1000
RIDGE = 0.01  # of the features' mean squared length


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The mean self-influence."""
    inputs, labels = some(dataset, EXAMPLES)
    features = penultimate(model, inputs)
    features = features - features.mean(dim=0)
    kernel = features @ features.T
    identity = torch.eye(len(labels), dtype=torch.float64)
    ridge = RIDGE * kernel.diagonal().mean() + 1e-12
    hat = kernel @ torch.linalg.inv(kernel + ridge * identity) + 1 / len(labels)  # 1/n: the intercept
    signal = label_signal(labels, dataset.classes)
    missing = 1 - (hat @ signal)[signal.bool()]
    leverage = hat.diagonal().clamp(max=1 - 1e-9)
    return float((leverage / (1 - leverage) * missing).mean())
