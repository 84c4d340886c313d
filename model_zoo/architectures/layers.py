"""Builds networks from declarations: the table of all layers, and `build`."""

from collections.abc import Mapping, Sequence

from torch import nn

from model_zoo.architectures.composites import COMPOSITES
from model_zoo.architectures.features import ACTIVATIONS, FEATURE_LAYERS
from model_zoo.architectures.keywords import ArchitectureError, Given, Keyword, LayerKind
from model_zoo.architectures.spatial import SPATIAL
from model_zoo.architectures.tokens import TOKEN_LAYERS

_MOST_LAYERS = 10_000
_DEEPEST = 8
KERAS_LAYERS = "keras_layers"

# No dropout layer: its probability is a hidden hyperparameter, and in eval mode it does nothing.
LAYERS: Mapping[str, LayerKind] = {**FEATURE_LAYERS, **SPATIAL, **TOKEN_LAYERS, **COMPOSITES, **ACTIVATIONS}


def build(architecture: Mapping[str, object]) -> nn.Sequential:
    """Build the untrained network that a declaration describes.

    Parameters
    ----------
    architecture : mapping
        ``{"family": "sequential", "layers": [{"type": "linear", "inputs": 64, "outputs": 10}, …]}``; docs/zoo-format.md
        lists the layers. `keras_layers` may say how many of them each of Keras' layers became.

    Returns
    -------
    torch.nn.Sequential
        Maps inputs (n, C, H, W) to logits (n, classes). Parameters are named by the layer's index, and inside a
        composite layer by its part and the index there: "0.weight", "4.body.0.weight". It has the plain attribute
        `keras_layers`, a tuple, if the declaration has it.

    Raises
    ------
    ArchitectureError
        If the declaration is wrong.
    """
    family = architecture.get("family")
    if family != "sequential":
        raise ArchitectureError(f"family: {family!r} is unknown; known are 'sequential' and, in a sandbox, 'custom'")
    if extra := sorted(architecture.keys() - {"family", "layers", KERAS_LAYERS}):
        raise ArchitectureError(f"architecture: unknown keyword {extra[0]!r}")
    layers = architecture.get("layers")
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
        raise ArchitectureError(f"layers: must be a list of 1 to {_MOST_LAYERS} layers")
    network = _sequential(layers, "")
    if KERAS_LAYERS in architecture:
        object.__setattr__(network, KERAS_LAYERS, _keras_layers(architecture[KERAS_LAYERS], len(layers)))
    return network


def _keras_layers(sizes: object, count: int) -> tuple[int, ...]:
    if (
        not isinstance(sizes, list)
        or not 0 < len(sizes) <= _MOST_LAYERS
        or not all(type(size) is int and size >= 0 for size in sizes)
        or sum(sizes) != count
    ):
        raise ArchitectureError(f"{KERAS_LAYERS}: must be a list of whole numbers of layers that add up to {count}")
    return tuple(sizes)


def _sequential(layers: Sequence[object], prefix: str) -> nn.Sequential:
    """Build a list of layers; `prefix` is the place of the composite layer that contains them, such as "4.body."."""
    if len(layers) > _MOST_LAYERS:
        raise ArchitectureError(f"{prefix}layers: must be a list of 1 to {_MOST_LAYERS} layers")
    if prefix.count(".") > 2 * _DEEPEST:
        raise ArchitectureError(f"layer {prefix[:-1]}: layers inside each other more than {_DEEPEST} deep")
    return nn.Sequential(*(_make_layer(f"{prefix}{index}", layer) for index, layer in enumerate(layers)))


def _make_layer(place: str, layer: object) -> nn.Module:
    if not isinstance(layer, Mapping):
        raise ArchitectureError(f"layer {place}: must be an object with a type, not {layer!r}")
    name = layer.get("type")
    kind = LAYERS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ArchitectureError(f"layer {place}: unknown type {name!r}; known are {', '.join(LAYERS)}")
    values = _values(f"layer {place} ({name})", layer, kind)

    def sequential(keyword: Keyword[Sequence[object]]) -> nn.Sequential:
        layers = values[keyword.name]
        assert isinstance(layers, Sequence)
        return _sequential(layers, f"{place}.{keyword.name}.")

    try:
        return kind.make(Given(values, sequential))
    except ArchitectureError:
        raise  # of a layer inside this one, with its own place
    except (ValueError, RuntimeError) as error:
        raise ArchitectureError(f"layer {place} ({name}): {error}") from None


def _values(place: str, layer: Mapping[object, object], kind: LayerKind) -> dict[str, object]:
    known = {keyword.name for keyword in kind.keywords}
    if unknown := sorted(str(key) for key in layer.keys() - known - {"type"}):
        raise ArchitectureError(f"{place}: unknown keyword {unknown[0]!r}")
    values: dict[str, object] = {}
    for keyword in kind.keywords:
        if keyword.name in layer:
            try:
                values[keyword.name] = keyword.parse(layer[keyword.name])
            except ArchitectureError as error:
                raise ArchitectureError(f"{place}: {keyword.name} {error}") from None
        elif keyword.is_needed:
            raise ArchitectureError(f"{place}: missing keyword {keyword.name!r}")
        else:
            values[keyword.name] = keyword.default
    return values
