"""Networks cut at a layer: what comes out of the lower part, the upper part on other inputs, and maps in between."""

from collections.abc import Callable

import torch
from gengap_measures.data import batches
from torch import Tensor, nn

RIDGE = 1e-3


def middle_outputs(network: nn.Module, layer: nn.Module, inputs: Tensor) -> Tensor:
    """The layer's outputs as they are: float32 (n, ...)."""
    kept: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _m, _i, output: kept.append(output.detach()))
    try:
        with torch.no_grad():
            for (x,) in batches(inputs):
                network(x)
    finally:
        hook.remove()
    return torch.cat(kept)


def top_logits(network: nn.Module, layer: nn.Module, inputs: Tensor, middle: Tensor) -> Tensor:
    """The logits, float64 (n, classes), of the part above `layer` if that gives `middle` in place of its outputs.

    inputs: what the part below runs on meanwhile; it makes no difference unless the network leads around the layer.
    """
    given: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _m, _i, _output: given[-1])
    outputs = []
    try:
        with torch.no_grad():
            for x, part in batches(inputs, middle):
                given.append(part)
                outputs.append(network(x).double())
    finally:
        hook.remove()
    return torch.cat(outputs)


def fitted_map(sources: Tensor, targets: Tensor) -> Callable[[Tensor], Tensor]:
    """The affine map between units that fits best, as a function of tensors like `sources`.

    sources, targets: (n, units), images (n, units, H, W) or tokens (n, T, units). Least squares with a ridge of `RIDGE`
    times the sources' mean variance; the offset is not penalised.
    """
    points, wanted = _by_units(sources), _by_units(targets)
    middle, goal = points.mean(dim=0), wanted.mean(dim=0)
    centered = points - middle
    gram = centered.T @ centered
    ridge = max(RIDGE * float(gram.diagonal().mean()), 1e-12)
    weight = torch.linalg.solve(gram + ridge * torch.eye(len(gram), dtype=gram.dtype), centered.T @ (wanted - goal))

    def mapped(outputs: Tensor) -> Tensor:
        flat: Tensor = ((_by_units(outputs) - middle) @ weight + goal).to(outputs.dtype)
        if outputs.dim() == 4:
            return flat.view(len(outputs), *outputs.shape[2:], flat.shape[1]).movedim(-1, 1).contiguous()
        return flat.view(*outputs.shape[:-1], flat.shape[1])

    return mapped


def _by_units(outputs: Tensor) -> Tensor:
    """(rows, units), float64: a row for each example, position or token."""
    last = outputs.movedim(1, -1) if outputs.dim() == 4 else outputs
    return last.reshape(-1, last.shape[-1]).double()
