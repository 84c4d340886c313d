"""`gengap submit`: submits a measure to a phase, and watches it."""

import re
from pathlib import Path

import click

from server.commands.errors import InputError
from server.commands.participant.client import Client
from server.commands.participant.printing import as_json, print_json
from server.commands.participant.stored_logins import current_login
from server.commands.participant.watching import watch

_ADDRESS = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--phase", required=True, metavar="COMPETITION/PHASE", help="The phase to submit to.")
@click.option("--name", help="Its name on leaderboards (default: the file's name).")
@click.option("--description", default="", help="What it does.")
@click.option("--link", default="", help="A web address, such as of a paper.")
@click.option("--alias", default="", help="Public pages show it instead of your name.")
@click.option("--parent", type=click.IntRange(min=1), help="Your submission that this one is based on.")
@click.option("--watch", "is_watched", is_flag=True, help="Follow the submission until it has ended.")
@as_json
def command(
    file: Path,
    phase: str,
    name: str | None,
    description: str,
    link: str,
    alias: str,
    parent: int | None,
    is_watched: bool,
    is_json: bool,
) -> None:
    """Submit the measure in FILE, a .py or a .zip.

    With --watch the exit status is 0 if it was scored, and 1 if it ended otherwise.
    """
    if not _ADDRESS.fullmatch(phase):
        raise InputError(f"Name a competition and a phase, as in spring/final, not {phase!r}.")
    said = {"name": name or file.stem, "description": description, "link": link, "alias": alias}
    if parent is not None:
        said["parent"] = str(parent)
    with Client(current_login()) as client:
        told = client.submit(phase, file, {field: value for field, value in said.items() if value})
        page = f"{client.url}/submissions/{told['id']}"
        if not is_json:
            click.echo(f"Submission {told['id']}: {page}")
        if is_watched:
            watch(client, told["id"], is_json=is_json)
        elif is_json:
            print_json(told)
