"""Applications for the sites of tests: one that a test has finished with serves the next site of the same settings.

Making one takes 0.1 s, nearly all of it for its 180 routes. Only services and configuration are a site's own.
"""

from collections import defaultdict
from weakref import WeakKeyDictionary

from flask import Flask

from server.app import create_app
from server.config import EXTENSION, flask_config, make_services
from server.http.page_cache import KeptPages
from server.pages.competition.leaderboard import MOST_KEPT
from submissions.settings import Settings

_PLACES = {"home", "cache", "data_folder", "zoo_cache", "database_url"}  # of these only services and configuration know
_free: defaultdict[str, list[Flask]] = defaultdict(list)
_state: WeakKeyDictionary[Flask, object] = WeakKeyDictionary()


def take(settings: Settings) -> Flask:
    """An application for these settings, which nothing of an earlier site is left in."""
    free = _free[_kind(settings)]
    if not free:
        app = create_app(settings)
        _state[app] = _state_of(app)
        return app
    app = free.pop()
    app.config.from_mapping(flask_config(settings))
    app.extensions[EXTENSION] = make_services(settings)
    return app


def give_back(app: Flask, settings: Settings) -> None:
    """Clean up the application of a site that has ended. A test may not have changed it."""
    assert _state_of(app) == _state[app], "the test changed its application: mark it with `changes_app`"
    if settings.broker_url.startswith("redis"):
        return  # requests are counted there
    for name, extension in app.extensions.items():
        if isinstance(extension, KeptPages):
            app.extensions[name] = KeptPages(MOST_KEPT)
    (limiter,) = app.extensions["limiter"]
    limiter.reset()
    _free[_kind(settings)].append(app)


def _state_of(app: Flask) -> object:
    """Its routes, hooks and configuration, but for what is a site's own."""
    configuration = {name: value for name, value in app.config.items() if name != "SECRET_KEY"}
    hooks = {name: [*map(id, functions)] for name, functions in app.before_request_funcs.items()}
    return len([*app.url_map.iter_rules()]), hooks, configuration


def _kind(settings: Settings) -> str:
    return settings.model_dump_json(exclude=_PLACES)
