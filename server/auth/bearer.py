"""Authentication of API requests by bearer tokens, and the tokens' scopes. Called by `access` and the rate limits.

Only a bearer token identifies the sender. Cookies are ignored, so that pages of other sites cannot use the API through
a visitor's browser, and no CSRF token is needed. Outside the API a token identifies nobody, but for `may_with_token`.
"""

from typing import cast

from flask import Flask, g, request

from server.auth import login
from server.config import services
from server.problems import Problem
from submissions.people.tokens import Scope, TokenHolder, authenticate_token
from submissions.storage.roles import PERMISSIONS, Permission

PREFIX = "/api/"  # everything below answers in JSON, errors as well
VERSION_PREFIX = f"{PREFIX}v1"


def init_app(app: Flask) -> None:
    """Register the handler; it must run before code that needs the account."""
    app.before_request(_read_token)


def is_api_request() -> bool:
    return request.path.startswith(PREFIX)


def the_holder() -> TokenHolder | None:
    """Return the holder of this request's token; None if it has no token, or an invalid one."""
    return cast(TokenHolder | None, g.token_holder)


def may_with_token(permission: Permission, scope: Scope) -> bool:
    """Whether this request, to an address outside the API, has a token with a scope, whose holder has a permission."""
    holder = _sent_holder()
    return holder is not None and scope in holder.scopes and permission in PERMISSIONS[holder.user.role]


def require(scope: Scope) -> None:
    """End the request if its token is invalid or lacks the scope. Without a token it continues as a visitor's."""
    holder = the_holder()
    if holder is not None and scope not in holder.scopes:
        sentence = f"The token lacks the scope {scope}. Create one that has it."
        raise Problem(403, sentence, challenge=_challenge(error="insufficient_scope", scope=scope.value))
    if holder is None and "Authorization" in request.headers:
        sentence = "The token is unknown, expired or revoked. Create a new one: gengap login"
        raise Problem(401, sentence, challenge=_challenge(error="invalid_token"))


def no_token() -> Problem:
    """Return the error for a visitor on a route that needs an account."""
    return Problem(401, "This needs a token: send the header Authorization: Bearer gengap_…", challenge=_challenge())


def _challenge(**parameters: str) -> str:
    """Return the header value that says how to authenticate (RFC 6750)."""
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in {"realm": "gengap", **parameters}.items())


def _sent_holder() -> TokenHolder | None:
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    return authenticate_token(services().db, text.strip()) if kind.lower() == "bearer" else None


def _read_token() -> None:
    if not is_api_request():
        return
    g.token_holder = holder = _sent_holder()
    user = holder.user if holder is not None else None
    login.act_as(None if user is None else login.Account(id=user.id, name=user.name, role=user.role))
