"""The web application: one factory that puts the parts together. Called by `gengap serve` and tests.

gunicorn takes it as `server.app:create_app()`. Nothing here or below imports torch.
"""

from flask import Flask
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter

from server import api
from server.api import document
from server.auth import access, bearer, login
from server.config import EXTENSION, flask_config, make_services
from server.http import headers, public_urls, rates
from server.pages.account import (
    account,
    mailed_links,
    my_submissions,
    notifications,
    registration,
    sessions,
    teams,
    tokens,
)
from server.pages.competition import board_exports, competition, leaderboard, starting_kit
from server.pages.organizer import edit_competition, phases, workers, zoo, zoo_uploads, zoos
from server.pages.site import documentation, errors, health, home, static
from server.pages.submission import code, compare, moderation, result, submission, submit
from server.presentation import formats, zoo_formats
from submissions.settings import Settings

PAGES = (
    *(account, mailed_links, notifications, teams, tokens),
    *(board_exports, moderation),
    *(code, my_submissions),
    *(compare, edit_competition, document, documentation, starting_kit, result),
    *(registration, competition, health, home, leaderboard, workers, phases, sessions, static, submission, submit),
    *(zoo, zoo_uploads, zoos),
)


class TokenConverter(BaseConverter):
    """Secrets in URLs, as `secrets.token_urlsafe` makes them."""

    regex = r"[A-Za-z0-9_-]{20,64}"


class SlugConverter(BaseConverter):
    """Names in URLs: nothing that a database could stumble over reaches it."""

    regex = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"


class IdConverter(BaseConverter):
    """Numbers of records in URLs, bounded so that a database takes each of them."""

    regex = r"[1-9][0-9]{0,8}"

    def to_python(self, value: str) -> int:
        return int(value)


def create_app(settings: Settings | None = None) -> Flask:
    """The application over `settings` (default: from GENGAP_*), whose database has the newest schema already."""
    settings = settings or Settings()
    app = document.documented_app("server")
    app.config.from_mapping(flask_config(settings))
    app.extensions[EXTENSION] = make_services(settings)
    app.url_map.converters |= {"slug": SlugConverter, "token": TokenConverter, "id": IdConverter}
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    if settings.proxies:
        trusted = {f"x_{name}": settings.proxies for name in ("for", "proto", "host")}
        app.wsgi_app = ProxyFix(app.wsgi_app, **trusted)  # type: ignore[method-assign]
    public_urls.init_app(app)
    headers.init_app(app)
    bearer.init_app(app)  # before whatever asks who is there
    login.init_app(app)
    rates.init_app(app, settings)
    access.init_app(app)  # before CSRF: whoever may not post gets no further, whatever the token
    zoo_uploads.init_app(app)
    csrf = CSRFProtect(app)
    formats.init_app(app)
    zoo_formats.init_app(app)
    errors.init_app(app)
    for page in PAGES:
        app.register_blueprint(page.pages)
    for part in api.PARTS:
        csrf.exempt(part.routes.blueprint)  # no cookie counts there
    api.init_app(app)
    return app
