"""`gengap logout`: revokes and deletes the stored token."""

from contextlib import suppress

import click

from server.commands.json_output import as_json
from server.commands.participant.client import Client, Refused
from server.commands.participant.printing import print_done
from server.commands.participant.stored_logins import forget_login, stored_login


@click.command()
@as_json
def command(is_json: bool) -> None:
    """Revoke the token that `gengap login` has stored, and delete it."""
    login = stored_login()
    if login is None:
        raise Refused("You are not logged in.")
    try:
        with suppress(Refused), Client(login) as client:  # where the server knows it no more: all the better
            client.delete("/tokens/current")
    finally:
        forget_login()
    print_done(is_json, {"url": login.url}, f"Logged out of {login.url}.")
