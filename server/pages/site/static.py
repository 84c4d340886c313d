"""Style sheets, scripts, fonts and pictures under /static, each URL carrying its content's digest.

What compresses is compressed once and kept in memory. Style sheets name fonts by such URLs, too.
"""

import gzip
import hashlib
import mimetypes
import re
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, Response, abort, request, url_for
from werkzeug.security import safe_join

from server.auth.access import Who, allow
from server.http.compression import TYPES, accepts_gzip

FOLDER = Path(__file__).parents[2] / "static"
_FOREVER = "public, max-age=31536000, immutable"
_A_DAY = "public, max-age=86400"
_FONT = re.compile(r'url\("(vendor/[^"]+\.woff2)"\)')

pages = Blueprint("static", __name__)


@pages.get("/static/<file:name>")
@allow(Who.VISITOR)
def file(name: str) -> Response:
    found = safe_join(str(FOLDER), name)
    if found is None or not Path(found).is_file():
        abort(404)
    content, digest, media_type = _content(name), _digest(name), mimetypes.guess_type(name)[0]
    packed = _packed(name) if media_type in TYPES and accepts_gzip() else None
    response = Response(content if packed is None else packed, mimetype=media_type or "application/octet-stream")
    if packed is not None:
        response.headers["Content-Encoding"] = "gzip"
    response.set_etag(digest, weak=True)
    response.headers["Cache-Control"] = _FOREVER if request.args.get("v") == digest else _A_DAY
    response.make_conditional(request)
    return response


@pages.app_template_global()
def asset(name: str) -> str:
    """The URL of a file in the static folder; it changes when the file does."""
    return url_for("static.file", name=name, v=_digest(name))


@lru_cache(maxsize=64)
def _content(name: str) -> bytes:
    content = (FOLDER / name).read_bytes()
    if not name.endswith(".css"):
        return content
    return _FONT.sub(lambda font: f'url("{font[1]}?v={_digest(font[1])}")', content.decode()).encode()


@lru_cache(maxsize=64)
def _packed(name: str) -> bytes:
    return gzip.compress(_content(name), compresslevel=9, mtime=0)


@lru_cache(maxsize=64)
def _digest(name: str) -> str:
    return hashlib.sha256(_content(name)).hexdigest()[:12]
