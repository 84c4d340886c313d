"""Power laws fitted to the tails of eigenvalues, as by Clauset, Shalizi and Newman 2009, and by WeightWatcher."""

from dataclasses import dataclass

import torch
from gengap_measures.layers import weight_layers
from torch import Tensor, nn

FEWEST = 8  # eigenvalues, for a fit to mean anything
SMALLEST_TAIL = 4


@dataclass(frozen=True)
class PowerLaw:
    """The density λ^-exponent above `start`, and the largest eigenvalue there is."""

    exponent: float
    start: float
    largest: float


def power_laws(model: nn.Module) -> list[PowerLaw]:
    """The fit for each weight layer with at least eight eigenvalues. Raises ValueError if none has as many."""
    spectra = [eigenvalues(layer.weight.detach().double()) for layer in weight_layers(model)]
    laws = [fitted(spectrum) for spectrum in spectra if len(spectrum) >= FEWEST]
    if not laws:
        raise ValueError(f"no layer of this network has {FEWEST} eigenvalues, too few to fit a power law to")
    return laws


def eigenvalues(weight: Tensor) -> Tensor:
    """Those of Wᵀ W that are not zero, ascending; of every (out, in) slice of a kernel together.

    Not divided by the number of rows: where an exponent multiplies a logarithm, that would shift layers of one scale by
    different amounts.
    """
    matrices = weight.flatten(2).permute(2, 0, 1) if weight.dim() > 2 else weight[None]
    values = torch.linalg.svdvals(matrices).flatten().square()
    positive: Tensor = values[values > 1e-10 * values.max()].sort().values
    return positive


def fitted(values: Tensor) -> PowerLaw:
    """The likeliest power law above the start whose Kolmogorov-Smirnov distance is least. values: ascending.

    The distance is two-sided: the empirical distribution function is compared on both sides of each of its steps.
    """
    best_distance, best = torch.inf, PowerLaw(0.0, 0.0, 0.0)
    largest = float(values[-1])
    for start in range(len(values) - SMALLEST_TAIL + 1):
        tail = values[start:]
        spread = float((tail / tail[0]).log().sum())
        if spread <= 0:  # equal eigenvalues: no law would stop there
            continue
        exponent = 1 + len(tail) / spread
        model = 1 - (tail / tail[0]) ** (1 - exponent)
        after = torch.arange(1, len(tail) + 1, dtype=torch.float64) / len(tail)
        before = after - 1 / len(tail)
        distance = float(torch.maximum((model - after).abs(), (model - before).abs()).max())
        if distance < best_distance:
            best_distance, best = distance, PowerLaw(exponent, float(tail[0]), largest)
    if best.exponent == 0:
        raise ValueError("all eigenvalues of a layer are equal, so they have no tail to fit a power law to")
    return best
