"""`gengap login`: stores a token for a server, given or obtained with name and password."""

import platform
from typing import TextIO

import click

from server.commands.json_output import as_json
from server.commands.participant.client import Client, Refused
from server.commands.participant.printing import print_done
from server.commands.participant.stored_logins import DEFAULT_URL, Login, keep_login, stored_login

SCOPES = ["read", "submit"]


@click.command()
@click.argument("url", required=False)
@click.option("--token", type=click.File(), help="Read a token from this file; - reads it from standard input.")
@as_json
def command(url: str | None, token: TextIO | None, is_json: bool) -> None:
    """Log in to the server at URL (default: where you were logged in last, else this machine's).

    Asks for a token from your account's page or, if you give none, for your name and password.
    """
    stored = stored_login()
    url = (url or (stored.url if stored else DEFAULT_URL)).rstrip("/")
    if "://" not in url:
        url = f"https://{url}"
    text = token.read().strip() if token is not None else click.prompt("Token", default="", hide_input=True).strip()
    if not text and token is not None:
        raise Refused("The file contains no token.")
    login = Login(url, text or _exchanged(url))
    with Client(login) as client:
        name = client.get("/account")["name"]
    path = keep_login(login)
    print_done(is_json, {"url": url, "name": name}, f"Logged in to {url} as {name}. The token is in {path}.")


def _exchanged(url: str) -> str:
    user = click.prompt("Name or email address")
    password = click.prompt("Password", hide_input=True)
    body = {"user": user, "password": password, "name": f"gengap on {platform.node()}"[:80], "scopes": SCOPES}
    with Client(Login(url)) as client:
        return str(client.post("/log-in", body)["text"])
