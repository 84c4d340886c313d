"""Eigenvalues' tails, modules that cannot go back, and what the network remembers of single examples."""

import math
from statistics import fmean

import numpy as np
import torch
from scipy.stats import kstest, pareto

from tests.baselines.transcriptions.flatness import DROP, halved, right
from tests.baselines.transcriptions.plain import (
    Array,
    Case,
    array,
    cosines,
    last_inputs,
    one_hot,
    outputs,
    softmax,
    vector,
    weight_layers,
)
from tests.baselines.transcriptions.registry import Transcription


def exponent(values: Array) -> float:
    """Clauset et al. 2009, eq. 3.1 and 3.9: the likeliest exponent above the start of least KS distance, by scipy."""
    found = []
    for tail in (values[start:] for start in range(len(values) - 3)):
        alpha = 1 + len(tail) / np.log(tail / tail[0]).sum()
        law = kstest(tail, pareto(b=alpha - 1, scale=tail[0]).cdf)
        found.append((float(law.statistic), float(alpha)))
    return min(found, key=lambda each: each[0])[1]


def package_exponent(values: Array) -> float:
    """As the package `weightwatcher` 0.7.7 fits: F - (k - 1) / n alone, and tails from two values on.

    Fewer than twenty values: tails of eight or more, and the estimate without its bias.
    """
    few = len(values) < 20
    found = []
    for start in range(len(values) - (7 if few else 1)):
        tail, count = values[start:], len(values) - start
        alpha = 1 + (count - few) / np.log(tail / tail[0]).sum()
        apart = np.abs(1 - (tail / tail[0]) ** (1 - alpha) - np.arange(count) / count).max()
        found.append((float(apart), float(alpha)))
    return min(found, key=lambda each: each[0])[1]


def spectra(case: Case) -> list[Array]:
    """The eigenvalues of Wᵀ W, ascending; of a kernel those of all its (out, in) slices together."""
    found = []
    for layer in weight_layers(case.network):
        weight = array(layer.weight)
        slices = [weight] if weight.ndim == 2 else [weight[:, :, i, j] for i, j in np.ndindex(*weight.shape[2:])]
        values = np.concatenate([np.linalg.eigvalsh(_smaller_gram(matrix)) for matrix in slices])
        values = np.sort(values[values > 1e-10 * values.max()])
        found += [values] if len(values) >= 8 else []
    return found


def _smaller_gram(matrix: Array) -> Array:
    return matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix


def power_law_exponent(case: Case) -> float:
    """Martin and Mahoney 2021: the mean of α over layers."""
    return float(np.mean([exponent(values) for values in spectra(case)]))


def weighted_exponent(case: Case) -> float:
    """Martin et al. 2021: α̂, the mean of α log₁₀ λ_max over layers."""
    return float(np.mean([exponent(values) * math.log10(values[-1]) for values in spectra(case)]))


def package_laws(case: Case) -> list[tuple[float, float]]:
    """The package's (α, λ_max) of each layer; it halves the eigenvalues of kernels."""
    halves = [0.5 if layer.weight.dim() == 4 else 1.0 for layer in weight_layers(case.network)]
    assert len(spectra(case)) == len(halves), "every layer has eight eigenvalues"
    return [
        (package_exponent(values), half * float(values[-1])) for values, half in zip(spectra(case), halves, strict=True)
    ]


def package_mean(case: Case) -> float:
    return float(np.mean([alpha for alpha, _ in package_laws(case)]))


def package_weighted_mean(case: Case) -> float:
    return float(np.mean([alpha * math.log10(largest) for alpha, largest in package_laws(case)]))


def module_criticality(case: Case) -> float:
    """Chatterji et al. 2020, network criticality: the sum of min α² ||θ - θ₀||² / σ², as a logarithm."""
    final, initial = vector(case.network), vector(case.initial)
    weights = {id(layer.weight) for layer in weight_layers(case.network)}
    least, start, total = right(case, final) - DROP, 0, 0.0
    for parameter in case.network.parameters():
        module = torch.zeros_like(final)
        module[start : start + parameter.numel()] = 1
        start += parameter.numel()
        if id(parameter) in weights:
            total += min(_criticalities(case, final, initial, module, least))
    return math.log(max(total, 1e-12))


def _criticalities(
    case: Case, final: torch.Tensor, initial: torch.Tensor, module: torch.Tensor, least: float
) -> list[float]:
    """For every α at which the network is good enough: α² ||θ - θ₀||² / σ², σ at most 1, on five draws."""
    length, found = float(((final - initial) * module).square().sum()), []
    for way in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        center = torch.where(module > 0, (1 - way) * initial + way * final, final)
        if right(case, center) < least:
            continue
        if way == 0:
            return [0.0]
        seeds = [int(torch.randint(2**31, ())) for _ in range(5)]
        draws = [torch.randn(len(final), generator=torch.Generator().manual_seed(s)).double() * module for s in seeds]
        found.append(way**2 * length / min(_tolerated(case, center, draws, least), 1.0) ** 2)
    return found


def _tolerated(case: Case, center: torch.Tensor, draws: list[torch.Tensor], least: float) -> float:
    """The largest σ at which the accuracy is at least so much, on average."""
    return halved(
        lambda scale: fmean(right(case, center + scale * draw) for draw in draws) >= least - 1e-9, 1e-5, 1e2, 8
    )


def leave_one_out(case: Case) -> float:
    """Feldman and Zhang 2020 for the last layer: the score of an example's label, fitted with it less without it."""
    features, labels = last_inputs(case.network, case.inputs), case.labels.numpy()
    signal, count = one_hot(case.labels, case.classes), len(labels)
    ridge = 0.01 * float(((features - features.mean(axis=0)) ** 2).sum(axis=1).mean())
    design = np.hstack([features, np.ones((count, 1))])
    penalty = ridge * np.diag([*np.ones(features.shape[1]), 0.0])

    def fit(chosen: Array) -> Array:
        return np.linalg.solve(design[chosen].T @ design[chosen] + penalty, design[chosen].T @ signal[chosen])

    everything = fit(np.ones(count, dtype=bool))
    found = [design[i] @ (everything - fit(np.arange(count) != i))[:, labels[i]] for i in range(count)]
    return float(np.mean(found))


def local_explanation_error(case: Case) -> float:
    """Li et al. 2021, mirrored neighbourhood fidelity: (p(x) - p(x') - ∇p(x')·(x - x'))², by Jacobians of softmax."""
    x, labels = case.inputs, case.labels.tolist()
    here = softmax(outputs(case.network, x))[np.arange(len(labels)), labels]
    errors = []
    for _ in range(2):
        near = x + 0.3 * x.std() * torch.randn_like(x)
        there = softmax(outputs(case.network, near))[np.arange(len(labels)), labels]
        probabilities = torch.func.jacrev(lambda point: case.network(point[None])[0].softmax(dim=0))
        jacobians = array(torch.func.vmap(probabilities)(near).flatten(2))[np.arange(len(labels)), labels]
        explained = there + (jacobians * array((x - near).flatten(1))).sum(axis=1)
        errors.append(np.mean((here - explained) ** 2))
    return float(np.mean(errors))


def neighbour_disagreement(case: Case) -> float:
    """The share of the nearest others, by cosine similarity in the penultimate layer, with another label."""
    labels = case.labels.numpy()
    neighbours = max(1, min(10, len(labels) // (2 * case.classes)))
    shares = []
    for i, row in enumerate(cosines(last_inputs(case.network, case.inputs))):
        nearest = [j for j in np.argsort(-row, kind="stable") if j != i][:neighbours]
        shares.append(np.mean(labels[nearest] != labels[i]))
    return float(np.mean(shares))


PACKAGE = (
    "The KS distance is two-sided, as defined; the package `weightwatcher` 0.7.7 compares one side of each step, has a "
    "rule of its own for fewer than twenty eigenvalues, and halves those of kernels."
)

TRANSCRIPTIONS = {
    "Power-law exponent": Transcription(
        power_law_exponent,
        "Martin and Mahoney 2021; Clauset et al. 2009, eq. 3.1, 3.9",
        "Layers with eight eigenvalues or more, tails of four or more.",
        published=package_mean,
        reason=PACKAGE,
    ),
    "Weighted power-law exponent": Transcription(
        weighted_exponent,
        "Martin et al. 2021; Clauset et al. 2009, eq. 3.1, 3.9",
        "Layers with eight eigenvalues or more, tails of four or more.",
        published=package_weighted_mean,
        reason=PACKAGE,
    ),
    "Module criticality": Transcription(
        module_criticality,
        "Chatterji et al. 2020",
        "ε is 10 % above the network's own error; six α, σ by bisection on five draws; as a logarithm.",
    ),
    "Leave-one-out memorisation": Transcription(
        leave_one_out, "Feldman and Zhang 2020", "For ridge regression on the penultimate layer, refitted here."
    ),
    "Local explanation error": Transcription(
        local_explanation_error, "Li et al. 2021", "Gradient explanations, Gaussian neighbours; the same draws."
    ),
    "Neighbour disagreement": Transcription(
        neighbour_disagreement, "Jia et al. 2021", "Ten neighbours, at most half a class, in the penultimate layer."
    ),
}
