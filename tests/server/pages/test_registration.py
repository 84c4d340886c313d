"""Registering, logging in and out through the pages."""

import re
from collections.abc import Callable

import pytest

from submissions.storage.records import UserRecord, utc_now
from tests.records import PASSWORD
from tests.server.site import Browser, Site

FORM = {"name": "newcomer", "email": "new@example.org", "password": PASSWORD}


def _is_logged_in(browser: Browser) -> bool:
    return browser.get("/my/submissions").status_code == 200


def test_a_newcomer_registers_and_is_logged_in(site: Site) -> None:
    browser = site.browser()
    answer = browser.post("/register", FORM, form="/register")
    assert (answer.status_code, answer.location) == (302, "/")
    home = browser.get("/").text
    assert "Welcome, newcomer." in home
    assert "Log out" in home
    assert _is_logged_in(browser)


def test_a_faulty_form_keeps_what_was_typed_but_never_the_password(site: Site) -> None:
    answer = site.browser().post(
        "/register", {"name": "x<y>", "email": "nonsense", "password": "short"}, form="/register"
    )
    assert answer.status_code == 422
    assert 'value="x&lt;y&gt;"' in answer.text
    assert "Enter an email address" in answer.text
    assert "at least 8 characters" in answer.text
    assert "short" not in answer.text
    assert "newcomer" not in site.users()


def test_registration_can_be_closed(make_site: Callable[..., Site]) -> None:
    site = make_site(registration_open=False)
    browser = site.browser()
    assert "Registration is closed" in browser.get("/register").text
    assert browser.post("/register", FORM, form="/login").status_code == 403
    assert "newcomer" not in site.users()


def test_a_wrong_password_says_nothing_about_which_was_wrong(site: Site) -> None:
    known = site.browser().post("/login", {"name": "ann", "password": "wrong"}, form="/login")
    unknown = site.browser().post("/login", {"name": "nobody", "password": "wrong"}, form="/login")
    sentence = "The name or the password is wrong."
    assert known.status_code == unknown.status_code == 422
    assert sentence in known.text
    assert sentence in unknown.text


def test_logging_out_ends_the_session(site: Site) -> None:
    browser = site.browser("ann")
    assert _is_logged_in(browser)
    assert browser.post("/logout").status_code == 302
    assert not _is_logged_in(browser)


def test_logging_in_starts_a_new_session(site: Site) -> None:
    browser = site.browser()
    before = browser.token("/login")
    with browser.client.session_transaction() as session:
        session["planted"] = "by someone else"
    browser.log_in("ann")
    with browser.client.session_transaction() as session:
        assert "planted" not in session
    assert browser.client.post("/logout", data={"csrf_token": before}).status_code == 400


def test_a_forged_cookie_is_nobody(site: Site) -> None:
    browser = site.browser()
    for value in ("", "1:", "x", ".eJwlzj0"):
        browser.client.set_cookie("gengap_session", value)
        assert not _is_logged_in(browser)


def test_after_logging_in_one_is_where_one_wanted_to_go(site: Site) -> None:
    site.phase()
    browser = site.browser()
    wanted = "/competitions/demo/main/submit"
    login = browser.get(wanted).location
    assert login == "/login?next=" + wanted
    assert f'name="next" value="{wanted}"' in browser.get(login).text
    form = {"name": "ann", "password": PASSWORD, "next": wanted}
    assert browser.post("/login", form, form=login).location == wanted


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/a\\..\\b",
        "",
    ],
)
def test_next_leads_to_no_other_site(site: Site, target: str) -> None:
    form = {"name": "ann", "password": PASSWORD, "next": target}
    assert site.browser().post("/login", form, form="/login").location == "/"


@pytest.mark.parametrize(("https_only", "flags"), [(False, set()), (True, {"Secure"})])
def test_the_session_cookie_is_kept_from_scripts_and_other_sites(
    make_site: Callable[..., Site], https_only: bool, flags: set[str]
) -> None:
    answer = make_site(https_only=https_only).browser().get("/login")
    parts = {part.strip() for part in answer.headers["Set-Cookie"].split(";")}
    assert {"HttpOnly", "SameSite=Lax"} | flags <= parts
    assert ("Secure" in parts) == https_only


@pytest.mark.parametrize(("path", "typed"), [("/register", FORM), ("/reset", {})])
def test_a_page_says_the_same_of_an_address_that_has_an_account(site: Site, path: str, typed: dict[str, str]) -> None:
    with site.db.write() as session:
        session.get_one(UserRecord, site.ann).email_verified_at = utc_now()
    seen = []
    for name, address in (("newa", "ann@example.org"), ("newb", "new@example.org")):
        browser = site.browser()
        answer = browser.post(path, typed | ({"name": name} if typed else {}) | {"email": address}, form=path)
        shown = browser.get(answer.location).text + browser.get("/account").text
        for changing in (r'(value|nonce)="[^"]{20,}"', r"<time.*?</time>", name, address):
            shown = re.sub(changing, "", shown)
        seen.append((answer.status_code, answer.location, *shown.splitlines()))
    assert seen[0] == seen[1]
