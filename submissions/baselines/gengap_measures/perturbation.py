"""How far parameters can be moved before the network fails: random noise, the worst case in a box, bisection."""

import math
from collections.abc import Callable

import torch
from gengap_measures.gradients import loss_gradient, unflattened
from gengap_measures.layers import flat
from gengap_measures.outputs import accuracy, logits
from torch import Tensor, nn

ACCURACY_DROP = 0.1


def largest(holds: Callable[[float], bool], low: float, high: float, steps: int) -> float:
    """The largest scale in [low, high] at which `holds`, on a logarithmic scale, by bisection; `low` if it never does.

    Right where `holds` changes once from true to false; exact to the factor (high / low) ** (0.5 ** steps).
    """
    if holds(high):
        return high
    for _ in range(steps):
        middle = math.sqrt(low * high)
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def noise_tolerance(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    deviations: Callable[[float], Tensor],
    *,
    center: Tensor | None = None,
    draws: int = 10,
    steps: int = 14,
) -> float:
    """The largest σ for which noise costs at most 10 % of accuracy on average.

    deviations: σ → the noise's standard deviation in every parameter, float64 (parameters,), increasing. center: the
    parameters around which there is noise, by default the network's own, whose accuracy it is that counts. The same
    draws at every σ, so that the accuracy is one function of σ; σ between 1e-5 and 1e2.
    """
    middle = flat(model) if center is None else center
    least = accuracy(logits(model, inputs), labels) - ACCURACY_DROP
    seeds = [int(torch.randint(2**31, ())) for _ in range(draws)]

    def holds(scale: float) -> bool:
        spread, mean = deviations(scale), 0.0
        for seed in seeds:
            noise = torch.randn(len(middle), generator=torch.Generator().manual_seed(seed)).double()
            outputs = logits(model, inputs, unflattened(model, middle + spread * noise))
            mean += accuracy(outputs, labels) / draws
        return mean >= least - 1e-12

    return largest(holds, 1e-5, 1e2, steps)


def worst_case_tolerance(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    box: Callable[[float], Tensor],
    *,
    ascent_steps: int = 8,
    steps: int = 12,
) -> float:
    """The largest α for which no point found in the box |u| ≤ box(α) costs more than 10 % of accuracy.

    The search climbs the loss from the middle in steps along the gradient's signs, each a quarter of the box, as
    strong attacks on inputs do. α between 1e-6 and 1e1.
    """
    center = flat(model)
    least = accuracy(logits(model, inputs), labels) - ACCURACY_DROP

    def holds(scale: float) -> bool:
        limit = box(scale)
        moved = torch.zeros_like(center)
        for _ in range(ascent_steps):
            slope = loss_gradient(model, inputs, labels, unflattened(model, center + moved))
            moved = (moved + 0.25 * limit * slope.sign()).clamp(-limit, limit)
            outputs = logits(model, inputs, unflattened(model, center + moved))
            if accuracy(outputs, labels) < least - 1e-12:
                return False
        return True

    return largest(holds, 1e-6, 1e1, steps)
