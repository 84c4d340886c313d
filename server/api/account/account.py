"""Accounts: register, show, change, export, delete; sessions of browsers; links in mails."""

from datetime import datetime

from flask import Response, url_for
from pydantic import Field

from server.api.fields import Answer, Body, Line
from server.api.routes import Created, Routes
from server.auth.access import Who
from server.auth.login import the_account
from server.config import services
from server.downloads.account_export import account_export
from server.presentation.browser_names import browser_name
from server.problems import Problem, faulty
from submissions.people import accounts, sessions
from submissions.people.account_deletion import DeletionRefused, delete_account
from submissions.people.tokens import Scope
from submissions.storage.roles import Role
from worker.hints import send_mail_hint

routes = Routes(70, "account", "Account", "Your account: shown, changed, exported, deleted.")

Password = Field(max_length=1000)


class Account(Answer):
    name: str
    role: Role = Field(description="What the account may do")
    email: str | None
    email_verified_at: datetime | None
    wants_mail: bool = Field(description="Whether you get mails when your submissions end")
    created_at: datetime


class Session(Answer):
    """A browser in which you are logged in."""

    id: int
    browser: str
    created_at: datetime
    seen_at: datetime


class Sessions(Answer):
    items: list[Session]


class AccountWanted(Body):
    name: Line
    email: Line
    password: str = Password


class AccountChange(Body):
    """What is to change of your account."""

    name: Line | None = None
    wants_mail: bool | None = None


class PasswordChange(Body):
    current: str = Password
    password: str = Password


class EmailChange(Body):
    current: str = Field(max_length=1000, description="Your password")
    email: Line


class Deletion(Body):
    password: str = Password


class ResetWanted(Body):
    email: Line


class Verification(Body):
    token: Line = Field(description="Of the link that was mailed")


class Reset(Verification):
    password: str = Field(max_length=1000, description="The new one")


@routes.post("/accounts", Who.VISITOR, Scope.READ)
def register(body: AccountWanted) -> Created[Account]:
    """Make an account

    A mail with a link verifies its address. Then make a token: /log-in"""
    if not services().settings.registration_open:
        raise Problem(403, "Registration is closed on this server.")
    secret = services().settings.secret_key()
    user_id = accounts.register(services().db, body.name, body.email, body.password, secret=secret)
    send_mail_hint(services().settings)
    return Created(_told(user_id), url_for("api_account.show"))


@routes.get("/account", Who.PARTICIPANT)
def show() -> Account:
    """Your account"""
    return _told(the_account().id)


@routes.patch("/account", Who.PARTICIPANT, Scope.ACCOUNT)
def change(body: AccountChange) -> Account:
    """Change your name, and whether you get mails"""
    db, user_id = services().db, the_account().id
    if body.name is not None:
        accounts.change_name(db, user_id, body.name)
    if body.wants_mail is not None:
        accounts.set_wants_mail(db, user_id, body.wants_mail)
    return _told(user_id)


@routes.put("/account/password", Who.PARTICIPANT, Scope.ACCOUNT)
def change_password(body: PasswordChange) -> None:
    """Change your password; all your sessions end, your tokens stay"""
    accounts.change_password(services().db, the_account().id, body.current, body.password, kept_session_id=None)
    send_mail_hint(services().settings)


@routes.put("/account/email", Who.PARTICIPANT, Scope.ACCOUNT)
def change_email(body: EmailChange) -> None:
    """Mail a link to a new address, which takes effect once you have followed it"""
    secret = services().settings.secret_key()
    accounts.change_email(services().db, secret, the_account().id, body.current, body.email)
    send_mail_hint(services().settings)


@routes.post("/account/verification", Who.PARTICIPANT, Scope.ACCOUNT, conflicts=True)
def ask_to_verify() -> None:
    """Mail the link that verifies your address again"""
    if not accounts.ask_to_verify(services().db, services().settings.secret_key(), the_account().id):
        raise Problem(409, "Too many mails were sent to this address in the last hour.")
    send_mail_hint(services().settings)


@routes.get("/account/export", Who.PARTICIPANT, download="application/zip")
def export() -> Response:
    """All data of your account, as a zip"""
    return account_export()


@routes.post("/account/deletion", Who.PARTICIPANT, Scope.ACCOUNT)
def delete(body: Deletion) -> None:
    """Delete your account; your submissions stay, without your name"""
    try:
        delete_account(services().db, the_account().id, body.password)
    except DeletionRefused as error:
        raise faulty({"password": str(error)}) from None


@routes.get("/sessions", Who.PARTICIPANT)
def list_sessions() -> Sessions:
    """The browsers in which you are logged in"""
    with services().db.read() as session:
        found = sessions.sessions_of(session, the_account().id)
    return Sessions(items=[Session.of(one, browser=browser_name(one.browser)) for one in found])


@routes.delete("/sessions", Who.PARTICIPANT, Scope.ACCOUNT)
def end_sessions() -> None:
    """Log all browsers out"""
    sessions.end_all_others(services().db, the_account().id, None)


@routes.delete("/sessions/<session:session_id>", Who.PARTICIPANT, Scope.ACCOUNT)
def end_session(session_id: int) -> None:
    """Log a browser out"""
    if not sessions.end(services().db, the_account().id, session_id):
        raise Problem(404, "You have no session with this number.")


@routes.post("/password-resets", Who.VISITOR, Scope.READ)
def ask_to_reset(body: ResetWanted) -> None:
    """Mail a link for a new password to an address, if it is an account's"""
    accounts.ask_to_reset(services().db, services().settings.secret_key(), body.email)
    send_mail_hint(services().settings)


@routes.post("/password-resets/use", Who.VISITOR, Scope.READ)
def reset(body: Reset) -> None:
    """Choose a new password with the token of a mailed link"""
    secret = services().settings.secret_key()
    user = accounts.reset_password(services().db, secret, body.token, body.password)
    if user is None:
        raise faulty({"token": "The link has been used or is too old. Ask for another."})
    send_mail_hint(services().settings)


@routes.post("/verifications", Who.VISITOR, Scope.READ)
def verify(body: Verification) -> None:
    """Verify an email address with the token of a mailed link"""
    if accounts.verify_email(services().db, services().settings.secret_key(), body.token) is None:
        raise faulty({"token": "The link has been used or is too old. Ask for another."})
    send_mail_hint(services().settings)


def _told(user_id: int) -> Account:
    return Account.model_validate(accounts.account_of(services().db, user_id))
