"""Layers that contain layers: residual blocks."""

from collections.abc import Sequence

from torch import Tensor, nn

from model_zoo.architectures.keywords import Given, Keyword, LayerKind, layer_list, optional

_BODY = Keyword("body", layer_list)
_NOTHING: Sequence[object] = ()
_SHORTCUT = optional("shortcut", layer_list, _NOTHING)


class Residual(nn.Module):
    """Compute body(x) + shortcut(x). A `shortcut` without layers is the identity."""

    def __init__(self, body: nn.Sequential, shortcut: nn.Sequential) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        result: Tensor = self.body(x) + self.shortcut(x)
        return result


def _residual(given: Given) -> Residual:
    if not given(_BODY):
        raise ValueError("body must have at least one layer")
    return Residual(given.sequential(_BODY), given.sequential(_SHORTCUT))


COMPOSITES = {"residual": LayerKind(_residual, (_BODY, _SHORTCUT))}
