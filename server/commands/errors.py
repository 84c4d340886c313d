"""What every command says to wrong usage or input. Apart, because `gengap score` must import next to nothing."""

import click


class InputError(click.ClickException):
    """Wrong usage or input: one sentence on stderr and exit status 2."""

    exit_code = 2
