"""Browsers that are known for an account, by a signed cookie: somebody has logged in there, or used a link in a mail.

Wrong passwords that others try for the account do not keep its owner out of such a browser: `server.http.guesses`
counts it by itself. The cookie opens nothing. It holds a random number, and digests of the names that were used.
"""

import hashlib
import secrets
from datetime import timedelta

from flask import Response, after_this_request, current_app, request
from itsdangerous import BadData, URLSafeSerializer

from submissions.storage.name_keys import name_key
from submissions.storage.site_records import UserRecord

COOKIE = "gengap_device"
KEPT = timedelta(days=365)
_MOST_NAMES = 10  # of a computer that several people use


def remember_device(user: UserRecord) -> None:
    """Let this browser be known for an account: for its name, and its address if that is verified.

    Anybody may give another's address for an account of their own.
    """
    device, known = _read()
    names = [user.name, user.email if user.email_verified_at is not None else None]
    new = [_digest(name) for name in names if name is not None]
    text = _serializer().dumps([device, [*new, *(one for one in known if one not in new)][:_MOST_NAMES]])

    @after_this_request
    def send(response: Response) -> Response:
        response.set_cookie(
            COOKIE,
            text,
            max_age=KEPT,
            secure=current_app.config["SESSION_COOKIE_SECURE"],
            httponly=True,
            samesite="Lax",
        )
        return response


def device_known_for(name: str) -> str | None:
    """Return the number of this browser if it is known for the account that this name means; else None."""
    device, known = _read()
    return device if _digest(name) in known else None


def _read() -> tuple[str, list[str]]:
    try:
        device, known = _serializer().loads(request.cookies.get(COOKIE, ""))
    except (BadData, ValueError, TypeError):
        return secrets.token_hex(16), []
    return device, known


def _digest(name: str) -> str:
    return hashlib.sha256(name_key(name).encode()).hexdigest()[:16]


def _serializer() -> URLSafeSerializer:
    signing = {"digest_method": hashlib.sha256}
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt=COOKIE, signer_kwargs=signing)
