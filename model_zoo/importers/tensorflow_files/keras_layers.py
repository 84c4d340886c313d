"""Translates Keras' layers, one function each: their declaration for PyTorch, and the permutation of their weights.

Keras stores images as (rows, columns, channels), PyTorch as (channels, rows, columns). So a Flatten gives the same
features in another order; `Network.flattened` remembers it until the weights of a Dense layer are permuted.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.importers.tensorflow_files.keras_keywords import KeywordError, Keywords

Float = NDArray[np.float32]
Arrays = Mapping[str, NDArray[Any]]
Shape = tuple[int, ...]
Pair = tuple[int, int]

_MOST_FEATURES = 2**24
_KERAS_LEAKY_SLOPE = 0.2
_KERAS_LEAKY_LAYER_SLOPE = 0.3
_ACTIVATIONS: Mapping[str, Mapping[str, object]] = {
    "relu": {"type": "relu"},
    "relu6": {"type": "relu6"},
    "tanh": {"type": "tanh"},
    "sigmoid": {"type": "sigmoid"},
    "elu": {"type": "elu"},
    "selu": {"type": "selu"},
    "gelu": {"type": "gelu"},
    "silu": {"type": "silu"},
    "swish": {"type": "silu"},
    "softplus": {"type": "softplus"},
    "leaky_relu": {"type": "leakyrelu", "slope": _KERAS_LEAKY_SLOPE},
    "softmax": {"type": "softmax"},
}


@dataclass(frozen=True)
class Weighted:
    """A layer with weights: the shapes of its arrays in Keras' order, and their conversion.

    `convert` takes arrays of these shapes and returns PyTorch's arrays by name.
    """

    place: str
    shapes: tuple[Shape, ...]
    convert: Callable[[Sequence[Float]], Arrays]


@dataclass
class Network:
    """A network being declared, layer by layer.

    Attributes
    ----------
    shape : tuple of int
        Of the outputs so far: (rows, columns, channels) or (features,).
    flattened : tuple of int or None
        The image shape (rows, columns, channels) whose features are in PyTorch's order instead of Keras'.
    """

    shape: Shape
    place: str = ""
    layers: list[dict[str, object]] = field(default_factory=list)
    weighted: list[Weighted] = field(default_factory=list)
    flattened: Shape | None = None

    def declare(self, layer: Mapping[str, object]) -> str:
        """Add a layer and return its index, which names its parameters."""
        self.layers.append(dict(layer))
        return str(len(self.layers) - 1)

    def picture(self) -> tuple[int, int, int]:
        """Return (rows, columns, channels). Raises KeywordError after a Flatten."""
        if len(self.shape) != 3:
            raise KeywordError(f"it needs rows, columns and channels, but its input has the shape {self.shape}")
        return self.shape[0], self.shape[1], self.shape[2]

    def activate(self, name: str) -> None:
        """Add the activation called `name`."""
        if name == "linear":
            return
        if name == "softmax" and len(self.shape) != 1:
            raise KeywordError("softmax over the channels of a picture is not understood")
        self.declare(_ACTIVATIONS[name])


def _activation(keywords: Keywords) -> str:
    return keywords.choice("activation", "linear", ("linear", *_ACTIVATIONS))


def _convolution(
    network: Network,
    keywords: Keywords,
    kernel: Pair,
    outputs: int,
    groups: int,
    shape: Shape,
    to_torch: Callable[[Float], Float],
) -> None:
    """Add a convolution; `shape` is that of Keras' weight, and `to_torch` permutes it."""
    rows, columns, channels = network.picture()
    window = _Window(keywords, kernel, (1, 1), keywords.pair("dilation_rate", (1, 1)))
    bias, activation = keywords.flag("use_bias", default=True), _activation(keywords)
    if channels % groups or outputs % groups:
        raise KeywordError(f"groups: {groups} groups do not divide {channels} channels into {outputs}")
    index = network.declare(
        {"type": "conv2d", "inputs": channels, "outputs": outputs, "groups": groups, "bias": bias}
        | window.declaration(rows, columns)
        | {"dilation": _short(window.dilation)}
    )
    _expect(network, index, shape, outputs if bias else None, to_torch)
    network.shape = (*window.outputs(rows, columns), outputs)
    network.activate(activation)


def _expect(network: Network, index: str, shape: Shape, biases: int | None, to_torch: Callable[[Float], Float]) -> None:
    """Expect a weight of this shape, which `to_torch` permutes, and so many biases, in Keras' file."""

    def convert(arrays: Sequence[Float]) -> Arrays:
        weight = {f"{index}.weight": np.ascontiguousarray(to_torch(arrays[0]))}
        return weight if biases is None else weight | {f"{index}.bias": arrays[1]}

    shapes = (shape,) if biases is None else (shape, (biases,))
    network.weighted.append(Weighted(network.place, shapes, convert))


def _conv2d(network: Network, keywords: Keywords) -> None:
    channels = network.picture()[2]
    filters, kernel, groups = keywords.size("filters"), keywords.pair("kernel_size"), keywords.size("groups", 1)
    shape = (*kernel, channels // groups, filters)
    _convolution(network, keywords, kernel, filters, groups, shape, lambda weight: weight.transpose(3, 2, 0, 1))


def _depthwise_conv2d(network: Network, keywords: Keywords) -> None:
    channels = network.picture()[2]
    kernel, multiplier = keywords.pair("kernel_size"), keywords.size("depth_multiplier", 1)
    outputs = channels * multiplier

    def to_torch(weight: Float) -> Float:
        return weight.transpose(2, 3, 0, 1).reshape(outputs, 1, *kernel)

    _convolution(network, keywords, kernel, outputs, channels, (*kernel, channels, multiplier), to_torch)


def _dense(network: Network, keywords: Keywords) -> None:
    inputs, units = network.shape[-1], keywords.size("units")
    bias, activation = keywords.flag("use_bias", default=True), _activation(keywords)
    is_picture, flattened = len(network.shape) == 3, network.flattened
    if is_picture:  # Keras' Dense acts on the channels of every pixel
        index = network.declare({"type": "conv2d", "inputs": inputs, "outputs": units, "kernel": 1, "bias": bias})
    else:
        index = network.declare({"type": "linear", "inputs": inputs, "outputs": units, "bias": bias})

    def to_torch(weight: Float) -> Float:
        turned = _reordered(weight, flattened).T
        return turned.reshape(units, inputs, 1, 1) if is_picture else turned

    _expect(network, index, (inputs, units), units if bias else None, to_torch)
    network.shape = (*network.shape[:-1], units)
    network.flattened = None
    network.activate(activation)


def _batch_normalization(network: Network, keywords: Keywords) -> None:
    features, flattened = network.shape[-1], network.flattened
    last = len(network.shape)
    keywords.only("axis", [last], last, [-1], -1)
    keywords.ignore("momentum", "fused", "renorm_momentum", "renorm_clipping")
    keywords.only("renorm", False)
    keywords.only("virtual_batch_size", None)
    scales, centers = keywords.flag("scale", default=True), keywords.flag("center", default=True)
    kind = "batchnorm2d" if last == 3 else "batchnorm1d"
    index = network.declare({"type": kind, "features": features, "eps": keywords.number("epsilon", 1e-3)})

    def convert(arrays: Sequence[Float]) -> Arrays:
        left = [_reordered(array, flattened) for array in arrays]
        weight = left.pop(0) if scales else np.ones(features, np.float32)
        bias = left.pop(0) if centers else np.zeros(features, np.float32)
        mean, variance = left
        if (variance < 0).any():
            raise KeywordError("its moving variance is below zero")
        return {
            f"{index}.weight": weight,
            f"{index}.bias": bias,
            f"{index}.running_mean": mean,
            f"{index}.running_var": variance,
            f"{index}.num_batches_tracked": np.array(0, np.int64),
        }

    network.weighted.append(Weighted(network.place, ((features,),) * (2 + scales + centers), convert))


def _pooling(kind: str, options: Mapping[str, object]) -> "Translator":
    def translate(network: Network, keywords: Keywords) -> None:
        rows, columns, channels = network.picture()
        kernel = keywords.pair("pool_size", (2, 2))
        window = _Window(keywords, kernel, kernel, (1, 1))
        network.declare({"type": kind, **window.declaration(rows, columns), **options})
        network.shape = (*window.outputs(rows, columns), channels)

    return translate


def _global_pooling(kind: str) -> "Translator":
    def translate(network: Network, keywords: Keywords) -> None:
        channels = network.picture()[2]
        keywords.only("data_format", None, "channels_last")
        network.declare({"type": kind})
        if keywords.flag("keepdims", default=False):
            network.shape = (1, 1, channels)
        else:
            network.declare({"type": "flatten"})
            network.shape = (channels,)

    return translate


def _flatten(network: Network, keywords: Keywords) -> None:
    keywords.only("data_format", None, "channels_last")
    if len(network.shape) == 1:
        return
    features = math.prod(network.shape)
    if features > _MOST_FEATURES:
        raise KeywordError(f"{features} features are more than {_MOST_FEATURES}")
    if network.shape[:2] != (1, 1):
        network.flattened = network.shape
    network.declare({"type": "flatten"})
    network.shape = (features,)


def _dropout(_network: Network, keywords: Keywords) -> None:
    keywords.ignore("rate", "noise_shape")
    keywords.only("data_format", None, "channels_last")


def _relu(network: Network, keywords: Keywords) -> None:
    keywords.only("threshold", None, 0)
    slope = keywords.number("negative_slope", 0.0)
    most = keywords.number("max_value", math.inf)
    if most not in (math.inf, 6.0) or (slope and most == 6.0):
        raise KeywordError(f"max_value {most:g} with negative_slope {slope:g} is not understood")
    if slope:
        network.declare({"type": "leakyrelu", "slope": slope})
    else:
        network.declare({"type": "relu" if most == math.inf else "relu6"})


def _leaky_relu(network: Network, keywords: Keywords) -> None:
    slope = keywords.number("alpha", _KERAS_LEAKY_LAYER_SLOPE)
    network.declare({"type": "leakyrelu", "slope": keywords.number("negative_slope", slope)})


def _softmax(network: Network, keywords: Keywords) -> None:
    keywords.only("axis", 1, -1)
    network.activate("softmax")


Translator = Callable[[Network, Keywords], None]

LAYERS: Mapping[str, Translator] = {
    "Conv2D": _conv2d,
    "DepthwiseConv2D": _depthwise_conv2d,
    "Dense": _dense,
    "BatchNormalization": _batch_normalization,
    "MaxPooling2D": _pooling("maxpool2d", {}),
    "AveragePooling2D": _pooling("avgpool2d", {"count_padding": False}),
    "GlobalAveragePooling2D": _global_pooling("globalavgpool2d"),
    "GlobalMaxPooling2D": _global_pooling("globalmaxpool2d"),
    "Flatten": _flatten,
    "Dropout": _dropout,
    "SpatialDropout2D": _dropout,
    "Activation": lambda network, keywords: network.activate(_activation(keywords)),
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "Softmax": _softmax,
}


class _Window:
    """Kernel, strides, dilation and padding of a convolution or pool, and their effect on an input of a given size."""

    def __init__(self, keywords: Keywords, kernel: Pair, default_strides: Pair, dilation: Pair) -> None:
        keywords.only("data_format", None, "channels_last")
        self.kernel, self.dilation = kernel, dilation
        self.strides = keywords.pair("strides", default_strides)
        self.is_same = keywords.choice("padding", "valid", ("valid", "same")) == "same"
        self._reach = tuple((size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True))

    def outputs(self, rows: int, columns: int) -> tuple[int, int]:
        """(rows, columns) of the output. Raises KeywordError if a window without padding does not fit."""
        down, across = (
            -(-size // stride) if self.is_same else (size - reach) // stride + 1
            for size, reach, stride in zip((rows, columns), self._reach, self.strides, strict=True)
        )
        if down < 1 or across < 1:
            raise KeywordError(f"its window of {self._reach} does not fit into {rows} × {columns} pixels")
        return down, across

    def declaration(self, rows: int, columns: int) -> dict[str, object]:
        """Kernel, stride and padding; of an odd number of padding pixels, one more is at the bottom and right."""
        padding: list[int] = []
        sizes = zip((rows, columns), self.outputs(rows, columns), self._reach, self.strides, strict=True)
        for size, output, reach, stride in sizes:
            total = max((output - 1) * stride + reach - size, 0) if self.is_same else 0
            padding += [total // 2, total - total // 2]
        return {"kernel": _short(self.kernel), "stride": _short(self.strides), "padding": _short(padding)}


def _reordered(array: Float, flattened: Shape | None) -> Float:
    """Permute the features of an image, along the first dimension, to PyTorch's order."""
    if flattened is None:
        return array
    rows, columns, channels = flattened
    features = array.reshape(rows, columns, channels, -1)
    return features.transpose(2, 0, 1, 3).reshape(array.shape)


def _short(sizes: Sequence[int]) -> int | list[int]:
    """Return one number if all are the same."""
    return sizes[0] if len(set(sizes)) == 1 else list(sizes)
