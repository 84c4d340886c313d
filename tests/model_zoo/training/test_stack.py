"""Batched networks compute for each network what it computes alone: logits, gradients and running statistics."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from model_zoo.architectures import build
from model_zoo.architectures.layers import LAYERS
from model_zoo.training.batched.draws import initial_state
from model_zoo.training.batched.perceptron import PerceptronStack, is_perceptron
from model_zoo.training.batched.stack import Batch, LayerStack, Stack, State

Layers = list[dict[str, object]]
CPU = torch.device("cpu")


def conv(inputs: int, outputs: int, **keywords: object) -> dict[str, object]:
    return {"type": "conv2d", "inputs": inputs, "outputs": outputs, "kernel": 3, **keywords}


def linear(inputs: int, outputs: int, **keywords: object) -> dict[str, object]:
    return {"type": "linear", "inputs": inputs, "outputs": outputs, **keywords}


def plain(*names: str) -> Layers:
    return [{"type": name} for name in names]


NETWORKS: dict[str, Layers] = {
    "perceptron": [
        *plain("flatten"),
        linear(72, 5, bias=False),
        {"type": "batchnorm1d", "features": 5},
        *plain("relu"),
        linear(5, 4),
        *plain("tanh"),
        {"type": "layernorm", "features": 4},
        linear(4, 3),
    ],
    "convolutions": [
        conv(2, 4, padding=[1, 0, 2, 1], bias=False),
        {"type": "batchnorm2d", "features": 4},
        *plain("relu"),
        {"type": "maxpool2d", "kernel": 2, "stride": 1, "padding": [1, 0, 0, 1]},
        conv(4, 4, groups=4, padding=2, dilation=2),
        *plain("relu6", "gelu"),
        {"type": "avgpool2d", "kernel": 2, "padding": [0, 1, 0, 1], "count_padding": False},
        conv(4, 6, groups=2, stride=[2, 1], padding=1),
        *plain("elu", "globalmaxpool2d", "flatten"),
        linear(6, 3),
    ],
    "residual": [
        conv(2, 3, padding=1),
        {
            "type": "residual",
            "body": [
                conv(3, 4, padding=1, stride=2),
                {"type": "batchnorm2d", "features": 4},
                *plain("relu"),
                {"type": "residual", "body": [conv(4, 4, padding=1), *plain("sigmoid")]},
            ],
            "shortcut": [
                {"type": "conv2d", "inputs": 3, "outputs": 4, "kernel": 1, "stride": 2},
                {"type": "batchnorm2d", "features": 4},
            ],
        },
        {"type": "leakyrelu", "slope": 0.1},
        *plain("globalavgpool2d", "flatten"),
        linear(4, 3),
    ],
    "transformer": [
        {"type": "patches", "inputs": 2, "outputs": 4, "kernel": 3},
        {"type": "positions", "tokens": 4, "features": 4},
        {
            "type": "residual",
            "body": [
                {"type": "layernorm", "features": 4},
                {"type": "attention", "features": 4, "heads": 2},
            ],
        },
        {"type": "residual", "body": [linear(4, 6), *plain("silu", "selu"), linear(6, 4), *plain("softplus")]},
        *plain("softmax", "meantokens"),
        linear(4, 3),
    ],
}
IMAGES = (2, 6, 6)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def shaken(architecture: Mapping[str, object], seed: int) -> State:
    """Weights in which no two numbers are alike, also where training begins with zeros and ones."""
    generator = torch.Generator().manual_seed(seed)
    state = initial_state(architecture, 1.0, generator)
    return {
        name: tensor + 0.3 * torch.rand(tensor.shape, generator=generator) if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }


def a_batch(count: int, size: int, shape: tuple[int, ...], classes: int, kept: dict[int, Tensor]) -> Batch:
    generator = torch.Generator().manual_seed(5)
    return Batch(
        torch.randn(count, size, *shape, generator=generator),
        torch.randint(classes, (count, size), generator=generator),
        kept,
    )


def assert_alike(stack: Stack, architecture: Mapping[str, object], states: list[State], batch: Batch) -> None:
    """The stack's gradients, statistics and logits against each network's own, by torch's modules."""
    weights = torch.arange(1.0, stack.count + 1)
    into = torch.ones_like(stack.flat)
    stack.add_gradients(batch, weights, into, 0.5)
    gradients = stack.parts(into)
    logits = stack.logits(batch.inputs[0])
    for row, state in enumerate(states):
        network = build(architecture)
        network.load_state_dict(state)
        x = batch.inputs[row]
        for index, module in enumerate(network.train()):
            x = module(x)
            if index in batch.kept:
                x = x * batch.kept[index][row]
        loss = functional.cross_entropy(x, batch.labels[row])
        alone = torch.autograd.grad(loss, list(network.parameters()))
        for (name, _), gradient in zip(network.named_parameters(), alone, strict=True):
            wanted = 0.5 + weights[row] * gradient
            torch.testing.assert_close(gradients[name][row], wanted, atol=1e-4, rtol=1e-4, msg=name)
        for name, buffer in network.named_buffers():
            torch.testing.assert_close(stack.buffers[name][row], buffer, msg=name)
        with torch.no_grad():
            torch.testing.assert_close(logits[row], network.eval()(batch.inputs[0]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_stack_does_what_each_network_does_alone(name: str) -> None:
    architecture = {"family": "sequential", "layers": NETWORKS[name]}
    states = [shaken(architecture, seed) for seed in range(3)]
    assert_alike(LayerStack(architecture, states, CPU), architecture, states, a_batch(3, 4, IMAGES, 3, {}))


def test_every_layer_is_among_the_networks_tried() -> None:
    def types(part: object) -> Iterator[str]:
        if isinstance(part, dict):
            yield part["type"]
            part = list(part.values())
        if isinstance(part, list):
            for inside in part:
                yield from types(inside)

    assert set(types(list(NETWORKS.values()))) == LAYERS.keys()


@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    count=st.integers(1, 4),
    batch_size=st.integers(1, 5),
    has_dropout=st.booleans(),
    fast=st.booleans(),
)
def test_a_perceptron_by_hand_does_what_torch_does(
    sizes: list[int], count: int, batch_size: int, has_dropout: bool, fast: bool
) -> None:
    layers: Layers = [{"type": "flatten"}]
    kept: dict[int, Tensor] = {}
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [linear(inputs, outputs), {"type": "relu"}]
        if has_dropout:
            kept[len(layers) - 1] = torch.randint(2, (count, batch_size, outputs)) * 2.0
    layers.append(linear(sizes[-2], sizes[-1]))
    architecture = {"family": "sequential", "layers": layers}
    assert is_perceptron(architecture)
    states = [shaken(architecture, seed) for seed in range(count)]
    kind = PerceptronStack if fast else LayerStack
    stack = kind(architecture, states, CPU)
    assert_alike(stack, architecture, states, a_batch(count, batch_size, (1, 1, sizes[0]), sizes[-1], kept))


@pytest.mark.parametrize("kind", [LayerStack, PerceptronStack])
def test_networks_leave_a_stack_and_come_out_as_they_went_in(kind: type[Stack]) -> None:
    architecture = {"family": "sequential", "layers": [*plain("flatten"), linear(4, 3), *plain("relu"), linear(3, 2)]}
    states = [shaken(architecture, seed) for seed in range(4)]
    stack = kind(architecture, states, CPU)
    stack.keep(torch.tensor([1, 3]))
    assert stack.count == 2
    for row, network in enumerate((1, 3)):
        for name, tensor in stack.state(row).items():
            assert torch.equal(tensor, states[network][name])
            assert tensor.is_contiguous()


@pytest.mark.parametrize(
    "layers",
    [
        [linear(4, 2)],
        [*plain("flatten"), linear(4, 2, bias=False)],
        [*plain("flatten"), linear(4, 2), *plain("relu")],
        [*plain("flatten"), linear(4, 2), *plain("tanh"), linear(2, 2)],
        [*plain("flatten", "relu"), linear(4, 2)],
    ],
)
def test_what_is_no_perceptron_is_seen_as_such(layers: Layers) -> None:
    assert not is_perceptron({"family": "sequential", "layers": layers})
