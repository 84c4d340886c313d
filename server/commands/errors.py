"""The error of all commands for wrong usage or input; separate, because `gengap score` must import very little."""

import click


class InputError(click.ClickException):
    """Wrong usage or input: one sentence on stderr and exit status 2."""

    exit_code = 2
