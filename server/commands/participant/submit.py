"""`gengap submit`: submits a measure to a phase, and watches it."""

import re
import sys
from pathlib import Path

import click

from server.commands.errors import InputError
from server.commands.json_output import as_json, print_json
from server.commands.participant.client import Client, Refused, SubmissionDetail, Unconfirmed
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
@click.option("--confirm", is_flag=True, help="Submit it although the phase has had exactly this from you before.")
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
    confirm: bool,
    is_watched: bool,
    is_json: bool,
) -> None:
    """Submit the measure in FILE, a .py or a .zip.

    If you or your team sent the same file to the phase before, a terminal asks whether to submit it once more;
    elsewhere this needs --confirm.

    With --watch the exit status is 0 if it was scored, and 1 if it ended otherwise.
    """
    if not _ADDRESS.fullmatch(phase):
        raise InputError(f"Name a competition and a phase, as in spring/final, not {phase!r}.")
    said = {"name": name or file.stem, "description": description, "link": link, "alias": alias}
    if parent is not None:
        said["parent"] = str(parent)
    if confirm:
        said["confirmed"] = "true"
    with Client(current_login()) as client:
        submission = _submitted(client, phase, file, {field: value for field, value in said.items() if value})
        page = f"{client.url}/submissions/{submission['id']}"
        if not is_json:
            click.echo(f"Submission {submission['id']}: {page}")
        if is_watched:
            watch(client, submission["id"], is_json=is_json)
        elif is_json:
            print_json(submission)


def _submitted(client: Client, phase: str, file: Path, said: dict[str, str]) -> SubmissionDetail:
    """Submit; if that is to be confirmed, ask at a terminal. Raises Refused or Unreachable."""
    try:
        return client.submit(phase, file, said)
    except Unconfirmed as error:
        if not sys.stdin.isatty():
            raise Refused(f"{error} Nothing was submitted. If you want it once more, repeat with --confirm.") from None
        click.confirm(f"{error} Submit it once more?", abort=True, err=True)
    return client.submit(phase, file, said | {"confirmed": "true"})
