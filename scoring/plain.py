"""Results as JSON and as rows: frozen dataclasses to plain numbers and texts, whatever fields they have.

`scoring.report`, pages and `gengap score` call it.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from scoring.statistics.cmi import ConditioningSet

Scalar = None | bool | int | float | str
Plain = Scalar | list["Plain"] | dict[str, "Plain"]
Row = tuple[str, str, Scalar]

_FORMULA_SIGNS = frozenset("=+-@")


def plain(result: object) -> Plain:
    """A result of `scoring` as JSON content, not rounded.

    Fields that are left out of the repr are left out here. A mapping by conditioning sets becomes a list of objects
    with `axes` and `value`.

    Parameters
    ----------
    result : object
        A dataclass of `scoring`, or anything that one contains.

    Returns
    -------
    None, bool, int, float, str, list or dict
        Content for `json.dumps`.

    Raises
    ------
    TypeError
        If something in it is not a result of `scoring`.
    """
    if result is None or isinstance(result, bool | int | float | str):
        return result
    if is_dataclass(result):
        return {field.name: plain(getattr(result, field.name)) for field in fields(result) if field.repr}
    if isinstance(result, Mapping):
        if any(isinstance(key, tuple) for key in result):
            return [{"axes": plain(key), "value": plain(value)} for key, value in result.items()]
        return {str(key): plain(value) for key, value in result.items()}
    if isinstance(result, list | tuple):
        return [plain(entry) for entry in result]
    raise TypeError(f"{type(result).__name__} is no result of scoring")


def rows(result: object) -> Iterator[Row]:
    """A result of `scoring` as rows (metric, of, value), one for each number and text, not rounded.

    Fields that are left out of the repr are left out here. What is undefined has the value None; an empty mapping or
    list has no row.

    Parameters
    ----------
    result : object
        A dataclass of `scoring`.

    Returns
    -------
    iterator of tuple
        metric: the names of the fields, joined by dots. of: which entry of a mapping or a list it is; empty for what
        occurs once. A mapping's entries are named by their keys, a list's dataclasses by their texts or else by their
        first field, anything else by its position, from 1. A conditioning set is one text (see `set_name`). value: the
        number or text.

    Raises
    ------
    TypeError
        If something in it is not a result of `scoring`.
    """
    return _rows(result, (), ())


def set_name(axes: ConditioningSet) -> str:
    """A conditioning set as a text for people.

    Parameters
    ----------
    axes : tuple of str
        The names of the axes.

    Returns
    -------
    str
        For example "depth × width", or "none" for the empty set.
    """
    return " × ".join(axes) or "none"


def csv_cell(content: Scalar) -> Scalar:
    """A cell of a CSV file that no spreadsheet interprets as a formula (CWE-1236).

    Parameters
    ----------
    content : None, bool, int, float or str
        What the cell contains.

    Returns
    -------
    None, bool, int, float or str
        A text that begins like a formula, also with a full-width sign or after white space, is preceded by an
        apostrophe. Anything else is returned as it is.
    """
    if not isinstance(content, str):
        return content
    begins = unicodedata.normalize("NFKC", content.lstrip()[:1])
    return f"'{content}" if begins in _FORMULA_SIGNS or content.startswith(("\t", "\r", "\n")) else content


def _rows(part: object, metric: tuple[str, ...], of: tuple[str, ...]) -> Iterator[Row]:
    if part is None or isinstance(part, bool | int | float | str):
        yield ".".join(metric), " ".join(of), part
    elif is_dataclass(part):
        for name, content in _contents(part).items():
            yield from _rows(content, (*metric, name), of)
    elif isinstance(part, Mapping):
        for key, value in part.items():
            yield from _rows(value, metric, (*of, set_name(key) if isinstance(key, tuple) else str(key)))
    elif isinstance(part, list | tuple):
        for place, entry in enumerate(part, start=1):
            yield from _rows_of_entry(entry, place, metric, of)
    else:
        raise TypeError(f"{type(part).__name__} is no result of scoring")


def _rows_of_entry(entry: object, place: int, metric: tuple[str, ...], of: tuple[str, ...]) -> Iterator[Row]:
    if not is_dataclass(entry):
        yield from _rows(set_name(entry) if isinstance(entry, tuple) else entry, metric, (*of, str(place)))
        return
    contents = _contents(entry)
    naming = [name for name, content in contents.items() if isinstance(content, str)] or [next(iter(contents))]
    named = (*of, *(str(contents.pop(name)) for name in naming))
    for name, content in contents.items():
        # An entry's only number needs no name in addition to the list's.
        yield from _rows(content, metric if len(contents) == 1 else (*metric, name), named)


def _contents(result: object) -> dict[str, object]:
    """The fields of a dataclass that are part of its repr, by name."""
    assert is_dataclass(result)
    contents = {field.name: getattr(result, field.name) for field in fields(result) if field.repr}
    sets = {field.name for field in fields(result) if field.type == ConditioningSet}
    return {name: set_name(content) if name in sets else content for name, content in contents.items()}
