"""The errors of the `scoring` room: one hierarchy, one type per kind. Callers catch `ScoringError`.

A `TruthError` (and every `GridError`) is for the organizer to fix, a `ValuesError` for the participant or for us.
"""

from collections.abc import Iterable
from itertools import islice
from reprlib import Repr

NAMED_AT_MOST = 5
_SHORTENED = Repr()
_SHORTENED.maxstring = _SHORTENED.maxother = 200


class ScoringError(Exception):
    """Something cannot be scored. The message says what is wrong, where, and what to do."""


class TruthError(ScoringError):
    """The truth's content is malformed, or cannot serve as something to predict."""


class GridError(TruthError):
    """The hyperparameters are not a grid that can be scored."""


class DuplicateNetworksError(GridError):
    """Two networks share an id or a combination of hyperparameters."""


class IncompleteGridError(GridError):
    """A combination of possible values, or a possible value, has no network."""


class SingleAxisError(GridError):
    """The grid has fewer than two axes, so there is no pair of axes to condition on."""


class TooFewNetworksError(TruthError):
    """There are too few networks to compare."""


class NoUncertaintyError(TruthError):
    """The target leaves nothing to predict: it is constant, or fixed by every pair of axes."""


class ValuesError(ScoringError):
    """The values do not fit the truth."""


class MissingValuesError(ValuesError):
    """Some networks have no value."""


class UnknownNetworksError(ValuesError):
    """Some values are for networks that the truth does not have."""


class RepeatedValuesError(ValuesError):
    """A network has two values, under two spellings of its id."""


class NotANumberError(ValuesError):
    """A value is not a real number."""


class InexactNumberError(ValuesError):
    """A value is a whole number that float64 cannot hold."""


class NotFiniteError(ValuesError):
    """A value is nan or an infinity."""


class ComparisonError(ScoringError):
    """The scores were not made of the same networks of the same zoos, so they cannot be compared."""


class HoldoutError(ScoringError):
    """A private phase's budget of questions is used up, or its parameters make no sense."""


def shown(content: object) -> str:
    """Quote content in an error message: like `repr`, but never long.

    Parameters
    ----------
    content : object
        What the caller passed.

    Returns
    -------
    str
        At most about 200 characters.
    """
    return _SHORTENED.repr(content)


def name_some(names: Iterable[object], total: int) -> str:
    """Name the first few of many things in an error message.

    Parameters
    ----------
    names : iterable of object
        The names; only the first five are read.
    total : int
        The number of names.

    Returns
    -------
    str
        The quoted names, and how many more there are.
    """
    first = [shown(name) for name in islice(names, NAMED_AT_MOST)]
    more = total - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")
