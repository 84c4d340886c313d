"""Logged-in users: the session cookie, logging in and out, and the redirect after it. Called by `access` and pages.

The cookie contains a user's id and the key of a session, which `submissions.people.sessions` stores until it ends.
"""

from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from flask import Flask, Response, abort, after_this_request, g, request, session
from flask_login import LoginManager, current_user, login_user

from server.auth.devices import remember_device
from server.auth.parameters import id_in
from server.config import services
from submissions.people import sessions
from submissions.storage.database import Database
from submissions.storage.roles import PERMISSIONS, Permission, Permissions, Role
from submissions.storage.site_records import UserRecord


@dataclass(frozen=True)
class Account:
    """The account of this request, as Flask-Login needs it.

    session_id: of the browser's session; None for a request with a token. unread: number of unread notifications.
    """

    id: int
    name: str
    role: Role
    session_id: int | None = None
    session_key: str = field(default="", repr=False)
    unread: int = 0

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        return f"{self.id}:{self.session_key}"

    @property
    def permissions(self) -> Permissions:
        return PERMISSIONS[self.role]


def init_app(app: Flask) -> None:
    manager = LoginManager(app, add_context_processor=False)  # it would look up the account for every page
    manager.session_protection = None  # it compares address and browser: phones change both all day
    manager.user_loader(lambda identity: _load(services().db, identity))
    app.context_processor(lambda: {"account": current_account(), "may": may, "Permission": Permission})


def act_as(account: Account | None) -> None:
    """Treat this request as the token's account, or a visitor's, and ignore the session of its cookie."""
    g.account = account


def current_account() -> Account | None:
    """Return the logged-in account, None for a visitor."""
    if "account" in g:
        return cast(Account | None, g.account)
    user = current_user._get_current_object()
    return user if isinstance(user, Account) else None


def may(permission: Permission) -> bool:
    """Whether the reader's role has this permission; a visitor has none."""
    account = current_account()
    return account is not None and permission in account.permissions


def the_account() -> Account:
    """Return the logged-in account, on a route that visitors may not use."""
    account = current_account()
    return account if account is not None else abort(403)


def log_in(user: UserRecord) -> None:
    """Start a new session that keeps nothing of the old one, so that a planted cookie gains nothing."""
    log_out()
    key = sessions.begin(services().db, user.id, request.headers.get("User-Agent", ""))
    session.permanent = True  # the cookie outlives the browser, as long as the session may stay unused
    login_user(Account(id=user.id, name=user.name, role=user.role, session_key=key))
    remember_device(user)


def log_out() -> None:
    """End this browser's session, if it has one."""
    account = current_account()
    if account is not None and account.session_id is not None:
        sessions.end(services().db, account.id, account.session_id)
    session.clear()


def safe_next(default: str) -> str:
    """Return the page in `next` if it is a page of this site, else `default`.

    Browsers also read a backslash as a slash, so that both variants of `//host` mean another host, and drop tabs and
    newlines before they look.
    """
    target = request.values.get("next", "")
    parts = urlsplit(target)
    is_path = target.startswith("/") and not target.startswith(("//", "/\\"))
    if not is_path or parts.scheme or parts.netloc or not target.isprintable() or "\\" in target:
        return default
    return target


def _load(db: Database, identity: str) -> Account | None:
    user_id, _, key = identity.partition(":")
    number = id_in(user_id)
    found = None if number is None else sessions.find(db, number, key)
    if found is None:
        return None
    if found.is_noted:
        after_this_request(_send_cookie)
    user = found.user
    return Account(user.id, user.name, user.role, found.session_id, session_key=key, unread=user.unread)


def _send_cookie(response: Response) -> Response:
    """Send the session's cookie again, with a new date, but not on a response that others may keep."""
    if not response.cache_control.public:
        session.modified = True
    return response
