"""Sharpness and PAC-Bayes measures, found by searches that are written anew; noise is drawn as in the measures."""

import math
from collections.abc import Callable
from statistics import fmean

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor
from torch.func import functional_call

from tests.baselines.transcriptions.plain import (
    Case,
    accuracy,
    array,
    loss,
    loss_gradient,
    named,
    vector,
)
from tests.baselines.transcriptions.registry import Transcription

EPSILON = 1e-3
DROP = 0.1
JIANG = "Jiang et al. 2020"


def right(case: Case, point: Tensor, inputs: Tensor | None = None, labels: Tensor | None = None) -> float:
    """The accuracy at the parameters `point`."""
    x, y = (case.inputs if inputs is None else inputs), (case.labels if labels is None else labels)
    return accuracy(array(functional_call(case.network, named(case.network, point), (x,))), y)


def hessian_times(case: Case, direction: Tensor) -> Tensor:
    """The Hessian of the mean loss times a vector: the derivative of the gradient along it."""
    point = vector(case.network)
    of = torch.func.grad(lambda place: loss(case.network, place, case.inputs, case.labels))
    product: Tensor = torch.func.jvp(of, (point,), (direction,))[1].detach()
    return product


def largest_eigenvalue(case: Case) -> float:
    """The largest eigenvalue of the Hessian of the training loss, by ARPACK to machine precision."""
    size = len(vector(case.network))
    product = LinearOperator(
        (size, size), matvec=lambda v: hessian_times(case, torch.from_numpy(v).flatten()).numpy(), dtype=np.float64
    )
    start = np.random.default_rng(0).normal(size=size)
    return float(eigsh(product, k=1, which="LA", v0=start, return_eigenvectors=False)[0])


def trace(case: Case) -> float:
    """Yao et al. 2020, Hutchinson's method: the mean of zᵀ H z over 30 vectors z of independent signs."""
    size, found = len(vector(case.network)), []
    for _ in range(30):
        signs = 2.0 * torch.randint(2, (size,)).double() - 1
        found.append(float(torch.dot(signs, hessian_times(case, signs))))
    return float(np.mean(found))


def climbed(case: Case, inputs: Tensor, labels: Tensor, radius: float) -> float:
    """Foret et al. 2021, eq. 2 with p = 2: the rise of the loss at ρ g / ||g||."""
    point = vector(case.network)
    slope = loss_gradient(case.network, point, inputs, labels)
    rise = loss(case.network, point + radius * slope / slope.norm(), inputs, labels)
    return float(rise - loss(case.network, point, inputs, labels))


def sam_sharpness(case: Case) -> float:
    """Foret et al. 2021: max over the ball of L(w + ε) - L(w), to first order."""
    return climbed(case, case.inputs, case.labels, 0.05)


def m_sharpness(case: Case) -> float:
    """Foret et al. 2021, m-sharpness: the same for disjoint batches of m = 16, averaged."""
    starts = range(0, len(case.labels), 16)
    return float(np.mean([climbed(case, case.inputs[i : i + 16], case.labels[i : i + 16], 0.05) for i in starts]))


def halved(is_small: Callable[[float], bool], low: float, high: float, times: int) -> float:
    """The largest scale that is small enough, by halving the interval of logarithms."""
    if is_small(high):
        return high
    lower, upper = math.log(low), math.log(high)
    for _ in range(times):
        middle = (lower + upper) / 2
        lower, upper = (middle, upper) if is_small(math.exp(middle)) else (lower, middle)
    return math.exp(lower)


def tolerated(case: Case, deviation: Callable[[float], Tensor | float]) -> float:
    """σ of Jiang et al. 2020, PAC-Bayes measures: the largest at which accuracy falls by at most 0.1 on average.

    deviation: σ → the standard deviation of the noise in each parameter.
    """
    point = vector(case.network)
    seeds = [int(torch.randint(2**31, ())) for _ in range(10)]
    draws = [torch.randn(len(point), generator=torch.Generator().manual_seed(seed)).double() for seed in seeds]
    least = right(case, point) - DROP
    return halved(
        lambda scale: fmean(right(case, point + deviation(scale) * draw) for draw in draws) >= least - 1e-9,
        1e-5,
        1e2,
        14,
    )


def sigma(case: Case) -> float:
    return tolerated(case, lambda scale: scale)


def relative_sigma(case: Case) -> float:
    weights = vector(case.network)
    return tolerated(case, lambda scale: torch.sqrt(scale**2 * weights**2 + EPSILON**2))


def pac_bayes(case: Case, reference: Tensor) -> float:
    """Jiang et al. 2020, eq. 48 and 49."""
    found = sigma(case)
    return (
        float(((vector(case.network) - reference) ** 2).sum()) / (4 * found**2)
        + math.log(len(case.labels) / found)
        + 10
    )


def pac_bayes_magnitude(case: Case, length: float) -> float:
    """Jiang et al. 2020, eq. 56 and 57. length: ||w - w0||², or ||w||²."""
    found = relative_sigma(case)
    moved = array(vector(case.network) - vector(case.initial)) ** 2
    ratios = (EPSILON**2 + (found**2 + 1) * length / len(moved)) / (EPSILON**2 + found**2 * moved)
    return float(np.log(ratios).sum() / 4 + math.log(len(case.labels) / found) + 10)


def worst_case(case: Case, box: Callable[[float], Tensor]) -> float:
    """The largest α for which the climb stays above accuracy - 0.1: eight steps of signs, a quarter of the box each."""
    point = vector(case.network)
    least = right(case, point) - DROP

    def survives(scale: float) -> bool:
        half_sides = box(scale)
        moved = torch.zeros_like(point)
        for _ in range(8):
            slope = loss_gradient(case.network, point + moved, case.inputs, case.labels)
            moved = torch.minimum(torch.maximum(moved + half_sides / 4 * torch.sign(slope), -half_sides), half_sides)
            if right(case, point + moved) < least - 1e-9:
                return False
        return True

    return halved(survives, 1e-6, 1e1, 12)


def sharpness(case: Case) -> float:
    """Jiang et al. 2020, eq. 54: 1 / α'²."""
    return 1 / worst_case(case, lambda scale: torch.full_like(vector(case.network), scale)) ** 2


def magnitude_sharpness(case: Case) -> float:
    """Jiang et al. 2020, eq. 62, in the box α (|w_i| + ε)."""
    sizes = vector(case.network).abs()
    return 1 / worst_case(case, lambda scale: scale * (sizes + EPSILON)) ** 2


def magnitude_sharpness_in_their_box(case: Case) -> float:
    """Jiang et al. 2020, eq. 62, in the box α |w_i| + ε."""
    sizes = vector(case.network).abs()
    return 1 / worst_case(case, lambda scale: scale * sizes + EPSILON) ** 2


def kit_search(case: Case, sign: float, own: float) -> float:
    """m of the starting kit's bisection.

    sign: 1 where steps go up the loss, as in the measure, -1 where they go down, as in the kit. own: the accuracy from
    which the fall of 0.1 counts.
    """
    point = vector(case.network)
    low, high, size = 0.0, 2.0, 1.0
    for _ in range(10):
        size = (low + high) / 2
        fall = round(own - _worst(case, point, size, sign, own - DROP), 9)
        if round(abs(fall - DROP), 9) < 1e-2:
            break
        low, high = (low, size) if fall > DROP else (size, high)
    return size


def _worst(case: Case, point: Tensor, size: float, sign: float, enough: float) -> float:
    worst, half_sides = 1.0, size * point.abs()
    for _ in range(3):
        moved = half_sides * (torch.rand(len(point)).double() - 0.5)
        for step in range(20):
            batch = [place % len(case.labels) for place in range(64 * step, 64 * (step + 1))]
            slope = loss_gradient(case.network, point + moved, case.inputs[batch], case.labels[batch])
            moved = torch.minimum(torch.maximum(moved + sign * 1e-3 * slope, -half_sides), half_sides)
        worst = min(worst, right(case, point + moved))
        if round(enough - worst, 9) > 1e-2:
            break
    return worst


def starting_kit_sharpness(case: Case) -> float:
    """The measure's: steps go up the loss, and accuracy counts from the network's own."""
    return 1 / kit_search(case, 1.0, right(case, vector(case.network))) ** 2


def kit_sharpness(case: Case) -> float:
    """PGDL starting kit 2020, sharpness_v2, oriented: steps go down the loss, and accuracy counts from 1."""
    return -kit_search(case, -1.0, 1.0)


SAME_DRAWS = "σ by bisection of a logarithmic scale, on ten draws that are the same at every σ."
RELATIVE = f"Noise N(0, σ² w² + ε²), ε = 0.001. {SAME_DRAWS}"

TRANSCRIPTIONS = {
    "Hessian largest eigenvalue": Transcription(
        largest_eigenvalue, "Keskar et al. 2017; Ghorbani et al. 2019", "Of the mean cross-entropy in all parameters."
    ),
    "Hessian trace": Transcription(trace, "Yao et al. 2020, Hutchinson's method", "The same 30 sign vectors."),
    "m-sharpness": Transcription(m_sharpness, "Foret et al. 2021, m-sharpness", "m = 16, ρ = 0.05, to first order."),
    "SAM sharpness": Transcription(sam_sharpness, "Foret et al. 2021, eq. 2", "ρ = 0.05, to first order."),
    "Worst-case sharpness": Transcription(
        sharpness, f"{JIANG}, eq. 54", "The search climbs along the gradient's signs, eight steps."
    ),
    "Worst-case magnitude sharpness": Transcription(
        magnitude_sharpness,
        f"{JIANG}, eq. 62",
        "The search climbs along the gradient's signs, eight steps.",
        published=magnitude_sharpness_in_their_box,
        reason="The box is α (|w| + ε): in the paper's α |w| + ε, ε alone breaks large networks, and these tie.",
    ),
    "PAC-Bayes flatness": Transcription(lambda case: 1 / sigma(case) ** 2, f"{JIANG}, eq. 53", SAME_DRAWS),
    "PAC-Bayes init": Transcription(lambda case: pac_bayes(case, vector(case.initial)), f"{JIANG}, eq. 48", SAME_DRAWS),
    "PAC-Bayes origin": Transcription(
        lambda case: pac_bayes(case, torch.zeros_like(vector(case.network))), f"{JIANG}, eq. 49", SAME_DRAWS
    ),
    "PAC-Bayes magnitude flatness": Transcription(
        lambda case: 1 / relative_sigma(case) ** 2, f"{JIANG}, eq. 61", RELATIVE
    ),
    "PAC-Bayes magnitude init": Transcription(
        lambda case: pac_bayes_magnitude(case, float(((vector(case.network) - vector(case.initial)) ** 2).sum())),
        f"{JIANG}, eq. 56",
        RELATIVE,
    ),
    "PAC-Bayes magnitude origin": Transcription(
        lambda case: pac_bayes_magnitude(case, float((vector(case.network) ** 2).sum())),
        f"{JIANG}, eq. 57",
        RELATIVE,
    ),
    "Starting-kit sharpness": Transcription(
        starting_kit_sharpness,
        "PGDL starting kit 2020, sharpness_v2",
        "Batches in stored order; the same draws.",
        published=kit_sharpness,
        reason="Steps go up the loss, where the kit's go down; accuracy counts from the network's own instead of 1.",
    ),
}
