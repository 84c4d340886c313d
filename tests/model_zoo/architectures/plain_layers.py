"""Each layer that needs care, written once more in numpy with loops: slow, and plainly what the format says."""

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Sides = tuple[int, int, int, int]


def padded(image: Array, sides: Sides, value: float) -> Array:
    """image: (C, H, W); sides: top, bottom, left, right."""
    top, bottom, left, right = sides
    return np.pad(image, ((0, 0), (top, bottom), (left, right)), constant_values=value)


def starts(size: int, kernel: int, stride: int) -> range:
    """Where windows begin that lie inside `size` altogether."""
    return range(0, size - kernel + 1, stride)


def conv2d(
    image: Array,
    weight: Array,
    bias: Array,
    stride: tuple[int, int],
    sides: Sides,
    groups: int,
    dilation: tuple[int, int],
) -> Array:
    """image: (C, H, W); weight: (O, C / groups, kh, kw). Returns (O, H', W')."""
    outputs, per_group, rows, columns = weight.shape
    image = padded(image, sides, 0.0)
    reach = (rows - 1) * dilation[0] + 1, (columns - 1) * dilation[1] + 1
    ys, xs = (starts(image.shape[1 + axis], reach[axis], stride[axis]) for axis in (0, 1))
    result = np.zeros((outputs, len(ys), len(xs)))
    for o, (i, y), (j, x) in itertools.product(range(outputs), enumerate(ys), enumerate(xs)):
        first = o // (outputs // groups) * per_group
        for c, a, b in itertools.product(range(per_group), range(rows), range(columns)):
            result[o, i, j] += weight[o, c, a, b] * image[first + c, y + a * dilation[0], x + b * dilation[1]]
        result[o, i, j] += bias[o]
    return result


def pool2d(
    image: Array, kernel: tuple[int, int], stride: tuple[int, int], sides: Sides, reduce: Callable[[Array], float]
) -> Array:
    """`reduce` of each window of the image (C, H, W), padded by nan."""
    image = padded(image, sides, np.nan)
    ys, xs = (starts(image.shape[1 + axis], kernel[axis], stride[axis]) for axis in (0, 1))
    result = np.zeros((len(image), len(ys), len(xs)))
    for c, (i, y), (j, x) in itertools.product(range(len(image)), enumerate(ys), enumerate(xs)):
        result[c, i, j] = reduce(image[c, y : y + kernel[0], x : x + kernel[1]])
    return result


def largest(window: Array) -> float:
    return float(np.nanmax(window))


def mean_of_real_pixels(window: Array) -> float:
    return float(np.nanmean(window))


def mean_with_padding(window: Array) -> float:
    return float(np.nansum(window) / window.size)


def attention(tokens: Array, qkv: tuple[Array, Array], out: tuple[Array, Array], heads: int) -> Array:
    """tokens: (T, d); qkv and out: weight and bias. Returns (T, d)."""
    count, features = tokens.shape
    size = features // heads
    joined = tokens @ qkv[0].T + qkv[1]
    mixed = np.zeros((count, features))
    for head in range(heads):
        at = slice(head * size, (head + 1) * size)
        queries, keys, values = (joined[:, part * features : (part + 1) * features][:, at] for part in range(3))
        for i in range(count):
            scores = np.array([queries[i] @ keys[j] / np.sqrt(size) for j in range(count)])
            weights = np.exp(scores - scores.max())
            mixed[i, at] = (weights / weights.sum()) @ values
    return mixed @ out[0].T + out[1]


def patches(image: Array, weight: Array, bias: Array) -> Array:
    """Tokens (T, d) of an image (C, H, W), row by row."""
    rows, columns = weight.shape[2:]
    ys, xs = starts(image.shape[1], rows, rows), starts(image.shape[2], columns, columns)
    return np.array(
        [
            [
                (kernel * image[:, y : y + rows, x : x + columns]).sum() + shift
                for kernel, shift in zip(weight, bias, strict=True)
            ]
            for y in ys
            for x in xs
        ]
    )
