"""Networks on the straight line between two of one architecture, and how much worse they are than its ends."""

import copy

import torch
from gengap_measures.outputs import logits, mean_loss
from torch import Tensor, nn

POINTS = 11


def loss_barrier(first: nn.Module, second: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    """The largest rise of the loss over the line between the ends' losses: max of L(θ_α) - ((1 - α) L(θ_0) + α L(θ_1)).

    At eleven α from 0 to 1, at the ends of which it is 0. L is the mean cross-entropy, in nats.
    """
    ends = [mean_loss(logits(network, inputs), labels) for network in (first, second)]
    rises = [0.0]
    for step in range(1, POINTS - 1):
        share = step / (POINTS - 1)
        between = mean_loss(logits(interpolated(first, second, share, inputs), inputs), labels)
        rises.append(between - (1 - share) * ends[0] - share * ends[1])
    return max(rises)


def interpolated(first: nn.Module, second: nn.Module, share: float, inputs: Tensor) -> nn.Module:
    """A network with the parameters (1 - share) θ + share θ'.

    Its batch norms have the statistics of these inputs, all in one pass: those of the two ends belong to other
    activations (Jordan et al. 2023, "REPAIR").
    """
    between = copy.deepcopy(first)
    with torch.no_grad():
        for own, other in zip(between.parameters(), second.parameters(), strict=True):
            own.lerp_(other, share)
    norms = [module for module in between.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    if norms:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain average over passes, of which there is one
            norm.train()
        with torch.no_grad():
            between(inputs)
    return between.eval()
