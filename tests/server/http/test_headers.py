"""Headers of every kind of answer: what it may load, who may keep it, and ETags per reader."""

from collections.abc import Callable

import pytest

from server.http.headers import CONTENT_SECURITY_POLICY
from tests.server.site import Site

BOARD = "/competitions/demo/main/leaderboard"


@pytest.fixture
def running(site: Site) -> int:
    """A submission of ann's that has some values."""
    return site.submission(site.phase(), site.ann, done=3)


@pytest.mark.parametrize("path", ["/", "/login", BOARD, "/healthz", "/nothing", "/static/app.css", "/my/submissions"])
def test_every_answer_carries_the_security_headers(site: Site, running: int, path: str) -> None:
    headers = site.browser().get(path).headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Strict-Transport-Security" not in headers


def test_the_policy_allows_no_inline_code_and_no_other_host() -> None:
    directives = dict(part.strip().split(" ", 1) for part in CONTENT_SECURITY_POLICY.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    allowed = {source for sources in directives.values() for source in sources.split()}
    assert allowed == {"'none'", "'self'", "data:"}
    assert directives["script-src"] == "'self'"


def test_behind_tls_browsers_are_told_to_stay_there(make_site: Callable[..., Site]) -> None:
    assert "max-age=" in make_site(https_only=True).browser().get("/").headers["Strict-Transport-Security"]


def test_pages_are_kept_by_nobody_and_polled_ones_asked_for_again(site: Site, running: int) -> None:
    ann = site.browser("ann")
    for path in ("/", "/my/submissions", f"/submissions/{running}", "/login", "/nothing"):
        assert ann.get(path).headers["Cache-Control"] == "private, no-store"
    for path in (BOARD, f"/submissions/{running}/status"):
        assert ann.get(path).headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("name", [None, "bob"])
def test_an_unchanged_page_is_a_304_until_something_changes(site: Site, running: int, name: str | None) -> None:
    browser = site.browser(name)
    for path in (BOARD, f"/submissions/{running}/status"):
        first = browser.get(path)
        again = browser.get(path, If_None_Match=first.headers["ETag"])
        assert (first.status_code, again.status_code, again.data) == (200, 304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        site.submission(1, site.bob, cmi=(0.1, 0.2))
        site.add_values(running, done=1)
        assert browser.get(path, If_None_Match=first.headers["ETag"]).status_code == 200


def test_two_peoples_pages_never_mix(site: Site, running: int) -> None:
    people = [site.browser(), site.browser("ann"), site.browser("bob"), site.browser("ann")]
    for path in (BOARD, f"/submissions/{running}/status"):
        tags = [person.get(path).headers["ETag"] for person in people]
        assert len(set(tags)) == len(tags)
        for person in people:
            assert "Cookie" in person.get(path).headers["Vary"]


def test_a_passing_message_is_not_kept(site: Site, running: int) -> None:
    ann = site.browser("ann")
    ann.post(f"/submissions/{running}/cancel")
    shown = ann.get(BOARD)
    assert "Cancelled." in shown.text
    assert "ETag" not in shown.headers
    assert "Cancelled." not in ann.get(BOARD).text


def test_a_visitor_reading_the_board_gets_no_cookie(site: Site, running: int) -> None:
    assert "Set-Cookie" not in site.browser().get(BOARD).headers


def test_static_files_are_kept_for_good_under_their_digest(site: Site) -> None:
    browser = site.browser()
    linked = browser.get("/").text.split('rel="stylesheet" href="')[1].split('"')[0]
    assert "immutable" in browser.get(linked).headers["Cache-Control"]
    assert "immutable" not in browser.get("/static/app.css?v=0").headers["Cache-Control"]
