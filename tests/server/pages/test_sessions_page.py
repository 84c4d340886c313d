"""The page of sessions: what it lists, and that an ended session is over at once."""

import re
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
from werkzeug.test import TestResponse

from server.presentation.browser_names import browser_name
from submissions.people.sessions import IDLE, NOTED_EVERY
from submissions.storage.records import SessionRecord, utc_now
from tests.records import PASSWORD
from tests.server.site import Browser, Site

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Safari/537.36 Edg/126.0.0.0"
)
CHROME = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        (EDGE, "Edge on Windows"),
        (CHROME, "Chrome on Android"),
        ("python-httpx/0.28", "a Python program"),
        ("something (Windows)", "A browser on Windows"),
        ("", "An unknown browser"),
    ],
)
def test_a_browser_is_called_what_people_call_it(said: str, read: str) -> None:
    assert browser_name(said) == read


def _in(site: Site, user_agent: str) -> Browser:
    browser = site.browser()
    browser.client.environ_base["HTTP_USER_AGENT"] = user_agent
    return browser.log_in("ann")


def _ends(browser: Browser) -> list[str]:
    """The addresses that end a session, in the page's order."""
    return re.findall(r'action="(/account/sessions/\d+/end)"', browser.get("/account/sessions").text)


def _is_logged_in(browser: Browser) -> bool:
    return browser.get("/my/submissions").status_code == 200


def test_the_page_lists_every_browser_and_marks_this_one(site: Site) -> None:
    phone, laptop = _in(site, IPHONE), _in(site, FIREFOX)
    for browser, name in ((phone, "Safari on iPhone"), (laptop, "Firefox on Linux")):
        page = browser.get("/account/sessions").text
        assert "Safari on iPhone" in page
        assert "Firefox on Linux" in page
        assert page.count("this browser") == 1
        assert re.search(rf"{name} <span[^>]*>this browser", page)


def test_ending_a_session_logs_that_browser_out(site: Site) -> None:
    phone, laptop = _in(site, IPHONE), _in(site, FIREFOX)
    other = _ends(laptop)[1]
    assert laptop.post(other).location == "/account/sessions"
    assert not _is_logged_in(phone)
    assert _is_logged_in(laptop)
    assert laptop.post(other).status_code == 404


def test_ending_this_session_is_logging_out(site: Site) -> None:
    laptop = _in(site, FIREFOX)
    assert laptop.post(_ends(laptop)[0]).location == "/"
    assert not _is_logged_in(laptop)


def test_all_others_end_at_once_and_nobody_elses(site: Site) -> None:
    phone, laptop, bob = _in(site, IPHONE), _in(site, FIREFOX), site.browser("bob")
    laptop.post("/account/sessions/end-others")
    assert [_is_logged_in(browser) for browser in (phone, laptop, bob)] == [False, True, True]
    assert "End all others" not in laptop.get("/account/sessions").text


def test_nobody_ends_the_session_of_another(site: Site) -> None:
    ann, bob = _in(site, FIREFOX), site.browser("bob")
    assert bob.post(_ends(ann)[0]).status_code == 404
    assert _is_logged_in(ann)


def test_logging_out_takes_the_session_off_the_record(site: Site) -> None:
    phone, laptop = _in(site, IPHONE), _in(site, FIREFOX)
    phone.post("/logout")
    assert len(_ends(laptop)) == 1


def test_logging_in_again_leaves_no_session_of_this_browser_behind(site: Site) -> None:
    laptop = _in(site, FIREFOX)
    laptop.log_in("ann")
    assert len(_ends(laptop)) == 1


def _sent_cookie(answer: TestResponse) -> str:
    """The session's cookie as an answer sets it, empty if it does not."""
    return next((one for one in answer.headers.getlist("Set-Cookie") if one.startswith("gengap_session=")), "")


def test_the_cookie_lasts_as_long_as_its_session_may_be_unused(site: Site) -> None:
    browser = site.browser()
    logged_in = browser.post("/login", {"name": "ann", "password": PASSWORD}, form="/login")
    (expires,) = re.findall(r"Expires=([^;]+)", _sent_cookie(logged_in))
    assert abs(parsedate_to_datetime(expires) - utc_now() - IDLE) < timedelta(minutes=1)
    logged_out = browser.post("/logout")
    assert _sent_cookie(logged_out)
    assert "Expires" not in _sent_cookie(logged_out)  # only a message is left in it, for this visit
    assert not _is_logged_in(browser)


def test_the_cookie_is_sent_again_when_the_session_is_noted_as_seen(site: Site) -> None:
    browser = site.browser("ann")
    browser.get("/my/submissions")
    assert not _sent_cookie(browser.get("/my/submissions"))
    with site.db.write() as session:
        session.get_one(SessionRecord, site.session_of("ann")).seen_at = utc_now() - NOTED_EVERY
    assert "Expires=" in _sent_cookie(browser.get("/my/submissions"))
    assert not _sent_cookie(browser.get("/my/submissions"))


def test_no_cookie_is_sent_on_what_others_may_keep(site: Site) -> None:
    submission, browser = site.submission(site.phase(), cmi=(0.2, 0.4)), site.browser("ann")
    with site.db.write() as session:
        session.get_one(SessionRecord, site.session_of("ann")).seen_at = utc_now() - NOTED_EVERY
    badge = browser.get(f"/submissions/{submission}/badge.svg")
    assert badge.cache_control.public
    assert not _sent_cookie(badge)


def test_a_visitors_cookie_ends_with_the_browser(site: Site) -> None:
    assert "Expires" not in _sent_cookie(site.browser().get("/login"))
