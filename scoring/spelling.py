"""Which names and axis values are equal although they are written differently; `scoring.grid` and `truth` refuse them.

Scored as they are written, they would count as different networks or settings. `model_zoo.spelling` does the same when
a zoo is read or imported; a test holds the two to each other.
"""

import unicodedata
from collections.abc import Hashable, Iterable

Value = str | int | float | bool


def normalised(text: str) -> str:
    """A text in Unicode's normalization form KC.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The same for all texts that Unicode calls compatible, such as é as one character and as two.
    """
    return unicodedata.normalize("NFKC", text)


def equal_names(names: Iterable[str]) -> tuple[str, str] | None:
    """Two names that are equal after normalisation.

    Parameters
    ----------
    names : iterable of str
        The names, also repeated ones.

    Returns
    -------
    tuple of (str, str), or None
        The first such pair; None if all names differ.
    """
    seen: dict[str, str] = {}
    for name in names:
        key = normalised(name)
        if key in seen:
            return seen[key], name
        seen[key] = name
    return None


def equal_values(values: Iterable[Value]) -> tuple[Value, Value] | None:
    """Two values of an axis that are equal: as texts after normalisation, or as numbers.

    As a number, true is 1, false is 0, and a text is the number that it writes: 0.1, "0.1" and "0.10" are equal, 0.0
    and −0.0 too. Whole numbers are compared exactly, however large.

    Parameters
    ----------
    values : iterable of str, int, float or bool
        The values.

    Returns
    -------
    tuple of two values, or None
        The first such pair; None if all values differ.
    """
    seen: dict[Hashable, Value] = {}
    for value in values:
        keys = {normalised(str(value)), _number(value)} - {None}
        for key in keys & seen.keys():
            return seen[key], value
        seen |= dict.fromkeys(keys, value)
    return None


def _number(value: Value) -> int | float | None:
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return None
