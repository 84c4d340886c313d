"""What a network computes: logits, losses, hidden representations, all in one pass over the data, batch by batch."""

from collections.abc import Callable, Mapping, Sequence

import torch
from gengap_measures.data import batches
from gengap_measures.layers import weight_layers
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, max_pool2d

Reduce = Callable[[Tensor], Tensor]


def logits(model: nn.Module, inputs: Tensor, parameters: Mapping[str, Tensor] | None = None) -> Tensor:
    """The network's logits, float64 of shape (n, classes). parameters: others than its own, by name."""
    with torch.no_grad():
        if parameters is None:
            return torch.cat([model(x).double() for (x,) in batches(inputs)])
        return torch.cat([functional_call(model, dict(parameters), (x,)).double() for (x,) in batches(inputs)])


def accuracy(outputs: Tensor, labels: Tensor) -> float:
    """The part of examples whose largest logit is their label's."""
    return float((outputs.argmax(dim=1) == labels).double().mean())


def mean_loss(outputs: Tensor, labels: Tensor) -> float:
    """The mean cross-entropy of logits (n, classes), in nats."""
    return float(cross_entropy(outputs.double(), labels))


def flattened(activation: Tensor) -> Tensor:
    """(n, ...) → (n, features)."""
    return activation.flatten(1)


def pooled(activation: Tensor) -> Tensor:
    """Averaged over positions: channels of (n, C, H, W), features of tokens (n, T, d), or (n, d) as it is."""
    if activation.dim() == 4:
        return activation.mean(dim=(2, 3))
    return activation.mean(dim=1) if activation.dim() == 3 else activation


def max_pooled(activation: Tensor) -> Tensor:
    """Images (n, C, H, W) max-pooled in windows of four by four (or the whole of smaller ones), then flat."""
    if activation.dim() == 4:
        window = (min(4, activation.shape[2]), min(4, activation.shape[3]))
        activation = max_pool2d(activation, window)
    return activation.flatten(1)


def activations(
    model: nn.Module, inputs: Tensor, modules: Sequence[nn.Module], reduce: Reduce = flattened
) -> list[Tensor]:
    """The outputs of each of `modules`, reduced: float64 of shape (n, features), all from one pass.

    Raises ValueError if the network does not call one of them.
    """
    kept: list[list[Tensor]] = [[] for _ in modules]
    hooks = []
    for module, parts in zip(modules, kept, strict=True):

        def keep(_module: nn.Module, _given: object, output: Tensor, parts: list[Tensor] = parts) -> None:
            parts.append(reduce(output).double())

        hooks.append(module.register_forward_hook(keep))
    try:
        logits(model, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    if not all(kept):
        raise ValueError("the network does not call every one of its layers, so some have no activations")
    return [torch.cat(parts) for parts in kept]


def penultimate(model: nn.Module, inputs: Tensor) -> Tensor:
    """What the network's last weight layer gets, averaged over positions: float64 of shape (n, features)."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
        kept.append(pooled(given[0]).double())

    hook = weight_layers(model)[-1].register_forward_pre_hook(keep)
    try:
        logits(model, inputs)
    finally:
        hook.remove()
    return torch.cat(kept)
