"""The error of all commands for wrong usage or input; separate, because `gengap score` must import very little."""

from collections.abc import Iterator
from contextlib import contextmanager

import click


class InputError(click.ClickException):
    """Wrong usage or input: one sentence on stderr and exit status 2."""

    exit_code = 2


@contextmanager
def ending_with(kind: type[click.ClickException], *errors: type[Exception]) -> Iterator[None]:
    """End the command with an error of this kind where the block raises one of `errors`, with its sentence."""
    try:
        yield
    except errors as error:
        raise kind(str(error)) from error
