"""Measures of gradients in the parameters and in the layers, from per-example gradients and whole Jacobians."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tests.baselines.transcriptions.plain import (
    Array,
    Case,
    array,
    chain,
    example_gradients,
    one_hot,
    outputs,
    per_class,
    rest,
    softmax,
    steps,
    vector,
)
from tests.baselines.transcriptions.registry import Transcription


def loss_gradients(case: Case, inputs: Tensor, labels: Tensor) -> Array:
    """∇ℓ of every example: (n, parameters)."""
    return example_gradients(case.network, inputs, cross_entropy, labels)


def fisher_rao_norm(case: Case) -> float:
    """Liang et al. 2019, the Fisher-Rao norm with the empirical Fisher matrix: θᵀ E[∇ℓ ∇ℓᵀ] θ."""
    along = loss_gradients(case, case.inputs, case.labels) @ array(vector(case.network))
    return float(np.mean(along**2))


def fisher_trace(case: Case) -> float:
    """Jastrzębski et al. 2021: E ||∇ log p(ŷ | x)||² for labels ŷ of the network's own distribution."""
    shares = softmax(outputs(case.network, case.inputs))
    draws = torch.rand(len(shares), 1).double().numpy()[:, 0]
    drawn = [int(np.searchsorted(np.cumsum(row), draw)) for row, draw in zip(shares, draws, strict=True)]
    gradients = loss_gradients(case, case.inputs, torch.tensor(drawn))
    return float(np.mean((gradients**2).sum(axis=1)))


def gradient_alignment(case: Case) -> float:
    """Mehta et al. 2021: the mean cosine of the gradients of two examples of a class; its negative."""
    chosen = per_class(case, max(2, 200 // case.classes))
    gradients = loss_gradients(case, case.inputs[chosen], case.labels[chosen])
    unit = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    means = []
    for label in np.unique(case.labels.numpy()):
        own = unit[case.labels[chosen].numpy() == label]
        pairs = [own[i] @ own[j] for i in range(len(own)) for j in range(i)]
        means += [np.mean(pairs)] if pairs else []
    return -float(np.mean(means))


def gradient_variance(case: Case) -> float:
    """Jiang et al. 2020, gradient noise at the end: the trace of the covariance of ∇ℓ_i."""
    gradients = loss_gradients(case, case.inputs, case.labels)
    return float(((gradients - gradients.mean(axis=0)) ** 2).sum(axis=1).mean())


def jacobian_norm(case: Case) -> float:
    """PGDL starting kit 2020, jacobian_norm: squared derivatives of the logits in every layer's input, averaged."""
    found = []
    for place, step in enumerate(steps(case.network, case.inputs)):
        function = rest(case.network, place)
        jacobians = torch.func.vmap(torch.func.jacrev(lambda x, f=function: f(x[None])[0]))(step.given)
        found.append(float((array(jacobians) ** 2).mean()))
    assert len(found) == len(chain(case.network))
    return float(np.mean(found))


def tangent_kernel(case: Case, inputs: Tensor, signs: list[Tensor]) -> Array:
    """The mean over v of <∇ v·f(x), ∇ v·f(x')>."""
    kernel = np.zeros((len(inputs), len(inputs)))
    for v in signs:
        gradients = example_gradients(case.network, inputs, torch.dot, v.expand(len(inputs), -1))
        kernel += gradients @ gradients.T / len(signs)
    return kernel


def alignment(kernel: Array, target: Array) -> float:
    """Cortes et al. 2012, centered kernel alignment: <K_c, Y_c> / (||K_c|| ||Y_c||), by the centering matrix."""
    centering = np.eye(len(kernel)) - 1 / len(kernel)
    one, two = centering @ kernel @ centering, centering @ target @ centering
    return float((one * two).sum() / math.sqrt((one**2).sum() * (two**2).sum()))


def ntk_label_alignment(case: Case) -> float:
    """Baratin et al. 2021: the centered alignment of the tangent kernel with the labels' kernel; its negative."""
    chosen = per_class(case, max(2, 200 // case.classes))
    signs = [torch.randint(0, 2, (case.classes,)).double() * 2 - 1 for _ in range(4)]
    labels = one_hot(case.labels[chosen], case.classes)
    return -alignment(tangent_kernel(case, case.inputs[chosen], signs), labels @ labels.T)


def full_ntk_label_alignment(case: Case) -> float:
    """The same for the kernel summed over logits, without random signs."""
    chosen = per_class(case, max(2, 200 // case.classes))
    inputs = case.inputs[chosen]
    kernel = np.zeros((len(inputs), len(inputs)))
    for unit in torch.eye(case.classes, dtype=torch.float64):
        kernel += tangent_kernel(case, inputs, [unit])
    labels = one_hot(case.labels[chosen], case.classes)
    return -alignment(kernel, labels @ labels.T)


TRANSCRIPTIONS = {
    "Fisher-Rao norm": Transcription(fisher_rao_norm, "Liang et al. 2019", "With the empirical Fisher matrix."),
    "Fisher trace": Transcription(fisher_trace, "Jastrzębski et al. 2021", "A label for each example, the same draws."),
    "Gradient alignment": Transcription(
        gradient_alignment, "Mehta et al. 2021", "In all parameters; every pair of examples of a class."
    ),
    "Gradient variance": Transcription(
        gradient_variance, "Jiang et al. 2020, gradient noise", "Of single examples, in all parameters."
    ),
    "Jacobian norm": Transcription(jacobian_norm, "PGDL starting kit 2020, jacobian_norm"),
    "NTK-label alignment": Transcription(
        ntk_label_alignment,
        "Baratin et al. 2021; Cortes et al. 2012",
        "The kernel is estimated with four random sign vectors, the same draws.",
        published=full_ntk_label_alignment,
        reason="Four random combinations of the logits instead of the sum over all of them, for speed.",
    ),
}
