"""`gengap account`: creates accounts with a role, and resets a forgotten password."""

import sys
from contextlib import closing

import click

from server.commands.common import settings_or_exit
from server.commands.errors import InputError, ending_with
from server.commands.site_database import ready_database
from submissions.people.accounts import AccountError, create_account, find_user, set_password
from submissions.people.mailed_links import RESET_FOR, reset_path
from submissions.storage.roles import PERMISSIONS, Role


@click.group()
def command() -> None:
    """Create organizers, and reset passwords. Passwords are asked for, or read from standard input."""


def _maker(role: Role) -> click.Command:
    """Return the command that creates accounts with this role."""
    a_role = f"{'an' if role[0] in 'aeiou' else 'a'} {role}"

    @click.command(role, help=f"Create an account with the role of {a_role}.")
    @click.argument("name")
    def make(name: str) -> None:
        with closing(ready_database(settings_or_exit())) as db, ending_with(InputError, AccountError):
            create_account(db, name, _password(), role)
        click.echo(f"{name.strip()} is {a_role} now.")

    return make


for _role in Role:
    if PERMISSIONS[_role]:  # participants register by themselves
        command.add_command(_maker(_role))


@command.command()
@click.argument("name")
@click.option("--link", is_flag=True, help="Print a link for choosing a new password, instead of asking for one.")
def reset(name: str, link: bool) -> None:
    """Give the account NAME a new password and end all its sessions."""
    settings = settings_or_exit()
    with closing(ready_database(settings)) as db, ending_with(InputError, AccountError):
        user = find_user(db, name)
        if user is None:
            raise InputError(f"There is no account {name!r} on this server.")
        if link:
            click.echo(settings.effective_public_url + reset_path(settings.secret_key(), user))
            hours = RESET_FOR.total_seconds() / 3600
            click.echo(f"It works once, for {hours:.0f} hours; anybody who has it can choose the password.", err=True)
        else:
            set_password(db, user.id, _password())
            click.echo(f"{user.name} has a new password; all sessions have ended.")


def _password() -> str:
    """Ask for a password twice at a terminal; otherwise read the first line of standard input."""
    if sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return password
    return sys.stdin.readline().rstrip("\r\n")
