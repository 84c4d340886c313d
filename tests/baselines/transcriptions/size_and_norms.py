"""The size of a network, norms of its weights, distances from initialization: after the papers' equations."""

import math

import numpy as np
import torch
from torch import nn

from tests.baselines.transcriptions.plain import (
    Array,
    Case,
    array,
    folded_weights,
    maps,
    margins,
    outputs,
    steps,
    weight_layers,
)
from tests.baselines.transcriptions.registry import Transcription

JIANG = "Jiang et al. 2020"


def parameter_count(case: Case) -> float:
    """Jiang et al. 2020, eq. 20, and the scales and shifts of batch norm: every entry that training changes."""
    counted = (".weight", ".bias")
    return float(sum(v.numel() for name, v in case.network.state_dict().items() if name.endswith(counted)))


def vc_dimension(case: Case) -> float:
    """Bartlett et al. 2019, upper bound O(W L log W) for W weights and biases in L layers, without its constant."""
    layers = weight_layers(case.network)
    count = sum(layer.weight.numel() + (0 if layer.bias is None else layer.bias.numel()) for layer in layers)
    return float(len(layers) * count * np.log(count))


def squared_norm(case: Case) -> float:
    """Jiang et al. 2020, eq. 42."""
    return float(sum((array(layer.weight) ** 2).sum() for layer in weight_layers(case.network)))


def changes(case: Case) -> list[Array]:
    before = [array(layer.weight) for layer in weight_layers(case.initial)]
    return [array(layer.weight) - w for layer, w in zip(weight_layers(case.network), before, strict=True)]


def distance(case: Case) -> float:
    """Nagarajan and Kolter 2019: ||W - W_0|| of all weights together."""
    return float(np.linalg.norm(np.concatenate([change.ravel() for change in changes(case)])))


def spectral_distance(case: Case) -> float:
    """Jiang et al. 2020, eq. 41."""
    return float(sum(np.linalg.norm(m, 2) ** 2 for m in maps(case.network, case.inputs, changes(case))))


def spectral(case: Case) -> list[float]:
    """The squared spectral norms of the layers with batch norm folded in."""
    found = maps(case.network, case.inputs, [weight for _, weight, _ in folded_weights(case.network)])
    return [float(np.linalg.norm(matrix, 2) ** 2) for matrix in found]


def frobenius(case: Case) -> list[float]:
    """The squared Frobenius norms of weights and kernels with batch norm folded in."""
    return [float((weight**2).sum()) for _, weight, _ in folded_weights(case.network)]


def gamma(case: Case) -> float:
    """The 10th percentile of the margins on training data (Jiang et al. 2020), at least 0.001."""
    return max(float(np.percentile(margins(outputs(case.network, case.inputs), case.labels), 10)), 1e-3)


def product(norms: list[float], margin: float = 1.0) -> float:
    """Jiang et al. 2020, eq. 31, 32, 36 and 37, as a logarithm."""
    return math.log(math.prod(norms) / margin**2)


def summed(norms: list[float], margin: float = 1.0) -> float:
    """Jiang et al. 2020, eq. 34, 35, 38 and 39, as a logarithm."""
    depth = len(norms)
    return math.log(depth * (math.prod(norms) / margin**2) ** (1 / depth))


def squared_spectral(case: Case) -> float:
    """Yoshida and Miyato 2017, section 3: the sum of squared spectral norms, here for layers as linear maps."""
    return sum(spectral(case))


def yoshida_miyato(case: Case) -> float:
    """Yoshida and Miyato 2017, section 3 and 3.2: of weights as trained, kernels reshaped to (out, in · h · w)."""
    weights = [array(layer.weight) for layer in weight_layers(case.network)]
    return float(sum(np.linalg.norm(weight.reshape(len(weight), -1), 2) ** 2 for weight in weights))


def stable_ranks(case: Case) -> float:
    """Jiang et al. 2020, eq. 33, for kernels reshaped to (out, in · h · w)."""
    matrices = [weight.reshape(len(weight), -1) for _, weight, _ in folded_weights(case.network)]
    return float(sum((matrix**2).sum() / np.linalg.svd(matrix, compute_uv=False)[0] ** 2 for matrix in matrices))


def frobenius_over_spectral(case: Case) -> float:
    """Jiang et al. 2020, eq. 33, with the spectral norm of a convolution as a linear map."""
    return float(sum(f / s for f, s in zip(frobenius(case), spectral(case), strict=True)))


def path_norm(case: Case) -> float:
    """Jiang et al. 2020, eq. 44: the sum of the outputs of f with squared parameters at an input of ones.

    Every layer is a matrix, with the zeros that it really pads.
    """
    squared = {layer: (weight**2, bias**2) for layer, weight, bias in folded_weights(case.network)}
    value = torch.ones(1, *case.inputs.shape[1:], dtype=torch.float64)
    for step in steps(case.network, case.inputs[:1]):
        layer = step.layer
        if isinstance(layer, nn.Conv2d):
            weight, bias = squared[layer]
            assert not isinstance(layer.padding, str)
            down, across = layer.padding
            padded = np.pad(array(value), ((0, 0), (0, 0), (down, down), (across, across)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
            windows = windows[:, :, :: layer.stride[0], :: layer.stride[1]]
            value = torch.from_numpy(np.einsum("nchwij,ocij->nohw", windows, weight) + bias[:, None, None])
        elif isinstance(layer, nn.Linear):
            weight, bias = squared[layer]
            value = torch.from_numpy(array(value) @ weight.T + bias)
        elif not isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            value = layer(value)
    return float(value.sum())


def spectral_complexity(case: Case, references: list[Array]) -> float:
    """Bartlett et al. 2017, eq. 1.2, over γ, as a logarithm: (p, q)-norms of the layers' matrices, row by row."""
    weights = [array(layer.weight) for layer in weight_layers(case.network)]
    matrices = maps(case.network, case.inputs, weights)
    norms = [float(np.linalg.norm(matrix, 2)) for matrix in matrices]
    away = [w - reference for w, reference in zip(weights, references, strict=True)]
    two_one = [float(np.linalg.norm(m, axis=1).sum()) for m in maps(case.network, case.inputs, away)]
    terms = [(n / s) ** (2 / 3) for n, s in zip(two_one, norms, strict=True)]
    return math.log(math.prod(norms) * sum(terms) ** 1.5 / gamma(case))


def from_initialization(case: Case) -> float:
    """Bartlett et al. 2017, eq. 1.2, the initial weights as reference matrices."""
    return spectral_complexity(case, [array(layer.weight) for layer in weight_layers(case.initial)])


def from_origin(case: Case) -> float:
    """Bartlett et al. 2017, eq. 1.2, zero as reference."""
    return spectral_complexity(case, [np.zeros(tuple(layer.weight.shape)) for layer in weight_layers(case.network)])


FOLDED = "Batch norm is folded into the layer before it."
EXACT = f"Convolutions are linear maps with circular padding. {FOLDED}"

TRANSCRIPTIONS = {
    "Parameter count": Transcription(
        parameter_count, "Jiang et al. 2020, eq. 20", "Batch norm's parameters count too."
    ),
    "VC dimension": Transcription(
        vc_dimension, "Bartlett et al. 2019, upper bound O(W L log W)", "The bound's constant is left out."
    ),
    "Distance from initialization": Transcription(distance, "Nagarajan and Kolter 2019"),
    "Frobenius over spectral norms": Transcription(
        stable_ranks,
        f"{JIANG}, eq. 33",
        FOLDED,
        published=frobenius_over_spectral,
        reason="Both norms are those of the reshaped kernel, so that a term is a stable rank, from 1 to the rank.",
    ),
    "Path norm": Transcription(path_norm, f"{JIANG}, eq. 44", FOLDED),
    "Path norm over margin": Transcription(
        lambda case: path_norm(case) / gamma(case) ** 2, f"{JIANG}, eq. 43", f"{FOLDED} γ is at least 0.001."
    ),
    "Product of Frobenius norms": Transcription(
        lambda case: product(frobenius(case)), f"{JIANG}, eq. 37", f"As a logarithm. {FOLDED}"
    ),
    "Product of Frobenius norms over margin": Transcription(
        lambda case: product(frobenius(case), gamma(case)),
        f"{JIANG}, eq. 36",
        f"As a logarithm. {FOLDED} γ is at least 0.001.",
    ),
    "Product of spectral norms": Transcription(
        lambda case: product(spectral(case)), f"{JIANG}, eq. 32", f"As a logarithm. {EXACT}"
    ),
    "Product of spectral norms over margin": Transcription(
        lambda case: product(spectral(case), gamma(case)),
        f"{JIANG}, eq. 31",
        f"As a logarithm. {EXACT} γ is at least 0.001.",
    ),
    "Spectral complexity": Transcription(
        from_initialization,
        "Bartlett et al. 2017, eq. 1.2",
        "As a logarithm, over γ. Convolutions are linear maps with circular padding.",
    ),
    "Spectral complexity from origin": Transcription(
        from_origin,
        "Bartlett et al. 2017, eq. 1.2",
        "As a logarithm, over γ. Convolutions are linear maps with circular padding.",
    ),
    "Spectral distance from initialization": Transcription(
        spectral_distance, f"{JIANG}, eq. 41", "Convolutions are linear maps with circular padding."
    ),
    "Squared norm": Transcription(squared_norm, f"{JIANG}, eq. 42"),
    "Squared spectral norms": Transcription(
        squared_spectral,
        "Yoshida and Miyato 2017, section 3",
        EXACT,
        published=yoshida_miyato,
        reason="A convolution's norm is that of the linear map, not of the reshaped kernel; batch norm is folded in.",
    ),
    "Sum of Frobenius norms": Transcription(
        lambda case: summed(frobenius(case)), f"{JIANG}, eq. 39", f"As a logarithm. {FOLDED}"
    ),
    "Sum of Frobenius norms over margin": Transcription(
        lambda case: summed(frobenius(case), gamma(case)),
        f"{JIANG}, eq. 38",
        f"As a logarithm. {FOLDED} γ is at least 0.001.",
    ),
    "Sum of spectral norms": Transcription(
        lambda case: summed(spectral(case)), f"{JIANG}, eq. 35", f"As a logarithm. {EXACT}"
    ),
    "Sum of spectral norms over margin": Transcription(
        lambda case: summed(spectral(case), gamma(case)),
        f"{JIANG}, eq. 34",
        f"As a logarithm. {EXACT} γ is at least 0.001.",
    ),
}
