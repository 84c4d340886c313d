"""Options of the command line for the limits of a network: one for each limit of a phase, in the unit of the forms."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from submissions.storage.limits import LIMITS, Limit


def limit_options(*, any_positive: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator of commands that adds an option for each limit.

    Parameters
    ----------
    any_positive : bool
        True: the option itself checks that its value is positive, and no more. False: the command checks the bounds.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for limit in reversed(LIMITS):
            name = f"--{limit.entry_name.replace('_', '-')}"
            default = limit.entry(limit.default) or "not limited"
            kind = _positive(limit) if any_positive else limit.kind
            function = click.option(name, type=kind, help=f"{limit.label} per network (default: {default}).")(function)
        return function

    return decorate


def limits_among(options: Mapping[str, Any]) -> dict[str, Any]:
    """The limits that were given among a command's options, by name and in their own units."""
    given = {limit: options.get(limit.entry_name) for limit in LIMITS}
    return {limit.name: value * limit.unit.scale for limit, value in given.items() if value is not None}


def _positive(limit: Limit) -> click.FloatRange | click.IntRange:
    return click.FloatRange(min=0, min_open=True) if limit.kind is float else click.IntRange(1)
