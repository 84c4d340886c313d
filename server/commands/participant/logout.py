"""`gengap logout`: revokes and deletes the stored token."""

import click

from server.commands.participant.client import Client, Refused
from server.commands.participant.printing import as_json, print_json
from server.commands.participant.stored_logins import forget_login, stored_login


@click.command()
@as_json
def command(is_json: bool) -> None:
    """Revoke the token that `gengap login` has stored, and delete it."""
    login = stored_login()
    if login is None:
        raise Refused("You are not logged in.")
    try:
        with Client(login) as client:
            client.delete("/tokens/current")
    except Refused:  # the server knows it no more: all the better
        pass
    finally:
        forget_login()
    if is_json:
        print_json({"url": login.url})
    else:
        click.echo(f"Logged out of {login.url}.")
