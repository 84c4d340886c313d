"""Help: the project's documentation, readable on the site itself, with its pictures."""

from functools import lru_cache

from flask import Blueprint, Response, abort, current_app, render_template, send_from_directory, url_for

from server.auth.access import Who, allow
from server.http.headers import conditional
from server.presentation.help_pages import FOLDER, HelpPage, help_images, help_index, help_names, render

_A_DAY = "public, max-age=86400"
INDEX = "index"

pages = Blueprint("help", __name__)


@pages.get("/help/")
@allow(Who.VISITOR)
def index() -> Response:
    return _shown(INDEX)


@pages.get("/help/<file:help_name>")
@allow(Who.VISITOR)
def page(help_name: str) -> Response:
    return _shown(help_name)


@pages.get("/help/images/<picture:file_name>")
@allow(Who.VISITOR)
def image(file_name: str) -> Response:
    if file_name not in help_images():
        abort(404)
    response = send_from_directory(FOLDER / "images", file_name)
    response.headers["Cache-Control"] = _A_DAY
    return response


@pages.app_template_global()
def help_url(name: str, anchor: str = "") -> str:
    """The address of a help page, for templates."""
    target = url_for("help.index") if name == INDEX else url_for("help.page", help_name=name)
    return f"{target}#{anchor}" if anchor else target


def _shown(name: str) -> Response:
    if name not in help_names():
        abort(404)
    shown = _rendered(name, current_app.config["APPLICATION_ROOT"])
    return conditional(lambda: render_template("help.html", page=shown, index=help_index()), shown)


@lru_cache(maxsize=128)
def _rendered(name: str, _root: str) -> HelpPage:
    """_root: under which path the site is mounted, since the links carry it."""
    return render(name, help_url, lambda file: url_for("help.image", file_name=file))
