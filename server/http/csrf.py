"""Protection of forms against requests from other sites: Flask-WTF's, with a token that looks different on every page.

Its own token repeats the session's secret. In compressed pages a secret that stays the same could be guessed from the
lengths of many pages (BREACH), so each page has it XORed with random bytes, which stand beside it.
"""

import base64
import binascii
import secrets
from typing import cast

from flask import Flask
from flask_wtf.csrf import CSRFProtect, generate_csrf


class MaskedCSRF(CSRFProtect):  # type: ignore[misc]
    """`csrf_token()` in templates gives a masked token; a request is accepted with any mask."""

    def init_app(self, app: Flask) -> None:
        super().init_app(app)
        app.jinja_env.globals["csrf_token"] = masked_token
        app.context_processor(lambda: {"csrf_token": masked_token})  # replaces Flask-WTF's, in its place

    def _get_csrf_token(self) -> str | None:
        token = super()._get_csrf_token()
        return None if token is None else unmasked(token)


def masked_token() -> str:
    """Return the session's token for one form."""
    token = cast(str, generate_csrf()).encode()
    mask = secrets.token_bytes(len(token))
    return base64.urlsafe_b64encode(mask + _xor(token, mask)).decode()


def unmasked(token: str) -> str:
    """Return the token behind a masked one; what is none becomes one that is refused."""
    try:
        both = base64.b64decode(token, altchars=b"-_", validate=True)
        return _xor(both[: len(both) // 2], both[len(both) // 2 :]).decode("ascii")
    except (binascii.Error, ValueError):
        return ""


def _xor(first: bytes, second: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(first, second, strict=False))
