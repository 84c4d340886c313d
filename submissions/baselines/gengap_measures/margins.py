"""Margins: how far an example's own logit lies above the others, and how far that is in the space of a layer."""

import math
from dataclasses import dataclass

import torch
from gengap_measures.data import Dataset, small_batches
from gengap_measures.outputs import logits
from gengap_measures.statistics import wasserstein
from torch import Tensor, nn

SMALLEST_MARGIN = 1e-3
MARGIN_QUANTILE = 0.1
SMALLEST_LENGTH = 1e-7


def logit_margins(outputs: Tensor, labels: Tensor) -> Tensor:
    """Each example's logit of its own class minus the largest other. outputs: (n, classes); labels: (n,)."""
    own = outputs.gather(1, labels[:, None])
    others = outputs.scatter(1, labels[:, None], -torch.inf)
    return own[:, 0] - others.amax(dim=1)


def training_margin(model: nn.Module, dataset: Dataset) -> float:
    """The gamma of the papers' bounds: the 10th percentile of the margins over the training data.

    Margins below 0.001 count as 0.001: a network that misclassifies a tenth of its data has no margin, and must
    not look good behind a square.
    """
    margins = logit_margins(logits(model, dataset.inputs), dataset.labels)
    return max(float(margins.quantile(MARGIN_QUANTILE)), SMALLEST_MARGIN)


@dataclass(frozen=True)
class ClassSpread:
    """How a class lies in a layer: its k-variance, the Wasserstein-1 distance between two halves of its points, and the
    longest gradient of its examples' margins there.
    """

    label: int
    variance: float
    steepest: float


def normalised_margins(
    model: nn.Module, inputs: Tensor, labels: Tensor, layer: nn.Module | None, *, per_feature: bool = False
) -> Tensor:
    """First-order distances to the decision boundary in a layer's output, in units of its spread: float64 (n,).

    Margin over the length of its gradient, over the square root of the total variance of the layer's output; with
    per_feature, of the mean variance of its features. layer: None for the inputs themselves.
    """
    distances, total, squares, features = [], torch.zeros(1, dtype=torch.float64), 0.0, 1
    for x, y in small_batches(inputs, labels):
        margin, gradient, point = _margin_gradient(model, x, y, layer)
        distances.append(margin / (gradient.norm(dim=1) + SMALLEST_LENGTH))
        total = total + point.sum(dim=0)
        squares += float(point.square().sum())
        features = point.shape[1]
    variance = (squares - float(total.square().sum()) / len(labels)) / len(labels)
    return torch.cat(distances) / math.sqrt(max(variance / (features if per_feature else 1), SMALLEST_LENGTH))


def margins_and_spreads(
    model: nn.Module, inputs: Tensor, labels: Tensor, layer: nn.Module
) -> tuple[Tensor, Tensor, list[ClassSpread]]:
    """Margins (n,) and the lengths of their gradients in a layer's output (n,), float64, class by class; the spreads
    of all classes with two examples or more.

    The halves of a class are every other example. Raises ValueError if no class has two.
    """
    margins, lengths, spreads = [], [], []
    for label in torch.unique(labels):
        own = labels == label
        parts = [_margin_gradient(model, x, y, layer) for x, y in small_batches(inputs[own], labels[own])]
        margins.append(torch.cat([margin for margin, _, _ in parts]))
        lengths.append(torch.cat([gradient.norm(dim=1) for _, gradient, _ in parts]))
        points = torch.cat([point for _, _, point in parts])
        half = len(points) // 2
        if half:
            variance = wasserstein(points[0 : 2 * half : 2], points[1 : 2 * half : 2])
            spreads.append(ClassSpread(int(label), variance, float(lengths[-1].max())))
    if not spreads:
        raise ValueError("no class of this training data has two examples, so none can be halved")
    return torch.cat(margins), torch.cat(lengths), spreads


def input_gradients(model: nn.Module, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Margins (n,) and their gradients in the inputs (n, features), float64."""
    parts = [_margin_gradient(model, x, y, None)[:2] for x, y in small_batches(inputs, labels)]
    return torch.cat([margin for margin, _ in parts]), torch.cat([gradient for _, gradient in parts])


def _margin_gradient(
    model: nn.Module, inputs: Tensor, labels: Tensor, layer: nn.Module | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Examples do not see each other in eval mode, so one gradient of the sum holds every example's own."""
    inputs = inputs.detach().requires_grad_(True)
    points = [inputs]
    hook = None if layer is None else layer.register_forward_hook(lambda _m, _i, output: points.append(output))
    try:
        with torch.enable_grad():
            margins = logit_margins(model(inputs), labels)
            (gradient,) = torch.autograd.grad(margins.sum(), points[-1])
    finally:
        if hook is not None:
            hook.remove()
    return margins.detach().double(), gradient.flatten(1).double(), points[-1].detach().flatten(1).double()


def label_probability_gradients(model: nn.Module, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The probability of each example's label (n,) and its gradient in the inputs (n, features), float64."""
    probabilities, gradients = [], []
    for x, y in small_batches(inputs, labels):
        point = x.detach().requires_grad_(True)
        with torch.enable_grad():
            own = model(point).softmax(dim=1).gather(1, y[:, None])[:, 0]
            (gradient,) = torch.autograd.grad(own.sum(), point)
        probabilities.append(own.detach().double())
        gradients.append(gradient.flatten(1).double())
    return torch.cat(probabilities), torch.cat(gradients)
