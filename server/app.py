"""The web application: one factory that puts the parts together. Called by `gengap serve` and tests.

gunicorn takes it as `server.app:create_app()`. Nothing here or below imports torch.
"""

from flask import Flask
from flask_wtf.csrf import CSRFProtect
from werkzeug.routing import BaseConverter

from server import access, auth, headers
from server.config import EXTENSION, flask_config, make_services
from server.pages import (
    accounts,
    competitions,
    errors,
    formats,
    health,
    home,
    leaderboard,
    organizer,
    phases,
    static,
    submissions,
    submit,
    zoo_formats,
    zoo_page,
    zoo_uploads,
    zoos,
)
from submissions.settings import Settings

PAGES = (
    *(accounts, competitions, health, home, leaderboard, organizer, phases, static, submissions, submit),
    *(zoo_page, zoo_uploads, zoos),
)


class TokenConverter(BaseConverter):
    """Secrets in URLs, as `secrets.token_urlsafe` makes them."""

    regex = r"[A-Za-z0-9_-]{20,64}"


class SlugConverter(BaseConverter):
    """Names in URLs: nothing that a database could stumble over reaches it."""

    regex = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"


def create_app(settings: Settings | None = None) -> Flask:
    """The application over `settings` (default: from GENGAP_*), whose database has the newest schema already."""
    settings = settings or Settings()
    app = Flask("server", static_folder=None)
    app.config.from_mapping(flask_config(settings))
    app.extensions[EXTENSION] = make_services(settings)
    app.url_map.converters |= {"slug": SlugConverter, "token": TokenConverter}
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    headers.init_app(app)
    auth.init_app(app)
    access.init_app(app)  # before CSRF: whoever may not post gets no further, whatever the token
    zoo_uploads.init_app(app)
    CSRFProtect(app)
    formats.init_app(app)
    zoo_formats.init_app(app)
    errors.init_app(app)
    for page in PAGES:
        app.register_blueprint(page.pages)
    return app
