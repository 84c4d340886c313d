"""Compression of responses with gzip, for clients that accept it. Called by `server.app`; static files have their own.

A length tells something of what is compressed: text of an attacker's choice beside a secret makes the page shorter
where they agree (BREACH). So each compressed response has a random length besides, and the secret of forms is never
twice the same (`server.http.csrf`). docs/decisions/0017 says what is left.
"""

import gzip
import io
import secrets

from flask import Flask, Response, request

TYPES = frozenset(
    {
        "text/html",
        "text/css",
        "text/csv",
        "text/plain",
        "text/javascript",
        "application/javascript",  # its name in older lists of types
        "application/json",
        "application/problem+json",
        "image/svg+xml",
    }
)
FEWEST_BYTES, MOST_BYTES = 500, 4 * 2**20  # fewer are one packet anyway; more would hold up a thread of few
PADDING_BYTES = 100
_LEVEL = 5


def init_app(app: Flask) -> None:
    app.after_request(_compress)


def accepts_gzip() -> bool:
    return request.accept_encodings["gzip"] > 0


def _compress(response: Response) -> Response:
    if response.mimetype not in TYPES:
        return response
    response.vary.add("Accept-Encoding")
    if not accepts_gzip() or "Content-Encoding" in response.headers:
        return response
    if response.status_code == 304:
        _weaken(response)
    elif not response.is_streamed and FEWEST_BYTES <= (response.content_length or 0) <= MOST_BYTES:
        response.set_data(_padded(response.get_data()))
        response.headers["Content-Encoding"] = "gzip"
        _weaken(response)
    return response


def _padded(content: bytes) -> bytes:
    """Return the content as gzip, with up to `PADDING_BYTES` more: the name of a file, which nobody reads."""
    packed = io.BytesIO()
    name = "a" * secrets.randbelow(PADDING_BYTES + 1)
    with gzip.GzipFile(filename=name, mode="wb", compresslevel=_LEVEL, fileobj=packed, mtime=0) as file:
        file.write(content)
    return packed.getvalue()


def _weaken(response: Response) -> None:
    """Mark the ETag as one of the content, not of these bytes."""
    tag, _ = response.get_etag()
    if tag is not None:
        response.set_etag(tag, weak=True)
