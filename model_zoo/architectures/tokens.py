"""Layers of vision transformers, over tokens (n, T, d).

They use torch's basic operations: its fused attention has no second derivative, which measures may need.
"""

import math

import torch
from torch import Tensor, nn

from model_zoo.architectures.keywords import FEATURES, INPUTS, KERNEL, OUTPUTS, SIZE, Keyword, LayerKind, Pair

_TOKENS = Keyword("tokens", SIZE)
_HEADS = Keyword("heads", SIZE)


class Patches(nn.Module):
    """Cut an image (n, C, H, W) into patches and map each to `outputs` features: tokens (n, T, d), row by row.

    Pixels beyond the last whole patch are ignored.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Pair) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        patches: Tensor = self.convolution(x)
        return patches.flatten(2).transpose(1, 2)


class Positions(nn.Module):
    """Add to each token of (n, T, d) a learned vector of its position, `weight` (T, d)."""

    def __init__(self, tokens: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(tokens, features))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return x + self.weight


class Attention(nn.Module):
    """Self-attention on (n, T, d) with `heads` heads of d / heads features each.

    `qkv` computes queries, keys and values one after another, each of d features, head by head. `out` maps the
    concatenated results of the heads to d features.
    """

    def __init__(self, features: int, heads: int) -> None:
        super().__init__()
        if features % heads:
            raise ValueError(f"features {features} must be a multiple of heads {heads}")
        self.heads = heads
        self.scale = 1 / math.sqrt(features // heads)
        self.qkv = nn.Linear(features, 3 * features)
        self.out = nn.Linear(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        queries, keys, values = self.qkv(x).chunk(3, dim=-1)
        scores = self._by_head(queries) @ self._by_head(keys).transpose(-2, -1) * self.scale
        mixed = scores.softmax(dim=-1) @ self._by_head(values)
        result: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return result

    def _by_head(self, x: Tensor) -> Tensor:
        """Reshape (n, T, d) to (n, heads, T, d / heads)."""
        return torch.unflatten(x, -1, (self.heads, -1)).transpose(1, 2)

    def extra_repr(self) -> str:
        """Describe the layer for `repr`."""
        return f"heads={self.heads}"


class MeanTokens(nn.Module):
    """Average over the tokens: (n, T, d) → (n, d)."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return x.mean(dim=1)


TOKEN_LAYERS = {
    "patches": LayerKind(
        lambda given: Patches(given(INPUTS), given(OUTPUTS), given(KERNEL)), (INPUTS, OUTPUTS, KERNEL)
    ),
    "positions": LayerKind(lambda given: Positions(given(_TOKENS), given(FEATURES)), (_TOKENS, FEATURES)),
    "attention": LayerKind(lambda given: Attention(given(FEATURES), given(_HEADS)), (FEATURES, _HEADS)),
    "meantokens": LayerKind(lambda _: MeanTokens()),
}
