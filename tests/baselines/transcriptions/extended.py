"""Measures of the extended track: siblings, unlabelled inputs, trajectories."""

import copy

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from tests.baselines.transcriptions.plain import (
    Array,
    Case,
    accuracy,
    array,
    chain,
    outputs,
    places_after_relu,
    rest,
    softmax,
    steps,
    vector,
)
from tests.baselines.transcriptions.registry import Transcription


def mean_loss(logits: Array, labels: Tensor) -> float:
    shares = softmax(logits)[np.arange(len(labels)), labels.numpy()]
    return float(-np.log(shares).mean())


def between(first: nn.Module, second: nn.Module, share: float, inputs: Tensor) -> nn.Module:
    """The network at (1 - α) θ + α θ', batch norm's statistics taken anew in one pass in training mode.

    In training mode a layer's outputs come of the biased variance, and what it keeps is the unbiased one.
    """
    network = copy.deepcopy(first)
    nn.utils.vector_to_parameters((1 - share) * vector(first) + share * vector(second), network.parameters())
    value = inputs
    for layer in chain(network):
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            axes = [0, *range(2, value.dim())]
            layer.running_mean.copy_(value.mean(dim=axes))
            layer.running_var.copy_(value.var(dim=axes, correction=0))
            following = layer(value)
            layer.running_var.copy_(value.var(dim=axes, correction=1))
            value = following
        else:
            value = layer(value)
    return network


def barrier(case: Case, first: nn.Module, second: nn.Module) -> float:
    """Entezari et al. 2022, definition 1: max over α of L(θ_α) - ((1 - α) L(θ) + α L(θ'))."""
    ends = [mean_loss(outputs(network, case.inputs), case.labels) for network in (first, second)]
    rises = [0.0]
    for share in np.arange(1, 10) / 10:
        logits = outputs(between(first, second, float(share), case.inputs), case.inputs)
        rises.append(mean_loss(logits, case.labels) - (1 - share) * ends[0] - share * ends[1])
    return float(max(rises))


def mode_connectivity_barrier(case: Case) -> float:
    """Frankle et al. 2020, in losses: the mean over siblings."""
    return float(np.mean([barrier(case, case.network, sibling) for sibling in case.siblings]))


def told_apart_by(network: nn.Module, inputs: Tensor) -> list[Array]:
    """For each hidden weight layer the outputs before the nonlinearity, batch norm included: (rows, units)."""
    found: list[Array] = []
    for step in steps(network, inputs):
        if isinstance(step.layer, nn.Linear | nn.Conv2d):
            found.append(_rows(step.output))
        elif isinstance(step.layer, nn.BatchNorm1d | nn.BatchNorm2d):
            found[-1] = _rows(step.output)
    return found[:-1]


def _rows(output: Tensor) -> Array:
    values = array(output)
    return np.moveaxis(values, 1, -1).reshape(-1, values.shape[1])


def permuted(network: nn.Module, orders: list[list[int]]) -> nn.Module:
    """The same function with its hidden units in these orders."""
    copied = copy.deepcopy(network)
    remaining = [torch.tensor(order) for order in orders]
    order: Tensor | None = None
    with torch.no_grad():
        for layer in chain(copied):
            if isinstance(layer, nn.Linear | nn.Conv2d):
                if order is not None:
                    count = layer.weight.shape[1] // len(order)
                    columns = (order[:, None] * count + torch.arange(count)).flatten()
                    layer.weight.copy_(layer.weight[:, columns].clone())
                order = remaining.pop(0) if remaining else None
                tensors = [layer.weight, layer.bias]
            elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                tensors = [layer.weight, layer.bias, layer.running_mean, layer.running_var]
            else:
                continue
            for tensor in tensors if order is not None else ():
                if tensor is not None:
                    tensor.copy_(tensor[order].clone())
    return copied


def aligned_barrier(case: Case) -> float:
    """Entezari et al. 2022, with activations matched as in section 3.1 of Ainsworth et al. 2023."""
    found = []
    for sibling in case.siblings:
        orders = []
        pairs = zip(told_apart_by(case.network, case.inputs), told_apart_by(sibling, case.inputs), strict=True)
        for own, theirs in pairs:
            own, theirs = own - own.mean(axis=0), theirs - theirs.mean(axis=0)
            lengths = np.linalg.norm(own, axis=0)[:, None] * np.linalg.norm(theirs, axis=0)
            correlations = (own.T @ theirs) / np.where(lengths > 0, lengths, 1)
            orders.append([int(unit) for unit in linear_sum_assignment(-correlations)[1]])
        found.append(barrier(case, case.network, permuted(sibling, orders)))
    return float(np.mean(found))


def disagreement(case: Case) -> float:
    """Jiang et al. 2022, definition of the disagreement on unlabelled inputs."""
    own = outputs(case.network, case.unlabelled).argmax(axis=1)
    return float(np.mean([(outputs(s, case.unlabelled).argmax(axis=1) != own).mean() for s in case.siblings]))


def stitching_loss(case: Case) -> float:
    """Bansal et al. 2021, definition of the stitching penalty, the stitch fitted by ridge regression (scikit-learn)."""
    place = places_after_relu(case.network)[(len(places_after_relu(case.network)) - 1) // 2]
    found = []
    for sibling in case.siblings:
        own, theirs = (steps(n, case.inputs)[place].given.detach() for n in (case.network, sibling))
        for start in (0, 1):
            fitted, held = slice(start, None, 2), slice(1 - start, None, 2)
            stitched = _stitched(own[fitted], theirs[fitted], own[held])
            top = rest(sibling, place)
            with_own, with_theirs = (mean_loss(array(top(x)), case.labels[held]) for x in (stitched, theirs[held]))
            found.append(with_own - with_theirs)
    return float(np.mean(found))


def _stitched(sources: Tensor, targets: Tensor, held: Tensor) -> Tensor:
    points = _rows(sources)
    ridge = 1e-3 * float(((points - points.mean(axis=0)) ** 2).sum(axis=0).mean())
    values = Ridge(alpha=ridge, solver="cholesky").fit(points, _rows(targets)).predict(_rows(held))
    shape = [held.shape[0], *held.shape[2:], values.shape[1]]
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(values.reshape(shape), -1, 1)))


def average_thresholded_confidence(case: Case) -> float:
    """Garg et al. 2022, ATC with the negative entropy, the threshold found on the training data."""
    logits = outputs(case.network, case.inputs)
    errors = round((1 - accuracy(logits, case.labels)) * len(logits))
    ordered = np.sort(_certainty(logits))
    threshold = ordered[errors] if errors < len(ordered) else np.inf
    return float((_certainty(outputs(case.network, case.unlabelled)) < threshold).mean() - errors / len(logits))


def _certainty(logits: Array) -> Array:
    shares = softmax(logits)
    certainty: Array = np.where(shares > 0, shares * np.log(np.maximum(shares, 1e-300)), 0).sum(axis=1)
    return certainty


def training_speed(case: Case) -> float:
    """Ru et al. 2021: the sum of training losses over training, here the area below the losses that were kept."""
    moments = [(0.0, case.initial), *case.moments]
    losses = [mean_loss(outputs(network, case.inputs), case.labels) for _, network in moments]
    epochs = [epoch for epoch, _ in moments]
    return sum((epochs[i + 1] - epochs[i]) * (losses[i] + losses[i + 1]) / 2 for i in range(len(losses) - 1))


TRANSCRIPTIONS = {
    "Mode-connectivity barrier": Transcription(
        mode_connectivity_barrier,
        "Entezari et al. 2022, definition 1",
        "At eleven α; batch norm's statistics are taken anew.",
    ),
    "Aligned mode-connectivity barrier": Transcription(
        aligned_barrier,
        "Entezari et al. 2022; Ainsworth et al. 2023, section 3.1",
        "Units are matched by the correlation of their outputs before the nonlinearity.",
    ),
    "Disagreement": Transcription(disagreement, "Jiang et al. 2022"),
    "Stitching loss": Transcription(
        stitching_loss,
        "Bansal et al. 2021; Csiszárik et al. 2021",
        "An affine map by ridge regression, fitted on every other example and tried on the others.",
    ),
    "Average thresholded confidence": Transcription(
        average_thresholded_confidence, "Garg et al. 2022", "The threshold is found on the training data."
    ),
    "Training speed": Transcription(training_speed, "Ru et al. 2021", "By the trapezoidal rule over what was kept."),
}
