"""The language of architectures: what is declared is built, and computes what the format says."""

import copy
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.fx
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from model_zoo.architectures import build, load_network
from model_zoo.architectures.layers import LAYERS
from tests.model_zoo.architectures import plain_layers as plain

Layer = dict[str, Any]


def network_of(*layers: Layer) -> nn.Sequential:
    return build({"family": "sequential", "layers": list(layers)}).eval()


def randomized(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with numbers drawn for every parameter and running statistic."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if tensor.dtype == torch.float32:
            drawn = torch.rand(tensor.shape, generator=generator) - (0.0 if "running_var" in name else 0.5)
            tensor.copy_(drawn)
    return network


def array(tensor: Tensor) -> plain.Array:
    return tensor.detach().double().numpy()


# Each entry: the layer's keywords as they can be, and the module's class and attributes that must come of them.
MODULES: list[tuple[Layer, type[nn.Module], dict[str, object]]] = [
    ({"type": "flatten"}, nn.Flatten, {"start_dim": 1}),
    ({"type": "linear", "inputs": 3, "outputs": 2, "bias": False}, nn.Linear, {"in_features": 3, "bias": None}),
    (
        {"type": "conv2d", "inputs": 2, "outputs": 4, "kernel": [3, 2], "stride": [2, 1], "padding": [1, 1, 0, 0]},
        nn.Conv2d,
        {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
    ),
    (
        {"type": "conv2d", "inputs": 2, "outputs": 4, "kernel": 3, "groups": 2, "dilation": 2},
        nn.Conv2d,
        {"groups": 2, "dilation": (2, 2), "padding": (0, 0), "stride": (1, 1)},
    ),
    ({"type": "maxpool2d", "kernel": 2}, nn.MaxPool2d, {"kernel_size": 2, "stride": 2, "padding": 0}),
    ({"type": "maxpool2d", "kernel": 3, "stride": 2, "padding": 1, "ceil": True}, nn.MaxPool2d, {"ceil_mode": True}),
    ({"type": "avgpool2d", "kernel": [2, 3]}, nn.AvgPool2d, {"stride": (2, 3), "count_include_pad": True}),
    ({"type": "avgpool2d", "kernel": 2, "count_padding": False}, nn.AvgPool2d, {"count_include_pad": False}),
    ({"type": "globalavgpool2d"}, nn.AdaptiveAvgPool2d, {"output_size": 1}),
    ({"type": "globalmaxpool2d"}, nn.AdaptiveMaxPool2d, {"output_size": 1}),
    ({"type": "batchnorm2d", "features": 3, "eps": 0.001}, nn.BatchNorm2d, {"eps": 0.001, "affine": True}),
    ({"type": "batchnorm1d", "features": 3}, nn.BatchNorm1d, {"eps": 1e-5, "num_features": 3}),
    ({"type": "layernorm", "features": 3}, nn.LayerNorm, {"eps": 1e-5, "normalized_shape": (3,)}),
    ({"type": "relu"}, nn.ReLU, {}),
    ({"type": "relu6"}, nn.ReLU6, {}),
    ({"type": "tanh"}, nn.Tanh, {}),
    ({"type": "sigmoid"}, nn.Sigmoid, {}),
    ({"type": "elu"}, nn.ELU, {"alpha": 1.0}),
    ({"type": "selu"}, nn.SELU, {}),
    ({"type": "gelu"}, nn.GELU, {"approximate": "none"}),
    ({"type": "silu"}, nn.SiLU, {}),
    ({"type": "softplus"}, nn.Softplus, {"beta": 1.0}),
    ({"type": "leakyrelu", "slope": 0.25}, nn.LeakyReLU, {"negative_slope": 0.25}),
    ({"type": "softmax"}, nn.Softmax, {"dim": -1}),
]


@pytest.mark.parametrize(("layer", "kind", "attributes"), MODULES, ids=[str(layer) for layer, _, _ in MODULES])
def test_a_layer_becomes_torchs_own_module(layer: Layer, kind: type[nn.Module], attributes: dict[str, object]) -> None:
    module = network_of(layer)[0]
    assert type(module) is kind
    assert {name: getattr(module, name) for name in attributes} == attributes


def test_every_layer_of_the_language_is_built_by_a_test() -> None:
    composed = {"residual", "patches", "positions", "attention", "meantokens"}  # further below
    assert {layer["type"] for layer, _, _ in MODULES} | composed == LAYERS.keys()


def test_the_specification_lists_the_layers_and_their_keywords() -> None:
    text = (Path(__file__).parents[3] / "docs" / "zoo-format.md").read_text()
    table = text.partition("<!-- layers:")[2].partition("<!-- end -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[3:] if line]
    listed = {row[0].strip("`"): dict(re.findall(r"`(\w+)`(?: \(([^)]+)\))?", row[1])) for row in rows}
    words = {None: "the kernel", (): "none: the identity"}
    assert listed == {
        name: {
            keyword.name: ""
            if keyword.is_needed
            else words[keyword.default]
            if keyword.default in words
            else json.dumps(keyword.default)
            for keyword in kind.keywords
        }
        for name, kind in LAYERS.items()
    }


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    kernel=pairs,
    stride=pairs,
    dilation=pairs,
    sides=st.tuples(*[st.integers(0, 3)] * 4),
    groups=st.sampled_from([1, 2]),
)
@settings(max_examples=60)
def test_a_convolution_with_any_padding_is_numpys(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    sides: plain.Sides,
    groups: int,
) -> None:
    module = randomized(
        network_of(
            {
                "type": "conv2d",
                "inputs": 2,
                "outputs": 4,
                "kernel": list(kernel),
                "stride": list(stride),
                "dilation": list(dilation),
                "padding": list(sides),
                "groups": groups,
            }
        )
    )
    layer = module.get_submodule("0")
    assert isinstance(layer, nn.Conv2d)
    images = torch.rand(2, 2, 7, 8, generator=torch.Generator().manual_seed(1))
    weight, bias = (array(parameter) for parameter in layer.parameters())
    expected = [plain.conv2d(array(image), weight, bias, stride, sides, groups, dilation) for image in images]
    np.testing.assert_allclose(array(module(images)), expected, atol=1e-5)


POOLS = {
    "maxpool2d": (nn.MaxPool2d, {}, plain.largest),
    "avgpool2d of all": (nn.AvgPool2d, {"count_padding": True}, plain.mean_with_padding),
    "avgpool2d of real pixels": (nn.AvgPool2d, {"count_padding": False}, plain.mean_of_real_pixels),
}


@pytest.mark.parametrize("name", POOLS)
@given(data=st.data(), kernel=pairs, stride=pairs)
@settings(max_examples=40)
def test_a_pool_with_any_padding_is_numpys(
    name: str, data: st.DataObject, kernel: tuple[int, int], stride: tuple[int, int]
) -> None:
    kind, keywords, reduce = POOLS[name]
    rows, columns = (st.integers(0, size - 1) for size in kernel)
    sides = data.draw(st.tuples(rows, rows, columns, columns))
    layer = {"type": name.split()[0], "kernel": list(kernel), "stride": list(stride), "padding": list(sides)}
    module = network_of(layer | keywords)
    assert isinstance(module[0], kind)
    images = torch.rand(2, 3, 6, 7, generator=torch.Generator().manual_seed(1)) - 0.5
    expected = [plain.pool2d(array(image), kernel, stride, sides, reduce) for image in images]
    np.testing.assert_allclose(array(module(images)), expected, atol=1e-6)


@given(heads=st.sampled_from([1, 2, 3]), tokens=st.integers(1, 5), size=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_attention_is_numpys(heads: int, tokens: int, size: int, seed: int) -> None:
    features = heads * size
    module = randomized(network_of({"type": "attention", "features": features, "heads": heads}), seed)
    assert [name for name, _ in module.named_parameters()] == [
        "0.qkv.weight",
        "0.qkv.bias",
        "0.out.weight",
        "0.out.bias",
    ]
    x = torch.randn(2, tokens, features, generator=torch.Generator().manual_seed(seed))
    qkv, qkv_bias, out, out_bias = (array(parameter) for parameter in module.parameters())
    expected = [plain.attention(array(one), (qkv, qkv_bias), (out, out_bias), heads) for one in x]
    np.testing.assert_allclose(array(module(x)), expected, atol=1e-5)


def test_attention_has_a_second_derivative() -> None:
    module = randomized(network_of({"type": "attention", "features": 4, "heads": 2}))
    x = torch.randn(1, 3, 4, requires_grad=True)
    (first,) = torch.autograd.grad(module(x).square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    assert bool(second.abs().sum() > 0)


def test_patches_positions_and_their_mean_are_numpys() -> None:
    module = randomized(
        network_of(
            {"type": "patches", "inputs": 2, "outputs": 5, "kernel": [2, 3]},
            {"type": "positions", "tokens": 6, "features": 5},
            {"type": "meantokens"},
        )
    )
    assert [name for name, _ in module.named_parameters()] == ["0.convolution.weight", "0.convolution.bias", "1.weight"]
    images = torch.rand(3, 2, 7, 7)  # the last row and column belong to no patch
    weight, bias, positions = (array(parameter) for parameter in module.parameters())
    tokens = np.array([plain.patches(array(image), weight, bias) for image in images])
    assert tokens.shape == (3, 6, 5)
    np.testing.assert_allclose(array(module(images)), (tokens + positions).mean(axis=1), atol=1e-6)


def test_a_residual_block_adds_its_shortcut() -> None:
    body = [{"type": "linear", "inputs": 3, "outputs": 3}, {"type": "tanh"}]
    shortcut = [{"type": "linear", "inputs": 3, "outputs": 3, "bias": False}]
    module = randomized(
        network_of(
            {"type": "residual", "body": body},
            {"type": "residual", "body": [{"type": "residual", "body": body}], "shortcut": shortcut},
        )
    )
    weights = {name: array(tensor) for name, tensor in module.state_dict().items()}
    assert list(weights) == [
        "0.body.0.weight",
        "0.body.0.bias",
        "1.body.0.body.0.weight",
        "1.body.0.body.0.bias",
        "1.shortcut.0.weight",
    ]
    x = torch.randn(4, 3)
    first = array(x) + np.tanh(array(x) @ weights["0.body.0.weight"].T + weights["0.body.0.bias"])
    inner = first + np.tanh(first @ weights["1.body.0.body.0.weight"].T + weights["1.body.0.body.0.bias"])
    expected = inner + first @ weights["1.shortcut.0.weight"].T
    np.testing.assert_allclose(array(module(x)), expected, atol=1e-5)


def all_of_ours() -> nn.Module:
    """A network with every module that is not torch's own."""
    uneven = {"kernel": 3, "padding": [0, 1, 2, 1]}
    return randomized(
        network_of(
            {"type": "conv2d", "inputs": 1, "outputs": 2, "stride": 2, **uneven},
            {"type": "residual", "body": [{"type": "batchnorm2d", "features": 2}, {"type": "silu"}]},
            {"type": "maxpool2d", "stride": 1, **uneven},
            {"type": "avgpool2d", "stride": 1, "count_padding": False, **uneven},
            {"type": "patches", "inputs": 2, "outputs": 4, "kernel": 2},
            {"type": "positions", "tokens": 3, "features": 4},
            {"type": "attention", "features": 4, "heads": 2},
            {"type": "meantokens"},
        )
    )


def test_what_measures_do_to_torchs_own_modules_works_on_ours() -> None:
    network, x = all_of_ours(), torch.rand(3, 1, 8, 8)
    expected = network(x)
    assert torch.equal(torch.fx.symbolic_trace(network)(x), expected)
    assert torch.equal(copy.deepcopy(network)(x), expected)
    parameters: dict[str, Tensor] = dict(network.named_parameters())

    def loss(parameters: dict[str, Tensor], one: Tensor) -> Tensor:
        output = torch.func.functional_call(network, parameters, one.unsqueeze(0))
        assert isinstance(output, Tensor)
        return output.square().sum()

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, x)
    whole = torch.autograd.grad(expected.square().sum(), list(parameters.values()))
    for name, gradient in zip(parameters, whole, strict=True):
        torch.testing.assert_close(each[name].sum(dim=0), gradient, rtol=1e-4, atol=1e-5)


activations = st.sampled_from(["relu", "relu6", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "softplus"])


@st.composite
def image_layers(
    draw: st.DrawFn, shape: tuple[int, int, int], depth: int = 2
) -> tuple[list[Layer], tuple[int, int, int]]:
    """Layers for images of `shape`, and the shape that must come out: counted here, not asked of torch."""
    layers: list[Layer] = []
    for _ in range(draw(st.integers(1, 3))):
        channels, *sizes = shape
        kind = draw(st.sampled_from(["conv2d", "maxpool2d", "avgpool2d", "batchnorm2d", "activation", "residual"]))
        if kind == "activation":
            layers.append({"type": draw(activations)})
        elif kind == "batchnorm2d":
            layers.append({"type": kind, "features": channels})
        elif kind == "residual" and depth:
            body, shape = draw(image_layers(shape, depth - 1))
            shortcut = [
                {"type": "conv2d", "inputs": channels, "outputs": shape[0], "kernel": 1},
                {"type": "globalmaxpool2d"},
            ]
            layers.append({"type": "residual", "body": body, "shortcut": shortcut})  # one pixel is added to each
        else:
            kernel = draw(st.tuples(*(st.integers(1, min(3, size)) for size in sizes)))
            stride = draw(pairs)
            sides = draw(st.tuples(*(st.integers(0, size - 1) for size in kernel for _ in range(2))))
            layer: Layer = {"type": kind, "kernel": list(kernel), "stride": list(stride), "padding": list(sides)}
            if kind in ("conv2d", "residual"):
                layer |= {"type": "conv2d", "inputs": channels, "outputs": draw(st.integers(1, 4))}
                channels = layer["outputs"]
            layers.append(layer)
            rows, columns = (
                (size + sides[2 * axis] + sides[2 * axis + 1] - kernel[axis]) // stride[axis] + 1
                for axis, size in enumerate(sizes)
            )
            shape = channels, rows, columns
    return layers, shape


@given(data=st.data())
@settings(max_examples=30)  # each builds, writes and reads a network
def test_what_is_declared_is_built_saved_and_loaded(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    layers, (channels, rows, columns) = data.draw(image_layers((2, 6, 5)))
    features = channels * rows * columns
    head = [{"type": "flatten"}, {"type": "layernorm", "features": features}]
    classifier = {"type": "linear", "inputs": features, "outputs": 3}
    architecture = {"family": "sequential", "layers": [*layers, *head, classifier]}
    inputs = torch.randn(2, 2, 6, 5)
    built = randomized(build(architecture).eval())
    assert built.get_submodule("0")(inputs).shape[0] == 2
    assert nn.Sequential(*list(built.children())[: len(layers)])(inputs).shape == (2, channels, rows, columns)
    assert built(inputs).shape == (2, 3)
    path = tmp_path_factory.getbasetemp() / "declared.safetensors"
    save_file(built.state_dict(), path)
    fd = os.open(path, os.O_RDONLY)
    loaded = load_network(architecture, fd, None)
    os.close(fd)
    assert torch.equal(loaded(inputs), built(inputs))
