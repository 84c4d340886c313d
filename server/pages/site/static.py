"""Style sheets, scripts, fonts and pictures under /static, each URL carrying its content's digest."""

import hashlib
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, Response, request, send_from_directory, url_for

from server.auth.access import Who, allow

FOLDER = Path(__file__).parents[2] / "static"
_FOREVER = "public, max-age=31536000, immutable"
_A_DAY = "public, max-age=86400"

pages = Blueprint("static", __name__)


@pages.get("/static/<file:name>")
@allow(Who.VISITOR)
def file(name: str) -> Response:
    response = send_from_directory(FOLDER, name)
    response.headers["Cache-Control"] = _FOREVER if request.args.get("v") == _digest(name) else _A_DAY
    return response


@pages.app_template_global()
def asset(name: str) -> str:
    """The URL of a file in the static folder; it changes when the file does."""
    return url_for("static.file", name=name, v=_digest(name))


@lru_cache(maxsize=64)
def _digest(name: str) -> str:
    return hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:12]
