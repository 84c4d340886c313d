"""`gengap cancel`: cancels a submission that has not ended."""

import click

from server.commands.json_output import as_json
from server.commands.participant.client import Client
from server.commands.participant.printing import print_done
from server.commands.participant.stored_logins import current_login


@click.command()
@click.argument("submission_id", metavar="ID", type=click.IntRange(min=1))
@as_json
def command(submission_id: int, is_json: bool) -> None:
    """Cancel the submission ID. If no hidden network has run yet, it costs no quota."""
    with Client(current_login()) as client:
        submission = client.post(f"/submissions/{submission_id}/cancel")
    print_done(is_json, submission, f"Cancelled submission {submission_id}.")
