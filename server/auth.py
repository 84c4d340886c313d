"""Who is logged in: the session cookie, logging in and out, and where to go next. Called by access and pages.

The cookie holds a user's id and session key; changing the key in the database ends all sessions of that user.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Flask, abort, request, session
from flask_login import LoginManager, current_user, login_user

from server.config import services
from submissions.records import UserRecord

ORGANIZER = "organizer"


@dataclass(frozen=True)
class Account:
    """The person behind this request, as Flask-Login wants it."""

    id: int
    name: str
    role: str
    session_key: str

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
    manager.user_loader(_load)
    app.context_processor(lambda: {"account": current_account()})


def current_account() -> Account | None:
    """Who is logged in, None for a visitor."""
    return current_user if isinstance(current_user._get_current_object(), Account) else None


def the_account() -> Account:
    """Who is logged in, on a route that no visitor may use."""
    account = current_account()
    return account if account is not None else abort(403)


def log_in(user: UserRecord) -> None:
    """Start a new session: nothing of the one before survives, so that a planted cookie gains nothing."""
    session.clear()
    login_user(_account(user))


def log_out() -> None:
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


def _load(identity: str) -> Account | None:
    user_id, _, session_key = identity.partition(":")
    if not user_id.isdecimal():
        return None
    with services().db.read() as db_session:
        user = db_session.get(UserRecord, int(user_id))
    if user is None or user.session_key != session_key:
        return None
    return _account(user)


def _account(user: UserRecord) -> Account:
    return Account(id=user.id, name=user.name, role=user.role, session_key=user.session_key)
