"""Declarations of layers and the modules they stand for. The harness and the training call `build`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

_LARGEST_SIZE = 2**24
_MOST_LAYERS = 10_000


class ArchitectureError(ValueError):
    """A declaration that cannot be built; the message names the layer's index and the keyword."""


@dataclass(frozen=True)
class Keyword:
    """A layer's keyword: an integer of at least `least`, or a truth value; required without a default."""

    kind: type[int] | type[bool]
    default: int | bool | None = None
    least: int = 1

    def check(self, value: object) -> str | None:
        """What is wrong with `value`, or None."""
        if self.kind is bool:
            return None if isinstance(value, bool) else f"must be true or false, not {value!r}"
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= _LARGEST_SIZE:
            return f"must be an integer from {self.least} to {_LARGEST_SIZE}, not {value!r}"
        return None


@dataclass(frozen=True)
class LayerKind:
    """A kind of layer: its keywords, and the module it stands for."""

    make: Callable[[Mapping[str, int]], nn.Module]
    keywords: Mapping[str, Keyword]


_SIZE = Keyword(int)
_BIAS = Keyword(bool, default=True)
_POOL = {
    "kernel": _SIZE,
    "stride": Keyword(int, default=0),
    "padding": Keyword(int, default=0, least=0),
}

# No dropout layer: its probability is a hidden hyperparameter, and in eval mode it does nothing.
LAYERS: Mapping[str, LayerKind] = {
    "flatten": LayerKind(lambda _: nn.Flatten(), {}),
    "relu": LayerKind(lambda _: nn.ReLU(), {}),
    "linear": LayerKind(
        lambda k: nn.Linear(k["inputs"], k["outputs"], bias=bool(k["bias"])),
        {"inputs": _SIZE, "outputs": _SIZE, "bias": _BIAS},
    ),
    "conv2d": LayerKind(
        lambda k: nn.Conv2d(k["inputs"], k["outputs"], k["kernel"], k["stride"], k["padding"], bias=bool(k["bias"])),
        {
            "inputs": _SIZE,
            "outputs": _SIZE,
            "kernel": _SIZE,
            "stride": Keyword(int, default=1),
            "padding": Keyword(int, default=0, least=0),
            "bias": _BIAS,
        },
    ),
    "batchnorm2d": LayerKind(lambda k: nn.BatchNorm2d(k["features"]), {"features": _SIZE}),
    "maxpool2d": LayerKind(lambda k: nn.MaxPool2d(k["kernel"], k["stride"] or None, k["padding"]), _POOL),
    "avgpool2d": LayerKind(lambda k: nn.AvgPool2d(k["kernel"], k["stride"] or None, k["padding"]), _POOL),
    "globalavgpool2d": LayerKind(lambda _: nn.AdaptiveAvgPool2d(1), {}),
}


def build(architecture: Mapping[str, object]) -> nn.Sequential:
    """The untrained network that `architecture` declares: inputs (n, C, H, W) → logits (n, classes).

    `{"family": "sequential", "layers": [{"type": "linear", "inputs": 64, "outputs": 10}, …]}`. A pooling
    layer's stride is its kernel unless given. `globalavgpool2d` keeps (n, C, 1, 1). Parameters are named by
    the layer's index: "0.weight". Raises ArchitectureError.
    """
    family = architecture.get("family")
    if family != "sequential":
        raise ArchitectureError(f"family: {family!r} is unknown; known is 'sequential'")
    if extra := sorted(architecture.keys() - {"family", "layers"}):
        raise ArchitectureError(f"architecture: unknown keyword {extra[0]!r}")
    layers = architecture.get("layers")
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not 0 < len(layers) <= _MOST_LAYERS:
        raise ArchitectureError(f"layers: must be a list of 1 to {_MOST_LAYERS} layers")
    return nn.Sequential(*(_make_layer(index, layer) for index, layer in enumerate(layers)))


def _make_layer(index: int, layer: object) -> nn.Module:
    if not isinstance(layer, Mapping):
        raise ArchitectureError(f"layer {index}: must be an object with a type, not {layer!r}")
    name = layer.get("type")
    kind = LAYERS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ArchitectureError(f"layer {index}: unknown type {name!r}; known are {', '.join(LAYERS)}")
    if unknown := sorted(str(key) for key in layer.keys() - kind.keywords.keys() - {"type"}):
        raise ArchitectureError(f"layer {index} ({name}): unknown keyword {unknown[0]!r}")
    values: dict[str, int] = {}
    for key, keyword in kind.keywords.items():
        if key in layer:
            value = layer[key]
            if fault := keyword.check(value):
                raise ArchitectureError(f"layer {index} ({name}): {key} {fault}")
            values[key] = value
        elif keyword.default is not None:
            values[key] = keyword.default
        else:
            raise ArchitectureError(f"layer {index} ({name}): missing keyword {key!r}")
    try:
        return kind.make(values)
    except (ValueError, RuntimeError) as error:
        raise ArchitectureError(f"layer {index} ({name}): {error}") from None
