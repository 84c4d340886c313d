"""Many networks of one architecture as one batched network. Trained by `together`."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_zoo.architectures import build

State = dict[str, Tensor]


def initial_state(architecture: Mapping[str, object], scale: float, generator: torch.Generator) -> State:
    """Weights before training: He-normal times `scale`, biases 0, batch norm the identity."""
    with torch.device("meta"):
        network = build(architecture)
    state: State = {}
    for name, module in network.named_children():
        for key, slot in module.state_dict().items():
            if isinstance(module, nn.BatchNorm2d):
                made = torch.full(slot.shape, int(key in ("weight", "running_var")), dtype=slot.dtype)
            elif key == "weight":
                fan_in = slot[0].numel()
                made = torch.randn(slot.shape, generator=generator) * (scale * (2 / fan_in) ** 0.5)
            else:
                made = torch.zeros(slot.shape)
            state[f"{name}.{key}"] = made
    return state


class Stack:
    """`count` networks of one architecture. `flat` has all parameters, float32 of shape (count·P,).

    In `flat`, each parameter tensor has the networks one after another: what one operation multiplies lies
    together, and one step of the optimizer is a few operations on all.
    Spatial activations have the shape (B, count·C, H, W), so that one grouped convolution does all networks;
    flat features have the shape (count, B, features), so that one batched matrix product does.
    """

    def __init__(self, architecture: Mapping[str, object], states: Sequence[State]) -> None:
        with torch.device("meta"):
            template = build(architecture)
        self._modules = list(template.children())
        self._shapes = {name: parameter.shape for name, parameter in template.named_parameters()}
        self._sizes = [shape.numel() for shape in self._shapes.values()]
        self.count = len(states)
        self.flat = torch.cat([torch.stack([state[name] for state in states]).flatten() for name in self._shapes])
        self.flat.requires_grad_()
        self._buffers = {name: torch.stack([state[name] for state in states]) for name, _ in template.named_buffers()}

    def state(self, row: int) -> State:
        """One network's weights, named as in its own `state_dict`; copies."""
        parts = self._parameters(self.flat.detach())
        return {name: stacked[row].clone() for name, stacked in (parts | self._buffers).items()}

    def spread(self, values: Tensor) -> Tensor:
        """One value for each network (count,) as one for each parameter, laid out like `flat`."""
        return torch.cat([values.repeat_interleave(size) for size in self._sizes])

    def keep(self, rows: Tensor, momenta: Tensor) -> Tensor:
        """Drop all networks but `rows`. Returns `momenta`, laid out like `flat`, without theirs."""
        flat, momenta = (
            torch.cat([part[rows].flatten() for part in self._parameters(vector).values()])
            for vector in (self.flat.detach(), momenta)
        )
        self.count = len(rows)
        self.flat = flat.requires_grad_()
        self._buffers = {name: buffer[rows] for name, buffer in self._buffers.items()}
        return momenta

    def logits(self, inputs: Tensor, training: bool, kept: Mapping[int, Tensor] | None = None) -> Tensor:
        """Logits (count, B, classes) for inputs (B, count, C, H, W): each network has a batch of its own.

        `kept`: by layer index, the factors (count, B, features) that dropout multiplies its output by.
        """
        parts = self._parameters(self.flat)
        batch, count = inputs.shape[:2]
        x = inputs.flatten(1, 2).contiguous(memory_format=torch.channels_last)
        for index, module in enumerate(self._modules):
            if isinstance(module, nn.Flatten):
                x = x.reshape(batch, count, -1).transpose(0, 1).contiguous()
            elif isinstance(module, nn.Linear):
                weight = parts[f"{index}.weight"].transpose(1, 2)
                bias = parts.get(f"{index}.bias")
                x = torch.bmm(x, weight) if bias is None else torch.baddbmm(bias.unsqueeze(1), x, weight)
            elif isinstance(module, nn.Conv2d):
                bias = parts.get(f"{index}.bias")
                x = functional.conv2d(
                    x,
                    parts[f"{index}.weight"].flatten(0, 1),
                    None if bias is None else bias.flatten(),
                    module.stride,
                    module.padding,
                    groups=count,
                )
            elif isinstance(module, nn.BatchNorm2d):
                x = self._normalise(x, index, module, parts, training)
            else:  # acts on each value or channel alone
                x = module(x)
            if kept and index in kept:
                x = x * kept[index]
        return x

    def _normalise(self, x: Tensor, index: int, module: nn.BatchNorm2d, parts: State, training: bool) -> Tensor:
        if training:
            self._buffers[f"{index}.num_batches_tracked"] += 1
        return functional.batch_norm(
            x,
            self._buffers[f"{index}.running_mean"].view(-1),
            self._buffers[f"{index}.running_var"].view(-1),
            parts[f"{index}.weight"].flatten(),
            parts[f"{index}.bias"].flatten(),
            training,
            module.momentum or 0.0,
            module.eps,
        )

    def _parameters(self, flat: Tensor) -> State:
        pieces = flat.split_with_sizes([self.count * size for size in self._sizes])
        return {
            name: piece.view(self.count, *shape)
            for (name, shape), piece in zip(self._shapes.items(), pieces, strict=True)
        }
