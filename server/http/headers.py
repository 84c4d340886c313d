"""HTTP headers of every response: security policy, caching, ETags. Called by `server.app` and pages."""

import hashlib
from collections.abc import Callable

from flask import Flask, Response, make_response, request, session
from flask_wtf.csrf import generate_csrf

from server.auth.login import current_account
from server.config import services

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_ON_EVERY_ANSWER = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def init_app(app: Flask) -> None:
    app.after_request(_add_headers)


def conditional(render: Callable[[], str | Response], *parts: object) -> Response:
    """Return the page that `render` makes, or a 304 if this browser has it already.

    parts: everything that the page depends on; each must have an informative repr. The account and the session's CSRF
    token are added, so that a browser never shows a form of an ended session. A page with a flashed message is not
    cached.
    """
    if session.get("_flashes"):
        return make_response(render())
    account = current_account()
    if account is not None:
        generate_csrf()  # their page has forms: the session's token must be there before it is counted
    etag = hashlib.sha256(repr(((account, session.get("csrf_token")), parts)).encode()).hexdigest()[:32]
    known = request.if_none_match.contains_weak(etag)
    response = make_response("", 304) if known else make_response(render())
    response.set_etag(etag)
    response.headers["Cache-Control"] = "private, no-cache"  # the browser keeps it, and asks each time
    return response


def _add_headers(response: Response) -> Response:
    response.headers.update(_ON_EVERY_ANSWER)
    if services().settings.https_only:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    response.headers.setdefault("Cache-Control", "private, no-store")
    return response
