"""Parses the keywords of a Keras layer, each of which must be used exactly once.

PGDL's files write every number as a float, so a whole float means an integer. A keyword that the layer's translation
does not use is an error, unless it does not affect a trained network's outputs.
"""

from collections.abc import Mapping
from typing import TypeGuard

# How weights were initialised, regularised and named changes nothing once they are trained.
_WITHOUT_EFFECT = frozenset(
    f"{weights}_{what}"
    for weights in ("kernel", "bias", "depthwise", "beta", "gamma", "moving_mean", "moving_variance")
    for what in ("initializer", "regularizer", "constraint")
) | {"name", "trainable", "activity_regularizer", "input_shape", "batch_input_shape", "seed"}


class KeywordError(ValueError):
    """A keyword is missing, unknown or out of range; the message names it."""


class Keywords:
    """The keywords of one layer. Methods remove what they return; `require_all_taken` checks what is left."""

    def __init__(self, given: Mapping[str, object]) -> None:
        self._left = {name: _whole(value) for name, value in given.items() if name not in _WITHOUT_EFFECT}
        if self._left.pop("dtype", None) not in (None, "float32"):
            raise KeywordError("dtype: networks of float32 only")

    def size(self, name: str, default: int | None = None) -> int:
        """Take a whole number from 1 on."""
        value = self._left.pop(name, default)
        if value is None:
            raise KeywordError(f"{name} is missing")
        if not _is_size(value):
            raise KeywordError(f"{name} must be a whole number from 1 on, not {value!r}")
        return value

    def pair(self, name: str, default: tuple[int, int] | None = None) -> tuple[int, int]:
        """Take (rows, columns), given as a list or as one number for both."""
        value = self._given(name, default)
        if value is None:
            raise KeywordError(f"{name} is missing")
        if _is_size(value):
            value = [value, value]
        if not isinstance(value, list | tuple) or len(value) != 2 or not all(map(_is_size, value)):
            raise KeywordError(f"{name} must be a whole number from 1 on or a list of two, not {value!r}")
        return value[0], value[1]

    def flag(self, name: str, *, default: bool) -> bool:
        """Take true or false."""
        value = self._given(name, default)
        if not isinstance(value, bool | int) or value not in (0, 1):
            raise KeywordError(f"{name} must be true or false, not {value!r}")
        return bool(value)

    def number(self, name: str, default: float) -> float:
        """Take a number."""
        value = self._given(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise KeywordError(f"{name} must be a number, not {value!r}")
        return float(value)

    def choice(self, name: str, default: str, known: tuple[str, ...]) -> str:
        """Take one of the known texts."""
        value = self._given(name, default)
        if not isinstance(value, str) or value.lower() not in known:
            raise KeywordError(f"{name} is {value!r}; known are {', '.join(known)}")
        return value.lower()

    def only(self, name: str, *allowed: object) -> None:
        """Take a keyword that may be left out, or must have one of the allowed values; no other is supported."""
        if name in self._left and (value := self._left.pop(name)) not in allowed:
            raise KeywordError(f"{name} is {value!r}, which is not understood; only {allowed[-1]!r} is")

    def ignore(self, *names: str) -> None:
        """Remove keywords without effect on a trained network's outputs."""
        for name in names:
            self._left.pop(name, None)

    def require_all_taken(self) -> None:
        """Raise KeywordError if a keyword is left."""
        if self._left:
            raise KeywordError(f"the keyword {min(self._left)!r} is unknown")

    def _given(self, name: str, default: object) -> object:
        """Take a keyword of any kind; null means the default."""
        value = self._left.pop(name, None)
        return default if value is None else value


def _whole(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value


def _is_size(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
