"""Layers over images (n, C, H, W): convolutions, pooling and batch norm.

Padding that differs between opposite sides (TensorFlow's "same" with a stride) is done by subclasses of torch's own
layers, so that a measure that looks for `nn.Conv2d` or `nn.MaxPool2d` finds them.
"""

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


class UnevenConv2d(nn.Conv2d):
    """A convolution of the input padded with zeros by `sides` = (left, right, top, bottom); its own `padding` is 0."""

    sides: tuple[int, int, int, int]

    def forward(self, x: Tensor) -> Tensor:
        """Pad the input, then convolve."""
        return super().forward(functional.pad(x, self.sides))

    def extra_repr(self) -> str:
        """Describe the layer for `repr`."""
        own: str = super().extra_repr()  # type: ignore[no-untyped-call]  # torch's stub
        return f"{own}, sides={self.sides}"


class UnevenMaxPool2d(nn.MaxPool2d):
    """Max-pooling of the input padded with minus infinity by `sides` = (left, right, top, bottom)."""

    sides: tuple[int, int, int, int]

    def forward(self, x: Tensor) -> Tensor:
        """Pad the input, then pool."""
        return cast(Tensor, super().forward(functional.pad(x, self.sides, value=float("-inf"))))

    def extra_repr(self) -> str:
        """Describe the layer for `repr`."""
        return f"{super().extra_repr()}, sides={self.sides}"


class UnevenAvgPool2d(nn.AvgPool2d):
    """Average pooling of the input padded with zeros by `sides` = (left, right, top, bottom).

    With `count_include_pad` false, a window's sum is divided by the number of its pixels inside the input.
    """

    sides: tuple[int, int, int, int]

    def forward(self, x: Tensor) -> Tensor:
        """Pad the input, then pool."""
        average = super().forward(functional.pad(x, self.sides))
        if self.count_include_pad:
            return average
        inside = torch.ones_like(x[:1, :1])
        return average / super().forward(functional.pad(inside, self.sides))

    def extra_repr(self) -> str:
        """Describe the layer for `repr`."""
        return f"{super().extra_repr()}, sides={self.sides}"


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
        module.sides = (left, right, top, bottom)
    return module


def _maxpool2d(given: Given) -> nn.MaxPool2d:
    kernel, stride, ceil = given(KERNEL), given(_STRIDE), given(_CEIL)
    padding = _even_padding(given)
    if padding is not None:
        return nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil)
    module = UnevenMaxPool2d(kernel, stride)
    module.sides = _sides(given)
    return module


def _avgpool2d(given: Given) -> nn.AvgPool2d:
    kernel, stride, ceil, counts = given(KERNEL), given(_STRIDE), given(_CEIL), given(_COUNT_PADDING)
    padding = _even_padding(given)
    if padding is not None:
        return nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil, count_include_pad=counts)
    module = UnevenAvgPool2d(kernel, stride, count_include_pad=counts)
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
