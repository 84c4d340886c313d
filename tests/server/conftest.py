"""Sites for tests of the web application."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from tests.server.site import Site


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes the test's site, with settings of its own."""
    sites: list[Site] = []

    def make(**settings: Any) -> Site:
        sites.append(Site(tmp_path / f"site{len(sites)}", **settings))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.fixture
def site(make_site: Callable[..., Site], request: pytest.FixtureRequest) -> Site:
    """The test's site. With the mark `changes_app` its application is new, and its routes and settings may change."""
    return make_site(changes_app=request.node.get_closest_marker("changes_app") is not None)


@pytest.fixture
def serve() -> Iterator[Callable[[Site], str]]:
    """Lets a site answer on a free port; its address."""
    servers = []

    def begin(site: Site) -> str:
        server = make_server("127.0.0.1", 0, site.app, threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.port}"

    yield begin
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()
