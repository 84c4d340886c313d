"""Layers over the last dimension, such as linear layers and layer norm, and activations."""

from torch import nn

from model_zoo.architectures.keywords import BIAS, EPS, FEATURES, INPUTS, OUTPUTS, Keyword, LayerKind, number

_SLOPE = Keyword("slope", number(-1, 1))

FEATURE_LAYERS = {
    "flatten": LayerKind(lambda _: nn.Flatten()),
    "linear": LayerKind(
        lambda given: nn.Linear(given(INPUTS), given(OUTPUTS), bias=given(BIAS)), (INPUTS, OUTPUTS, BIAS)
    ),
    "batchnorm1d": LayerKind(lambda given: nn.BatchNorm1d(given(FEATURES), given(EPS)), (FEATURES, EPS)),
    "layernorm": LayerKind(lambda given: nn.LayerNorm(given(FEATURES), given(EPS)), (FEATURES, EPS)),
}

ACTIVATIONS = {
    "relu": LayerKind(lambda _: nn.ReLU()),
    "relu6": LayerKind(lambda _: nn.ReLU6()),
    "tanh": LayerKind(lambda _: nn.Tanh()),
    "sigmoid": LayerKind(lambda _: nn.Sigmoid()),
    "elu": LayerKind(lambda _: nn.ELU()),
    "selu": LayerKind(lambda _: nn.SELU()),
    "gelu": LayerKind(lambda _: nn.GELU()),
    "silu": LayerKind(lambda _: nn.SiLU()),
    "softplus": LayerKind(lambda _: nn.Softplus()),
    "leakyrelu": LayerKind(lambda given: nn.LeakyReLU(given(_SLOPE)), (_SLOPE,)),
    "softmax": LayerKind(lambda _: nn.Softmax(dim=-1)),
}
