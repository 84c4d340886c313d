"""`gengap cancel`: cancels a submission that has not ended."""

import click

from server.commands.participant.client import Client
from server.commands.participant.printing import as_json, print_json
from server.commands.participant.stored_logins import current_login


@click.command()
@click.argument("submission_id", metavar="ID", type=click.IntRange(min=1))
@as_json
def command(submission_id: int, is_json: bool) -> None:
    """Cancel the submission ID. If no hidden network has run yet, it costs no quota."""
    with Client(current_login()) as client:
        told = client.post(f"/submissions/{submission_id}/cancel")
    if is_json:
        print_json(told)
    else:
        click.echo(f"Cancelled submission {submission_id}.")
