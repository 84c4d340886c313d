"""Batched multilayer perceptrons with hand-written derivatives, twice as fast as torch's automatic ones.

Small networks spend their time between operations, not in them. Here a step is about six operations a layer: a column
of ones beside each layer's inputs makes the bias a row of the weights, and the product that gives a weight's gradient
adds it to the optimizer's memory at once. docs/decisions/0011 has the measurements; the tests compare it with
`LayerStack`.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from model_zoo.architectures import build
from model_zoo.training.batched.stack import Batch, Stack, State

_ACTIVATION = 2  # layer i of the linear ones has its inputs from the activation at index 2 i


def is_perceptron(architecture: Mapping[str, object]) -> bool:
    """Whether the layers are flatten, then linear layers with biases, with ReLU between each two."""
    with torch.device("meta"):
        modules = list(build(architecture))
    wanted = [nn.Flatten, nn.Linear, *[nn.ReLU, nn.Linear] * ((len(modules) - 2) // 2)]
    return [type(module) for module in modules] == wanted and all(
        module.bias is not None for module in modules if isinstance(module, nn.Linear)
    )


class PerceptronStack(Stack):
    """`Stack` for architectures that satisfy `is_perceptron`. A block is a layer, (out, in + 1), with the bias last."""

    def __init__(self, architecture: Mapping[str, object], states: Sequence[State], device: torch.device) -> None:
        with torch.device("meta"):
            layers = {f"{index}": module for index, module in enumerate(build(architecture))}
        linear = {name: module for name, module in layers.items() if isinstance(module, nn.Linear)}
        self._shapes = {name: (module.out_features, module.in_features + 1) for name, module in linear.items()}
        self._memory: dict[int, _Memory] = {}
        self._into: Tensor | None = None
        self._into_layers: list[Tensor] = []
        super().__init__(architecture, states, device)

    def parts(self, flat: Tensor) -> State:
        """Return the parameters by name, as views of `flat`."""
        named: State = {}
        for name, layer in zip(self._shapes, self._layers(flat), strict=True):
            named[f"{name}.weight"], named[f"{name}.bias"] = layer[:, :, :-1], layer[:, :, -1]
        return named

    def keep(self, rows: Tensor) -> None:
        """Drop all networks but `rows`."""
        super().keep(rows)
        self._memory.clear()
        self._into = None

    @torch.no_grad()
    def add_gradients(self, batch: Batch, weights: Tensor, into: Tensor, beta: float) -> None:
        """Compute beta · into + weight · gradient in place, see `Stack.add_gradients`."""
        size = batch.labels.shape[1]
        if size not in self._memory:
            self._memory[size] = _Memory(self._layers(self.flat), size)
        memory = self._memory[size]
        last = len(memory.weights) - 1
        memory.inputs[0].copy_(batch.inputs.flatten(2))
        for layer, weight in enumerate(memory.weights):
            sums = torch.bmm(memory.inputs_and_one[layer], weight, out=memory.sums[layer])
            if layer < last:
                torch.clamp_min(sums, 0, out=memory.inputs[layer + 1])
                if (kept := batch.kept.get(_ACTIVATION * (layer + 1))) is not None:
                    memory.inputs[layer + 1].mul_(kept)
        slope = _softmax(memory.sums[last], memory.slopes[last])
        slope.scatter_add_(2, batch.labels.unsqueeze(2), memory.minus_one)
        slope.mul_((weights / size).view(-1, 1, 1))
        if self._into is not into:
            self._into, self._into_layers = into, self._layers(into)
        gradients = self._into_layers
        for layer in range(last, -1, -1):
            gradients[layer].baddbmm_(memory.slopes_turned[layer], memory.inputs_and_one[layer], beta=beta)
            if layer:
                slope = torch.bmm(memory.slopes[layer], memory.weights_alone[layer], out=memory.slopes[layer - 1])
                if (kept := batch.kept.get(_ACTIVATION * layer)) is not None:
                    slope.mul_(kept)
                torch.ops.aten.threshold_backward.grad_input(slope, memory.inputs[layer], 0, grad_input=slope)

    @torch.no_grad()
    def logits(self, inputs: Tensor) -> Tensor:
        """Compute logits (count, n, classes) for inputs (n, C, H, W)."""
        x = inputs.flatten(1).expand(self.count, len(inputs), -1)
        for place, layer in enumerate(self._layers(self.flat)):
            x = torch.baddbmm(layer[:, :, -1].unsqueeze(1), x.relu_() if place else x, layer[:, :, :-1].transpose(1, 2))
        return x

    def _block_sizes(self) -> list[int]:
        return [rows * columns for rows, columns in self._shapes.values()]

    def _layers(self, flat: Tensor) -> list[Tensor]:
        """Return each layer's block of `flat`: (count, out, in + 1)."""
        return [
            torch.unflatten(block, 1, shape)
            for block, shape in zip(self.blocks(flat), self._shapes.values(), strict=True)
        ]


class _Memory:
    """The tensors of a step on batches of one size, allocated once, and all views of them that a step needs.

    inputs: of each layer (count, B, in), with a column of ones in `inputs_and_one`; sums: of each (count, B, out);
    slopes: the derivatives of the losses by the sums. weights (count, in + 1, out) and weights_alone (count, out, in).
    """

    def __init__(self, layers: Sequence[Tensor], size: int) -> None:
        first = layers[0]
        self.weights = [layer.transpose(1, 2) for layer in layers]
        self.weights_alone = [layer[:, :, :-1] for layer in layers]
        self.inputs_and_one = [first.new_ones(len(layer), size, layer.shape[2]) for layer in layers]
        self.inputs = [inputs[:, :, :-1] for inputs in self.inputs_and_one]
        self.sums = [first.new_empty(len(layer), size, layer.shape[1]) for layer in layers]
        self.slopes = [torch.empty_like(sums) for sums in self.sums]
        self.slopes_turned = [slopes.transpose(1, 2) for slopes in self.slopes]
        self.minus_one = first.new_full((1, 1, 1), -1).expand(len(first), size, 1)


def _softmax(sums: Tensor, out: Tensor) -> Tensor:
    """Softmax over the last dimension; torch's own is slow over so few numbers."""
    torch.sub(sums, sums.amax(dim=2, keepdim=True), out=out).exp_()
    return out.div_(out.sum(dim=2, keepdim=True))
