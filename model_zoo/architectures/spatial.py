"""Layers over images (n, C, H, W): convolutions, pooling and batch norm.

Padding that differs between opposite sides (TensorFlow's "same" with a stride) is done by subclasses of torch's own
layers, so that a measure that looks for `nn.Conv2d` or `nn.MaxPool2d` finds them.
"""

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_zoo.architectures.keywords import (
    BIAS,
    EPS,
    FEATURES,
    INPUTS,
    KERNEL,
    OUTPUTS,
    PADDING,
    SIZE,
    Given,
    Keyword,
    LayerKind,
    Pair,
    all_four,
    both,
    flag,
    optional,
    pair,
)

_STEP: Keyword[Pair] = optional("stride", pair(1), 1)
_DILATION: Keyword[Pair] = optional("dilation", pair(1), 1)
_GROUPS = optional("groups", SIZE, 1)
_STRIDE: Keyword[Pair | None] = Keyword("stride", pair(1), None, is_needed=False)
_CEIL = optional("ceil", flag, default=False)
_COUNT_PADDING = optional("count_padding", flag, default=True)


class _Uneven(nn.Module):
    """A layer that first pads its input by `sides` = (left, right, top, bottom) with `fill`."""

    sides: tuple[int, int, int, int]
    fill = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Pad the input, then apply the layer."""
        return cast(Tensor, super().forward(functional.pad(x, self.sides, value=self.fill)))

    def extra_repr(self) -> str:
        """Describe the layer for `repr`."""
        return f"{super().extra_repr()}, sides={self.sides}"


class UnevenConv2d(_Uneven, nn.Conv2d):
    """A convolution of the padded input; its own `padding` is 0."""


class UnevenMaxPool2d(_Uneven, nn.MaxPool2d):
    """Max-pooling of the input padded with minus infinity."""

    fill = -math.inf


class UnevenAvgPool2d(_Uneven, nn.AvgPool2d):
    """Average pooling of the padded input.

    With `count_include_pad` false, a window's sum is divided by the number of its pixels inside the input.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pad the input, then pool."""
        average = super().forward(x)
        return average if self.count_include_pad else average / super().forward(torch.ones_like(x[:1, :1]))


def _conv2d(given: Given) -> nn.Conv2d:
    top, bottom, left, right = all_four(given(PADDING))
    is_even = top == bottom and left == right
    module = (nn.Conv2d if is_even else UnevenConv2d)(
        given(INPUTS),
        given(OUTPUTS),
        given(KERNEL),
        given(_STEP),
        (top, left) if is_even else 0,
        given(_DILATION),
        given(_GROUPS),
        bias=given(BIAS),
    )
    if isinstance(module, UnevenConv2d):
        module.sides = _sides(given)
    return module


def _maxpool2d(given: Given) -> nn.Module:
    return _pool(given, nn.MaxPool2d, UnevenMaxPool2d)


def _avgpool2d(given: Given) -> nn.Module:
    return _pool(given, nn.AvgPool2d, UnevenAvgPool2d, count_include_pad=given(_COUNT_PADDING))


def _pool(given: Given, even: Callable[..., nn.Module], uneven: Callable[..., _Uneven], **further: bool) -> nn.Module:
    kernel, stride, padding = given(KERNEL), given(_STRIDE), _even_padding(given)
    if padding is not None:
        return even(kernel, stride, padding, ceil_mode=given(_CEIL), **further)
    module = uneven(kernel, stride, **further)
    module.sides = _sides(given)
    return module


def _even_padding(given: Given) -> Pair | None:
    """Return the padding of a pool as torch's own layer takes it, or None where that layer cannot do it.

    Raises ValueError for a padding with which a window could lie outside the input.
    """
    (rows, columns), padding = both(given(KERNEL)), given(PADDING)
    top, bottom, left, right = all_four(padding)
    if max(top, bottom) >= rows or max(left, right) >= columns:
        raise ValueError(f"padding {padding!r} must be smaller than the kernel on every side")
    if top == bottom and left == right and 2 * top <= rows and 2 * left <= columns:
        return padding if isinstance(padding, int) else (top, left)
    if given(_CEIL):
        raise ValueError(f"ceil cannot go with the padding {padding!r}; declare the padding that the last window needs")
    return None


def _sides(given: Given) -> tuple[int, int, int, int]:
    """Return the padding in the order of torch's `pad`, the last dimension first."""
    top, bottom, left, right = all_four(given(PADDING))
    return left, right, top, bottom


SPATIAL = {
    "conv2d": LayerKind(_conv2d, (INPUTS, OUTPUTS, KERNEL, _STEP, PADDING, _GROUPS, _DILATION, BIAS)),
    "maxpool2d": LayerKind(_maxpool2d, (KERNEL, _STRIDE, PADDING, _CEIL)),
    "avgpool2d": LayerKind(_avgpool2d, (KERNEL, _STRIDE, PADDING, _CEIL, _COUNT_PADDING)),
    "globalavgpool2d": LayerKind(lambda _: nn.AdaptiveAvgPool2d(1)),
    "globalmaxpool2d": LayerKind(lambda _: nn.AdaptiveMaxPool2d(1)),
    "batchnorm2d": LayerKind(lambda given: nn.BatchNorm2d(given(FEATURES), given(EPS)), (FEATURES, EPS)),
}
