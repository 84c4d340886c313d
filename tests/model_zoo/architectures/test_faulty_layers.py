"""Every fault of a declaration is told with its place and keyword, before anything is built."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from model_zoo.architectures import ArchitectureError, build, load_network

Layer = dict[str, Any]


def named(kind: str, **keywords: object) -> Layer:
    return {"type": kind, **keywords}


CONV = named("conv2d", inputs=2, outputs=4, kernel=3)
POOL = named("maxpool2d", kernel=3)
BLOCK = named("residual", body=[named("relu")])
FAULTS: list[tuple[object, str]] = [
    (named("dropout", p=0.5), "layer 1: unknown type 'dropout'; known are flatten, linear, "),
    ({}, "layer 1: unknown type None"),
    ("relu", "layer 1: must be an object with a type, not 'relu'"),
    (named("relu", inplace=True), "layer 1 (relu): unknown keyword 'inplace'"),
    (named("linear", inputs=3), "layer 1 (linear): missing keyword 'outputs'"),
    (named("linear", inputs=3, outputs=0), "layer 1 (linear): outputs must be an integer from 1 to 16777216, not 0"),
    (named("linear", inputs=3, outputs=2.0), "outputs must be an integer"),
    (named("linear", inputs=True, outputs=2), "inputs must be an integer"),
    (named("linear", inputs=2**40, outputs=2), "inputs must be an integer from 1 to 16777216"),
    (named("linear", inputs=3, outputs=2, bias=1), "layer 1 (linear): bias must be true or false, not 1"),
    (CONV | {"kernel": 0}, "layer 1 (conv2d): kernel must be an integer from 1 to 16777216 or a list [rows, columns]"),
    (CONV | {"kernel": [3]}, "kernel must be an integer from 1 to 16777216 or a list [rows, columns] of them, not [3]"),
    (CONV | {"kernel": "3x3"}, "not '3x3'"),
    (CONV | {"stride": [1, 0]}, "layer 1 (conv2d): stride must be an integer"),
    (CONV | {"stride": None}, "layer 1 (conv2d): stride must be an integer"),
    (CONV | {"dilation": 0}, "layer 1 (conv2d): dilation must be an integer"),
    (CONV | {"padding": "same"}, "padding must be an integer from 0 to 16777216 or a list [top, bottom, left, right]"),
    (CONV | {"padding": [1, 1]}, "or a list [top, bottom, left, right] of them, not [1, 1]"),
    (CONV | {"padding": -1}, "layer 1 (conv2d): padding must be an integer from 0"),
    (CONV | {"groups": 3}, "layer 1 (conv2d): in_channels must be divisible by groups"),
    (POOL | {"stride": 0}, "layer 1 (maxpool2d): stride must be an integer"),
    (POOL | {"padding": 3}, "layer 1 (maxpool2d): padding 3 must be smaller than the kernel on every side"),
    (POOL | {"padding": [0, 1, 0, 1], "ceil": True}, "ceil cannot go with the padding (0, 1, 0, 1)"),
    (POOL | {"ceil": 1}, "ceil must be true or false"),
    (POOL | {"count_padding": True}, "layer 1 (maxpool2d): unknown keyword 'count_padding'"),
    (named("avgpool2d", kernel=2, count_padding="no"), "count_padding must be true or false"),
    (named("batchnorm2d", features=4, eps=0), "eps must be a number above 0 and at most 1, not 0"),
    (named("batchnorm1d", features=4, eps="small"), "eps must be a number above 0"),
    (named("layernorm", features=4, eps=float("nan")), "eps must be a number above 0 and at most 1, not nan"),
    (named("layernorm"), "layer 1 (layernorm): missing keyword 'features'"),
    (named("leakyrelu"), "layer 1 (leakyrelu): missing keyword 'slope'"),
    (named("leakyrelu", slope=True), "slope must be a number above -1 and at most 1, not True"),
    (named("attention", features=6, heads=4), "layer 1 (attention): features 6 must be a multiple of heads 4"),
    (named("positions", tokens=0, features=4), "layer 1 (positions): tokens must be an integer"),
    (named("patches", inputs=1, outputs=4, kernel=2, stride=1), "layer 1 (patches): unknown keyword 'stride'"),
    (named("residual"), "layer 1 (residual): missing keyword 'body'"),
    (named("residual", body=[]), "layer 1 (residual): body must have at least one layer"),
    (named("residual", body="relu"), "layer 1 (residual): body must be a list of layers, not 'relu'"),
    (
        named("residual", body=[named("relu"), CONV | {"kernel": 0}]),
        "layer 1.body.1 (conv2d): kernel must be an integer",
    ),
    (BLOCK | {"shortcut": [named("conv")]}, "layer 1.shortcut.0: unknown type 'conv'"),
    (BLOCK | {"shortcut": 3}, "layer 1 (residual): shortcut must be a list of layers"),
]


@pytest.mark.parametrize(("layer", "message"), FAULTS, ids=[message for _, message in FAULTS])
def test_a_faulty_layer_is_told_with_its_place_and_keyword(layer: object, message: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        build({"family": "sequential", "layers": [{"type": "flatten"}, layer]})
    assert message in str(caught.value)


def nested(depth: int) -> Sequence[Layer]:
    layers = [named("relu")]
    for _ in range(depth):
        layers = [named("residual", body=layers)]
    return layers


def test_layers_nest_only_so_deep() -> None:
    assert build({"family": "sequential", "layers": nested(8)})(torch.ones(1)) == 9
    for depth in (9, 200):
        with pytest.raises(ArchitectureError, match="layers inside each other more than 8 deep"):
            build({"family": "sequential", "layers": nested(depth)})


def test_a_layer_too_large_for_any_machine_is_told(tmp_path: Path) -> None:
    huge = named("conv2d", inputs=2**24, outputs=2**24, kernel=2**24)
    save_file({"0.weight": torch.zeros(1)}, tmp_path / "weights")
    fd = os.open(tmp_path / "weights", os.O_RDONLY)
    with pytest.raises(ArchitectureError, match=r"layer 0 \(conv2d\): "):
        load_network({"family": "sequential", "layers": [huge]}, fd, None)
    os.close(fd)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"family": "resnet"}, r"family: 'resnet' is unknown"),
        ({"family": "sequential"}, r"layers: must be a list"),
        ({"family": "sequential", "layers": []}, r"layers: must be a list of 1 to"),
        ({"family": "sequential", "layers": "relu"}, r"layers: must be a list"),
        ({"family": "sequential", "layers": [{"type": "relu"}] * 10_001}, r"layers: must be a list of 1 to 10000"),
        ({"family": "sequential", "layers": [{"type": "relu"}], "depth": 3}, r"unknown keyword 'depth'"),
        (
            {"family": "sequential", "layers": [{"type": "relu"}], "keras_layers": [1, 1]},
            "keras_layers: must be a list of whole numbers of layers that add up to 1",
        ),
        ({"family": "sequential", "layers": [{"type": "relu"}], "keras_layers": [True]}, "keras_layers: must be"),
        ({"family": "sequential", "layers": [{"type": "relu"}], "keras_layers": [2, -1]}, "keras_layers: must be"),
        ({"family": "custom", "arguments": {}}, r"family: 'custom' is unknown; .* in a sandbox, 'custom'"),
    ],
)
def test_a_faulty_architecture_is_told(architecture: dict[str, object], message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        build(architecture)
