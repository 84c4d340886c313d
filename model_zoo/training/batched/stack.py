"""Networks of one architecture as one batched network, with torch's automatic derivatives.

`perceptron` has a faster one for multilayer perceptrons; their common base class is here.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional

from model_zoo.architectures import build
from model_zoo.architectures.composites import Residual
from model_zoo.architectures.spatial import UnevenConv2d

State = dict[str, Tensor]

_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
_ELEMENTWISE = (nn.ReLU, nn.ReLU6, nn.Tanh, nn.Sigmoid, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Softplus, nn.LeakyReLU)


@dataclass(frozen=True)
class Batch:
    """A batch of its own for each network.

    Attributes
    ----------
    inputs : torch.Tensor
        (count, B, C, H, W).
    labels : torch.Tensor
        (count, B).
    kept : mapping of int to torch.Tensor
        By index of a top-level layer, the dropout factors (count, B, features) of its output.
    """

    inputs: Tensor
    labels: Tensor
    kept: Mapping[int, Tensor]


class Stack(ABC):
    """`count` networks of one architecture, with all parameters in one float32 vector.

    The vector consists of blocks, each (count, …): what one operation multiplies is contiguous, and one step of an
    optimizer is a few operations on everything. Vectors of optimizers have the same layout.

    Parameters
    ----------
    architecture : mapping
    states : sequence of dict
        Weights of each network by `state_dict` name.
    device : torch.device

    Attributes
    ----------
    flat : torch.Tensor
        The parameters.
    buffers : dict
        By name, (count, …).
    """

    def __init__(self, architecture: Mapping[str, object], states: Sequence[State], device: torch.device) -> None:
        with torch.device("meta"):
            self.template = build(architecture)
        self.count = len(states)
        self._sizes = self._block_sizes()
        self.flat = torch.empty(self.count * sum(self._sizes), device=device)
        for name, part in self.parts(self.flat).items():
            part.copy_(torch.stack([state[name] for state in states]))
        self.buffers = {
            name: torch.stack([state[name] for state in states]).to(device) for name, _ in self.template.named_buffers()
        }

    def blocks(self, vector: Tensor) -> list[Tensor]:
        """Split a vector laid out like `flat` into its blocks, as views of shape (count, size)."""
        count = vector.numel() // sum(self._sizes)
        return [piece.view(count, -1) for piece in vector.split_with_sizes([count * size for size in self._sizes])]

    def parts(self, flat: Tensor) -> State:
        """Return the parameters (count, *shape) by name, as views of `flat`."""
        named = self.template.named_parameters()
        return {
            name: torch.unflatten(block, 1, parameter.shape)
            for (name, parameter), block in zip(named, self.blocks(flat), strict=True)
        }

    def state(self, row: int) -> State:
        """Copy one network's weights, by `state_dict` name."""
        parts = self.parts(self.flat) | self.buffers
        return {
            name: parts[name][row].clone(memory_format=torch.contiguous_format) for name in self.template.state_dict()
        }

    def kept(self, vector: Tensor, rows: Tensor) -> Tensor:
        """Select the networks at `rows` from a vector laid out like `flat`."""
        return torch.cat([block[rows].flatten() for block in self.blocks(vector)])

    def keep(self, rows: Tensor) -> None:
        """Drop all networks but `rows`, indices in the stack."""
        self.flat = self.kept(self.flat, rows)
        self.buffers = {name: buffer[rows] for name, buffer in self.buffers.items()}
        self.count = len(rows)

    def _block_sizes(self) -> list[int]:
        """Count the values of one network in each block."""
        return [parameter.numel() for parameter in self.template.parameters()]

    @abstractmethod
    def add_gradients(self, batch: Batch, weights: Tensor, into: Tensor, beta: float) -> None:
        """Compute beta · into + weight · gradient in place, and update batch norm's running statistics.

        Parameters
        ----------
        batch : Batch
        weights : torch.Tensor
            (count,): factor of the gradient of each network's mean cross-entropy.
        into : torch.Tensor
            Laid out like `flat`; changed in place.
        beta : float
        """

    @abstractmethod
    def logits(self, inputs: Tensor) -> Tensor:
        """Compute logits (count, n, classes) in eval mode, for the same inputs (n, C, H, W) for all networks."""


class LayerStack(Stack):
    """A stack of networks with any layers.

    A layer's input has the shape (count, B, …). In memory, images are (B, H, W, count·C), with the channels of all
    networks side by side, so that one grouped convolution computes all networks. Layers that have no batched form here
    use `torch.func.vmap`, which is correct for every layer without running statistics.
    """

    def add_gradients(self, batch: Batch, weights: Tensor, into: Tensor, beta: float) -> None:
        """Compute beta · into + weight · gradient in place, see `Stack.add_gradients`."""
        flat = self.flat.detach().requires_grad_()
        logits = self._run(batch.inputs, self.parts(flat), batch.kept, training=True)
        losses = functional.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), reduction="none")
        means = losses.view(self.count, -1).mean(dim=1)
        (gradient,) = torch.autograd.grad((means * weights).sum(), flat)
        into.mul_(beta).add_(gradient)

    @torch.no_grad()
    def logits(self, inputs: Tensor) -> Tensor:
        """Compute logits (count, n, classes) for inputs (n, C, H, W)."""
        return self._run(inputs.expand(self.count, *inputs.shape), self.parts(self.flat), {}, training=False)

    def _run(self, x: Tensor, parts: State, kept: Mapping[int, Tensor], training: bool) -> Tensor:
        batched = _Batched(self.count, parts, self.buffers, training)
        for index, module in enumerate(self.template):
            x = batched.layer(module, str(index), x)
            if index in kept:
                x = x * kept[index].view(x.shape)
        return x


@dataclass(frozen=True)
class _Batched:
    """The layers of one pass, from (count, B, …) to (count, B, …), each network with its own parameters."""

    count: int
    parts: State
    buffers: State
    training: bool

    def layer(self, module: nn.Module, name: str, x: Tensor) -> Tensor:
        match module:
            case Residual():
                body = self._layers(module.body, f"{name}.body", x)
                return body + self._layers(module.shortcut, f"{name}.shortcut", x)
            case nn.Conv2d():
                return self._convolution(module, name, x)
            case nn.BatchNorm2d():
                return self._apart(self._batch_norm(module, name, self._side_by_side(x)))
            case nn.BatchNorm1d():
                columns = x.transpose(0, 1).flatten(1, 2)
                return self._apart(self._batch_norm(module, name, columns))
            case nn.Linear():
                return self._linear(name, x)
        if isinstance(module, _ELEMENTWISE):
            return cast(Tensor, module(x))
        if isinstance(module, _POOLS):
            return self._apart(module(self._side_by_side(x)))
        if named := {key: self.parts[f"{name}.{key}"] for key, _ in module.named_parameters()}:
            return cast(Tensor, vmap(lambda own, inputs: functional_call(module, own, (inputs,)))(named, x))
        return torch.unflatten(module(x.flatten(0, 1)), 0, x.shape[:2])

    def _layers(self, modules: nn.Sequential, name: str, x: Tensor) -> Tensor:
        for index, module in enumerate(modules):
            x = self.layer(module, f"{name}.{index}", x)
        return x

    def _side_by_side(self, x: Tensor) -> Tensor:
        """Reshape (count, B, C, H, W) to (B, count·C, H, W), copying only where memory is laid out differently."""
        return x.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)

    def _apart(self, x: Tensor) -> Tensor:
        """Reshape (B, count·C, …) to (count, B, C, …), without copying."""
        return torch.unflatten(x, 1, (self.count, -1)).transpose(0, 1)

    def _linear(self, name: str, x: Tensor) -> Tensor:
        rows = x.flatten(1, -2)
        weight, bias = self.parts[f"{name}.weight"].transpose(1, 2), self.parts.get(f"{name}.bias")
        product = torch.bmm(rows, weight) if bias is None else torch.baddbmm(bias.unsqueeze(1), rows, weight)
        return torch.unflatten(product, 1, x.shape[1:-1])

    def _convolution(self, module: nn.Conv2d, name: str, x: Tensor) -> Tensor:
        bias = self.parts.get(f"{name}.bias")
        images = self._side_by_side(x)
        if isinstance(module, UnevenConv2d):
            images = functional.pad(images, module.sides)
        convolved = functional.conv2d(
            images,
            self.parts[f"{name}.weight"].flatten(0, 1),
            None if bias is None else bias.flatten(),
            module.stride,
            module.padding,
            module.dilation,
            self.count * module.groups,
        )
        return self._apart(convolved)

    def _batch_norm(self, module: nn.BatchNorm1d | nn.BatchNorm2d, name: str, x: Tensor) -> Tensor:
        """Batch norm of (B, count·C, …)."""
        if self.training:
            self.buffers[f"{name}.num_batches_tracked"] += 1
        return functional.batch_norm(
            x,
            self.buffers[f"{name}.running_mean"].view(-1),
            self.buffers[f"{name}.running_var"].view(-1),
            self.parts[f"{name}.weight"].flatten(),
            self.parts[f"{name}.bias"].flatten(),
            self.training,
            module.momentum or 0.0,
            module.eps,
        )
