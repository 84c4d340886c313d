"""Whole addresses of pages: by the setting where there is one, and never one reader's idea of it in another's page."""

import io
import zipfile
from collections.abc import Callable

import pytest

from tests.server.site import Browser, Site

BOARD = "/competitions/demo/main/leaderboard"
PUBLIC = "https://gengap.example"


def _kit_readme(browser: Browser) -> str:
    with zipfile.ZipFile(io.BytesIO(browser.get("/competitions/demo/kit.zip").data)) as kit:
        return kit.read("gengap-demo/README.md").decode()


@pytest.mark.parametrize(("settings", "address"), [({"public_url": f"{PUBLIC}/"}, PUBLIC), ({}, "http://localhost")])
def test_whole_addresses_follow_the_setting_and_without_it_the_request(
    make_site: Callable[..., Site], settings: dict[str, str], address: str
) -> None:
    site = make_site(**settings)
    submission = site.submission(site.phase(), site.ann, cmi=(0.1, 0.2))
    key = site.team("gaps", site.bob)
    ann, bob = site.browser("ann"), site.browser("bob")
    assert f'<link rel="canonical" href="{address}{BOARD}">' in ann.get(BOARD).text
    assert f"\\url{{{address}{BOARD}}}" in ann.get(f"{BOARD}.bib").text
    assert f'src="{address}/submissions/{submission}/badge.svg"' in ann.get(f"/submissions/{submission}").text
    assert f'value="{address}/invitations/{key}"' in bob.get("/competitions/demo/team").text
    kits = address if settings else "http://127.0.0.1:8000"  # made once, for every reader
    assert f"{kits}/competitions/demo" in _kit_readme(ann)


def test_a_name_that_one_visitor_calls_the_site_by_reaches_no_other(site: Site) -> None:
    site.submission(site.phase(), site.ann, cmi=(0.1, 0.2))
    liar, visitor = site.browser(), site.browser()
    forged = liar.get(BOARD, Host="liar.example")
    assert "http://liar.example" in forged.text
    honest = visitor.get(BOARD, If_None_Match=forged.headers["ETag"])
    assert honest.status_code == 200
    assert "liar.example" not in honest.text
    assert "liar.example" not in _kit_readme(visitor)


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/", "gengap.example", 200),
        ("/", "GENGAP.example:443", 200),
        ("/", "localhost:8000", 200),
        ("/", "[::1]:8000", 200),
        ("/", "liar.example", 400),
        ("/", "gengap.example.liar.example", 400),
        ("/", "[::1", 400),
        ("/api/v1/competitions", "liar.example", 400),
        ("/competitions/demo/kit.zip", "liar.example", 400),
        ("/healthz", "10.0.0.7", 200),
    ],
)
def test_a_site_with_an_address_refuses_other_hosts(
    make_site: Callable[..., Site], path: str, host: str, status: int
) -> None:
    assert make_site(public_url=PUBLIC).browser().get(path, Host=host).status_code == status
