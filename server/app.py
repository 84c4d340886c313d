"""The web application: a factory that assembles its parts. Called by `gengap serve` and tests.

Nothing here or below imports torch.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from flask import Blueprint, Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from server import api, pages
from server.api import document
from server.api.routes import Routes
from server.auth import access, bearer, login
from server.auth.parameters import KINDS
from server.config import EXTENSION, flask_config, make_services
from server.http import compression, headers, idempotency, public_urls, rates
from server.http.csrf import MaskedCSRF
from server.pages.site import errors
from server.presentation import formats, known_measures, zoo_formats
from submissions.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Return the application for `settings` (default: from GENGAP_*). The database must have the newest schema."""
    settings = settings or Settings()
    app = document.documented_app("server")
    app.config.from_mapping(flask_config(settings))
    app.extensions[EXTENSION] = make_services(settings)
    app.url_map.converters |= {name: kind.converter for name, kind in KINDS.items()}
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    if settings.proxies:
        trusted = {f"x_{name}": settings.proxies for name in ("for", "proto", "host")}
        app.wsgi_app = ProxyFix(app.wsgi_app, **trusted)  # type: ignore[method-assign]
    compression.init_app(app)  # first: it is then the last to see a response
    public_urls.init_app(app)
    headers.init_app(app)
    bearer.init_app(app)  # before code that needs the account
    login.init_app(app)
    rates.init_app(app, settings)
    access.init_app(app)  # before CSRF: access is checked first, whatever the token
    modules = [*_modules(pages), *_modules(api)]
    for module in modules:
        if isinstance(blueprint := getattr(module, "pages", None), Blueprint):
            app.register_blueprint(blueprint)
    csrf = MaskedCSRF(app)
    idempotency.init_app(app)
    formats.init_app(app)
    zoo_formats.init_app(app)
    known_measures.init_app(app)
    errors.init_app(app)
    parts = [routes for module in modules if isinstance(routes := getattr(module, "routes", None), Routes)]
    for part in sorted(parts, key=lambda part: part.place):
        part.register(app)
        csrf.exempt(part.blueprint)  # no cookie counts there
    access.check_routes(app)
    return app


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    """Import every module of a package, by name. Those with `pages` or `routes` are registered."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)
