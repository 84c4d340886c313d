"""Which names and axis values are equal although they are written differently: a zoo with two such is refused.

`model_zoo.manifest` and the importers call it; `scoring.spelling` does the same for scores. A test holds the two to
each other.
"""

import unicodedata
from collections.abc import Hashable, Iterable

Value = str | int | float | bool


def equal_names(names: Iterable[str]) -> tuple[str, str] | None:
    """Find two names that are equal in Unicode's normalization form KC, such as é as one character and as two."""
    seen: dict[str, str] = {}
    for name in names:
        key = _normalised(name)
        if key in seen:
            return seen[key], name
        seen[key] = name
    return None


def equal_values(values: Iterable[Value]) -> tuple[Value, Value] | None:
    """Find two values of an axis that are equal as texts after normalization, or as numbers.

    As a number, true is 1, false is 0, and a text is the number that it writes.
    """
    seen: dict[Hashable, Value] = {}
    for value in values:
        keys = {_normalised(str(value)), _number(value)} - {None}
        for key in keys & seen.keys():
            return seen[key], value
        seen |= dict.fromkeys(keys, value)
    return None


def is_written_as(value: Value, other: Value) -> bool:
    """Whether two values are the same in type and digits, unlike 1 and 1.0 or 0.0 and -0.0."""
    return type(value) is type(other) and str(value) == str(other)


def is_exact(number: object) -> bool:
    """Whether float64 holds a number as it is; false for most whole numbers beyond 2^53."""
    try:
        return not isinstance(number, int) or int(float(number)) == number
    except OverflowError:
        return False


def _normalised(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _number(value: Value) -> int | float | None:
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return None
