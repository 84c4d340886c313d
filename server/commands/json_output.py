"""The option `--json` and its output, for commands that print what a script may read.

A command that lists something prints an object whose `items` is the list, as the API's lists are.
"""

import json

import click

as_json = click.option("--json", "is_json", is_flag=True, help="Print one JSON object and nothing else on stdout.")


def print_json(answer: object) -> None:
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
