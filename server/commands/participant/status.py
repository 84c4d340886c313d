"""`gengap status`: lists your submissions, or shows the progress of one."""

import click
from rich.table import Table
from rich.text import Text

from server.commands.errors import InputError
from server.commands.json_output import as_json, print_json
from server.commands.participant.client import Client, SubmissionListed
from server.commands.participant.printing import (
    console,
    moment,
    plain,
    print_submission,
    state_text,
)
from server.commands.participant.stored_logins import current_login
from server.commands.participant.watching import watch

LISTED = 20


@click.command()
@click.argument("submission_id", metavar="[ID]", required=False, type=click.IntRange(min=1))
@click.option("--watch", "is_watched", is_flag=True, help="Follow the submission until it has ended.")
@as_json
def command(submission_id: int | None, is_watched: bool, is_json: bool) -> None:
    """Show the progress of the submission ID; without one, list your newest submissions."""
    if submission_id is None and is_watched:
        raise InputError("Say which submission to follow: gengap status ID --watch")
    with Client(current_login()) as client:
        if submission_id is not None and is_watched:
            watch(client, submission_id, is_json=is_json)
        path = "/submissions" if submission_id is None else f"/submissions/{submission_id}"
        answer = client.get(path, per_page=LISTED if submission_id is None else None)
    if is_json:
        print_json(answer)
    elif submission_id is None:
        _print_list(answer["items"])
    else:
        print_submission(answer)


def _print_list(listed: list[SubmissionListed]) -> None:
    if not listed:
        click.echo("You have no submissions. Submit a measure: gengap submit FILE --phase COMPETITION/PHASE")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("ID", "Name", "Phase", "State", "Score", "Submitted"):
        table.add_column(title, justify="right" if title in ("ID", "Score") else "left")
    for one in listed:
        score = "" if one["score"] is None else f"{one['score']:g}"
        state = state_text(one["state"])
        if one["reason"]:
            state.append(f" ({one['reason'].replace('_', ' ')})", style="dim")
        phase = f"{one['competition']}/{one['phase']}"
        table.add_row(str(one["id"]), Text(plain(one["name"])), phase, state, score, moment(one["created_at"]))
    console().print(table)
