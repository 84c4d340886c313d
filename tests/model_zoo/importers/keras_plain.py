"""What TensorFlow computes, written out pixel by pixel in its own order (rows, columns, channels): slow, and plain."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Layer = dict[str, Any]
Shape = tuple[int, ...]


def _pair(value: Any) -> tuple[int, int]:
    return (int(value[0]), int(value[1])) if isinstance(value, list) else (int(value), int(value))


def _windows(size: int, kernel: int, stride: int, dilation: int, padding: str) -> list[list[int | None]]:
    """Along one direction: for each output the inputs of its window, None where it looks past the border."""
    reach = (kernel - 1) * dilation + 1
    if padding == "same":
        outputs = (size + stride - 1) // stride
        before = max((outputs - 1) * stride + reach - size, 0) // 2
    else:
        outputs = (size - reach) // stride + 1
        before = 0
    places = [[output * stride - before + tap * dilation for tap in range(kernel)] for output in range(outputs)]
    return [[place if 0 <= place < size else None for place in window] for window in places]


def _each_window(x: Float, layer: Layer, kernel: tuple[int, int], strides: tuple[int, int]) -> Any:
    dilation = _pair(layer.get("dilation_rate", 1))
    padding = layer.get("padding", "valid")
    across = _windows(x.shape[2], kernel[1], strides[1], dilation[1], padding)
    for i, rows in enumerate(_windows(x.shape[1], kernel[0], strides[0], dilation[0], padding)):
        for j, columns in enumerate(across):
            yield i, j, rows, columns, (x.shape[0], len(across))


def _output(x: Float, layer: Layer, kernel: tuple[int, int], strides: tuple[int, int], channels: int) -> Float:
    places = [(i, j) for i, j, *_ in _each_window(x, layer, kernel, strides)]
    return np.zeros((x.shape[0], places[-1][0] + 1, places[-1][1] + 1, channels))


def _convolution(x: Float, layer: Layer, arrays: Sequence[Float]) -> Float:
    kernel, strides = _pair(layer["kernel_size"]), _pair(layer.get("strides", 1))
    groups, filters = int(layer.get("groups", 1)), int(layer["filters"])
    result = _output(x, layer, kernel, strides, filters)
    inputs_each, filters_each = x.shape[3] // groups, filters // groups
    for i, j, rows, columns, _ in _each_window(x, layer, kernel, strides):
        for a, row in enumerate(rows):
            for b, column in enumerate(columns):
                if row is None or column is None:
                    continue
                for filter_ in range(filters):
                    first = filter_ // filters_each * inputs_each
                    pixels = x[:, row, column, first : first + inputs_each]
                    result[:, i, j, filter_] += pixels @ arrays[0][a, b, :, filter_]
    return result + (arrays[1] if layer.get("use_bias", True) else 0)


def _depthwise(x: Float, layer: Layer, arrays: Sequence[Float]) -> Float:
    kernel, strides = _pair(layer["kernel_size"]), _pair(layer.get("strides", 1))
    multiplier = int(layer.get("depth_multiplier", 1))
    result = _output(x, layer, kernel, strides, x.shape[3] * multiplier)
    for i, j, rows, columns, _ in _each_window(x, layer, kernel, strides):
        for a, row in enumerate(rows):
            for b, column in enumerate(columns):
                if row is None or column is None:
                    continue
                for channel in range(x.shape[3]):
                    for m in range(multiplier):
                        result[:, i, j, channel * multiplier + m] += (
                            x[:, row, column, channel] * arrays[0][a, b, channel, m]
                        )
    return result + (arrays[1] if layer.get("use_bias", True) else 0)


def _pooling(x: Float, layer: Layer, reduce: Callable[..., Float]) -> Float:
    kernel = _pair(layer.get("pool_size", 2))
    strides = _pair(layer.get("strides") or list(kernel))
    result = _output(x, layer, kernel, strides, x.shape[3])
    for i, j, rows, columns, _ in _each_window(x, layer, kernel, strides):
        pixels = [x[:, r, c] for r in rows for c in columns if r is not None and c is not None]
        result[:, i, j] = reduce(pixels, axis=0)
    return result


def _normalized(x: Float, layer: Layer, arrays: Sequence[Float]) -> Float:
    left = list(arrays)
    gamma = left.pop(0) if layer.get("scale", True) else 1
    beta = left.pop(0) if layer.get("center", True) else 0
    mean, variance = left
    result: Float = gamma * (x - mean) / np.sqrt(variance + layer.get("epsilon", 1e-3)) + beta
    return result


def _activated(x: Float, name: str | None) -> Float:
    match name or "linear":
        case "linear":
            return x
        case "relu":
            return np.maximum(x, 0)
        case "relu6":
            return np.minimum(np.maximum(x, 0), 6)
        case "tanh":
            return np.asarray(np.tanh(x))
        case "sigmoid":
            return np.asarray(1 / (1 + np.exp(-x)))
        case "elu":
            return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)
        case "swish":
            return np.asarray(x / (1 + np.exp(-x)))
        case "softplus":
            return np.log1p(np.exp(x))
        case "leaky_relu":
            return np.where(x > 0, x, 0.2 * x)
    raise NotImplementedError(name)


def forward(layers: Sequence[Layer], arrays: Sequence[Sequence[Float]], x: Float) -> Float:
    """The outputs of Keras' layers for x (n, H, W, C). arrays: those of each layer, none for one without weights."""
    for layer, own in zip(layers, arrays, strict=True):
        match layer["layer_name"]:
            case "Conv2D":
                x = _convolution(x, layer, own)
            case "DepthwiseConv2D":
                x = _depthwise(x, layer, own)
            case "Dense":
                x = x @ own[0] + (own[1] if layer.get("use_bias", True) else 0)
            case "BatchNormalization":
                x = _normalized(x, layer, own)
            case "MaxPooling2D":
                x = _pooling(x, layer, np.max)
            case "AveragePooling2D":
                x = _pooling(x, layer, np.mean)
            case "GlobalAveragePooling2D":
                x = x.mean(axis=(1, 2), keepdims=bool(layer.get("keepdims", False)))
            case "GlobalMaxPooling2D":
                x = x.max(axis=(1, 2), keepdims=bool(layer.get("keepdims", False)))
            case "Flatten":
                x = x.reshape(len(x), -1)
            case "ReLU":
                slope, most = layer.get("negative_slope", 0), layer.get("max_value")
                x = np.where(x > 0, x, slope * x)
                x = x if most is None else np.minimum(x, most)
            case "LeakyReLU":
                x = np.where(x > 0, x, layer.get("alpha", 0.3) * x)
            case "Dropout" | "Activation" | "SpatialDropout2D":
                pass
            case unknown:
                raise NotImplementedError(unknown)
        x = _activated(x, layer.get("activation"))
    return x


def random_arrays(layers: Sequence[Layer], shape: Shape, generator: np.random.Generator) -> list[list[Float]]:
    """Arrays of the shapes that Keras would give each layer, for inputs of `shape` (H, W, C)."""
    made: list[list[Float]] = []
    x = np.zeros((1, *shape))
    for layer in layers:
        inputs = x.shape[-1]
        bias = layer.get("use_bias", True)
        sizes: list[Shape] = []
        match layer["layer_name"]:
            case "Conv2D":
                each = inputs // int(layer.get("groups", 1))
                sizes = [(*_pair(layer["kernel_size"]), each, int(layer["filters"])), (int(layer["filters"]),)]
            case "DepthwiseConv2D":
                times = int(layer.get("depth_multiplier", 1))
                sizes = [(*_pair(layer["kernel_size"]), inputs, times), (inputs * times,)]
            case "Dense":
                sizes = [(inputs, int(layer["units"])), (int(layer["units"]),)]
            case "BatchNormalization":
                sizes = [(inputs,)] * (2 + layer.get("scale", True) + layer.get("center", True))
        arrays = [generator.normal(0, 1 / np.sqrt(np.prod(size[:-1])), size) for size in sizes]
        if layer["layer_name"] == "BatchNormalization":
            arrays[-1] = generator.uniform(0.5, 2, sizes[-1])
        elif not bias:
            arrays = arrays[:1]
        made.append([array.astype(np.float32).astype(np.float64) for array in arrays])
        x = forward([layer], [made[-1]], x)
    return made
