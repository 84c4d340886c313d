"""Sites for tests of the web application."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.site import Site


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes the test's site, with settings of its own."""
    sites: list[Site] = []

    def make(**settings: object) -> Site:
        sites.append(Site(tmp_path / f"site{len(sites)}", **settings))
        return sites[-1]

    yield make
    for site in sites:
        site.db.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()
