"""Many networks of one architecture as one batched network, by torch's own derivatives. Trained by `course`.

`perceptron` has a faster one for the plainest architectures; what both share is here.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional

from model_zoo.architectures import build
from model_zoo.architectures.composites import Residual
from model_zoo.architectures.spatial import UnevenConv2d

State = dict[str, Tensor]

_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
_ELEMENTWISE = (
    nn.ReLU,
    nn.ReLU6,
    nn.Tanh,
    nn.Sigmoid,
    nn.ELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Softplus,
    nn.LeakyReLU,
)


@dataclass(frozen=True)
class Batch:
    """A batch of its own for each network: inputs (count, B, C, H, W), labels (count, B).

    kept: by top-level layer index, the factors (count, B, features) that dropout multiplies its output by.
    """

    inputs: Tensor
    labels: Tensor
    kept: Mapping[int, Tensor]


class Stack(ABC):
    """`count` networks of one architecture. `flat`: all parameters as one float32 vector.

    It is made of blocks, each (count, …): what one operation multiplies lies together, and one step of an optimizer is
    a few operations on all. Vectors of optimizers are laid out alike.
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
        """The blocks of a vector laid out like `flat`, each as a view of shape (count, size)."""
        count = vector.numel() // sum(self._sizes)
        return [piece.view(count, -1) for piece in vector.split_with_sizes([count * size for size in self._sizes])]

    def parts(self, flat: Tensor) -> State:
        """The parameters (count, *shape) by name, as views of `flat`."""
        named = self.template.named_parameters()
        return {
            name: torch.unflatten(block, 1, parameter.shape)
            for (name, parameter), block in zip(named, self.blocks(flat), strict=True)
        }

    def state(self, row: int) -> State:
        """One network's weights, named as in its own `state_dict`; contiguous copies."""
        parts = self.parts(self.flat) | self.buffers
        return {name: parts[name][row].clone(memory_format=torch.contiguous_format) for name in self._names}

    def kept(self, vector: Tensor, rows: Tensor) -> Tensor:
        """A vector laid out like `flat` with the networks at `rows` alone."""
        return torch.cat([block[rows].flatten() for block in self.blocks(vector)])

    def keep(self, rows: Tensor) -> None:
        """Drop all networks but `rows`, places in the stack."""
        self.flat = self.kept(self.flat, rows)
        self.buffers = {name: buffer[rows] for name, buffer in self.buffers.items()}
        self.count = len(rows)

    def _block_sizes(self) -> list[int]:
        """How many numbers of one network each block has."""
        return [parameter.numel() for parameter in self.template.parameters()]

    @property
    def _names(self) -> list[str]:
        return list(self.template.state_dict())

    @abstractmethod
    def add_gradients(self, batch: Batch, weights: Tensor, into: Tensor, beta: float) -> None:
        """`into` becomes beta · into + weight · gradient of each network's mean cross-entropy on its batch.

        into: laid out like `flat`. weights: (count,). Batch norm's running statistics move on.
        """

    @abstractmethod
    def logits(self, inputs: Tensor) -> Tensor:
        """Logits (count, n, classes) of the networks in eval mode, all for the same inputs (n, C, H, W)."""


class LayerStack(Stack):
    """Networks of any layers.

    A layer's input has the shape (count, B, …). In memory, images lie as (B, H, W, count·C): all networks' channels
    side by side, so that one grouped convolution does all networks. A layer that is not known here is done by
    `torch.func.vmap`: right for every layer without running statistics.
    """

    def add_gradients(self, batch: Batch, weights: Tensor, into: Tensor, beta: float) -> None:
        flat = self.flat.detach().requires_grad_()
        logits = self._run(batch.inputs, self.parts(flat), batch.kept, training=True)
        losses = functional.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), reduction="none")
        means = losses.view(self.count, -1).mean(dim=1)
        (gradient,) = torch.autograd.grad((means * weights).sum(), flat)
        into.mul_(beta).add_(gradient)

    @torch.no_grad()
    def logits(self, inputs: Tensor) -> Tensor:
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
    """The layers of one pass: from (count, B, …) to (count, B, …), with each network's own parameters."""

    count: int
    parts: State
    buffers: State
    training: bool

    def layer(self, module: nn.Module, name: str, x: Tensor) -> Tensor:
        result: Tensor
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
            result = module(x)
        elif isinstance(module, _POOLS):
            result = self._apart(module(self._side_by_side(x)))
        elif any(True for _ in module.parameters()):
            named = {key: self.parts[f"{name}.{key}"] for key, _ in module.named_parameters()}
            result = vmap(lambda own, inputs: functional_call(module, own, (inputs,)))(named, x)
        else:
            result = torch.unflatten(module(x.flatten(0, 1)), 0, x.shape[:2])
        return result

    def _layers(self, modules: nn.Sequential, name: str, x: Tensor) -> Tensor:
        for index, module in enumerate(modules):
            x = self.layer(module, f"{name}.{index}", x)
        return x

    def _side_by_side(self, x: Tensor) -> Tensor:
        """(count, B, C, H, W) → (B, count·C, H, W), copied only where memory is not laid out so."""
        return x.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)

    def _apart(self, x: Tensor) -> Tensor:
        """(B, count·C, …) → (count, B, C, …), never copied."""
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
        """x: (B, count·C, …)."""
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
