"""The keywords of layers in a declaration: how their values are checked, and the error that names a wrong one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from torch import nn

LARGEST_SIZE = 2**24

Pair = int | tuple[int, int]
Sides = int | tuple[int, int, int, int]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ArchitectureError(ValueError):
    """A declaration that cannot be built; the message names the layer's index and the keyword."""


@dataclass(frozen=True)
class Keyword(Generic[T_co]):
    """A keyword of a layer.

    Attributes
    ----------
    name : str
    parse : callable
        Converts a declared value, or raises ArchitectureError ("must be …").
    default : object
        Value where the declaration leaves it out, if `is_needed` is false.
    is_needed : bool
    """

    name: str
    parse: Callable[[object], T_co]
    default: T_co | None = None
    is_needed: bool = True


@dataclass(frozen=True)
class Given:
    """The keywords of one declared layer: `given(KEYWORD)` is a value, `sequential` builds the layers in it."""

    values: Mapping[str, object]
    sequential: Callable[[Keyword[Sequence[object]]], nn.Sequential]

    def __call__(self, keyword: Keyword[T]) -> T:
        """Return the value of a keyword."""
        return cast(T, self.values[keyword.name])


@dataclass(frozen=True)
class LayerKind:
    """A kind of layer: how to make its module, and its keywords. `make` raises ValueError if values disagree."""

    make: Callable[[Given], nn.Module]
    keywords: tuple[Keyword[object], ...] = ()


def optional(name: str, parse: Callable[[object], T], default: T) -> Keyword[T]:
    """Declare a keyword with a default."""
    return Keyword(name, parse, default, is_needed=False)


def flag(value: object) -> bool:
    """Parse true or false."""
    if not isinstance(value, bool):
        raise ArchitectureError(f"must be true or false, not {value!r}")
    return value


def whole(least: int) -> Callable[[object], int]:
    """Make a parser of integers of at least `least`."""

    def parse(value: object) -> int:
        if not _is_whole(value, least):
            raise ArchitectureError(f"must be an integer from {least} to {LARGEST_SIZE}, not {value!r}")
        return cast(int, value)

    return parse


def number(above: float, most: float) -> Callable[[object], float]:
    """Make a parser of finite numbers above `above` and at most `most`."""

    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not above < value <= most:
            raise ArchitectureError(f"must be a number above {above:g} and at most {most:g}, not {value!r}")
        return float(value)

    return parse


def pair(least: int) -> Callable[[object], Pair]:
    """Make a parser of an integer for both directions, or a list [rows, columns]."""
    return lambda value: cast(Pair, _one_or_list(value, least, "rows, columns"))


def sides(value: object) -> Sides:
    """Parse an integer for all four sides, or a list [top, bottom, left, right]."""
    return cast(Sides, _one_or_list(value, 0, "top, bottom, left, right"))


def layer_list(value: object) -> Sequence[object]:
    """Parse a list of declared layers, without looking into it."""
    if not isinstance(value, list | tuple):
        raise ArchitectureError(f"must be a list of layers, not {value!r}")
    return value


def both(value: Pair) -> tuple[int, int]:
    """Expand a value of `pair` to (rows, columns)."""
    return (value, value) if isinstance(value, int) else value


def all_four(value: Sides) -> tuple[int, int, int, int]:
    """Expand a value of `sides` to (top, bottom, left, right)."""
    return (value, value, value, value) if isinstance(value, int) else value


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST_SIZE


def _one_or_list(value: object, least: int, places: str) -> object:
    """Parse an integer, or a list with one for each of the `places`."""
    if _is_whole(value, least):
        return value
    is_list = isinstance(value, list | tuple) and len(value) == len(places.split(","))
    if is_list and all(_is_whole(item, least) for item in cast(Sequence[object], value)):
        return tuple(cast(Sequence[object], value))
    raise ArchitectureError(
        f"must be an integer from {least} to {LARGEST_SIZE} or a list [{places}] of them, not {value!r}"
    )


SIZE = whole(1)
EPS = optional("eps", number(0, 1), 1e-5)
INPUTS = Keyword("inputs", SIZE)
OUTPUTS = Keyword("outputs", SIZE)
FEATURES = Keyword("features", SIZE)
BIAS = optional("bias", flag, default=True)
KERNEL = Keyword("kernel", pair(1))
PADDING: Keyword[Sides] = optional("padding", sides, 0)
