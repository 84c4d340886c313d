"""Who is logged in: the session cookie, logging in and out, and where to go next. Called by access and pages.

The cookie holds a user's id and the key of a session, which `submissions.people.sessions` has on record until it ends.
"""

from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from flask import Flask, abort, g, request, session
from flask_login import LoginManager, current_user, login_user

from server.config import services
from submissions.people import sessions
from submissions.storage.database import Database
from submissions.storage.records import UserRecord

ORGANIZER = "organizer"
LARGEST_ID_DIGITS = 9  # a database stumbles over a number that no id can be


@dataclass(frozen=True)
class Account:
    """The person behind this request, as Flask-Login wants it.

    session_id: of the browser's session; None where the request comes without one, with a token. unread: how many
    notifications they have not read.
    """

    id: int
    name: str
    role: str
    session_id: int | None = None
    session_key: str = field(default="", repr=False)
    unread: int = 0

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        return f"{self.id}:{self.session_key}"

    @property
    def is_organizer(self) -> bool:
        return self.role == ORGANIZER


def init_app(app: Flask) -> None:
    manager = LoginManager(app)
    manager.session_protection = None  # it compares address and browser: phones change both all day
    manager.user_loader(lambda identity: _load(services().db, identity))
    app.context_processor(lambda: {"account": current_account()})


def act_as(account: Account | None) -> None:
    """Take this request as a token's account, or a visitor's, whatever session its cookie names."""
    g.account = account


def current_account() -> Account | None:
    """Who is logged in, None for a visitor."""
    if "account" in g:
        return cast(Account | None, g.account)
    user = current_user._get_current_object()
    return user if isinstance(user, Account) else None


def the_account() -> Account:
    """Who is logged in, on a route that no visitor may use."""
    account = current_account()
    return account if account is not None else abort(403)


def log_in(user: UserRecord) -> None:
    """Start a new session: nothing of the one before survives, so that a planted cookie gains nothing."""
    log_out()
    key = sessions.begin(services().db, user.id, request.headers.get("User-Agent", ""))
    login_user(Account(id=user.id, name=user.name, role=user.role, session_key=key))


def log_out() -> None:
    """End this browser's session, if it has one."""
    account = current_account()
    if account is not None and account.session_id is not None:
        sessions.end(services().db, account.id, account.session_id)
    session.clear()


def safe_next(default: str) -> str:
    """The page asked for by `next`, if it is a page of this site, else `default`.

    Browsers read `//host` and `/\\host` as other hosts, and drop tabs and newlines before they look.
    """
    target = request.values.get("next", "")
    parts = urlsplit(target)
    is_path = target.startswith("/") and not target.startswith(("//", "/\\"))
    if not is_path or parts.scheme or parts.netloc or not target.isprintable() or "\\" in target:
        return default
    return target


def _load(db: Database, identity: str) -> Account | None:
    user_id, _, key = identity.partition(":")
    if not user_id.isdecimal() or len(user_id) > LARGEST_ID_DIGITS:
        return None
    found = sessions.find(db, int(user_id), key)
    if found is None:
        return None
    user = found.user
    return Account(user.id, user.name, user.role, found.session_id, session_key=key, unread=user.unread)
