"""Wrong passwords for one account: limited from everywhere together, without locking its owner out."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from submissions.people.tokens import Scope
from submissions.storage.records import MailRecord
from tests.records import PASSWORD
from tests.server.api.clients import script
from tests.server.site import Browser, Site

MakeSite = Callable[..., Site]
TIGHT = {"rate_guessing": "2/hour", "rate_guessing_anywhere": "4/hour", "proxies": 1}
WRONG, TOO_MANY = 422, 429


def _try(browser: Browser, address: str, name: str = "ann", password: str = "wrong") -> int:
    data = {"csrf_token": browser.token("/login"), "name": name, "password": password}
    return browser.client.post("/login", data=data, headers={"X-Forwarded-For": address}).status_code


def test_from_one_network_few_wrong_passwords_are_accepted_for_an_account(make_site: MakeSite) -> None:
    site = make_site(**TIGHT)
    stranger = site.browser()
    addresses = ("192.0.2.1", "192.0.2.77", "192.0.2.3")
    assert [_try(stranger, address) for address in addresses] == [WRONG, WRONG, TOO_MANY]
    assert _try(stranger, "192.0.2.3", "ann", PASSWORD) == TOO_MANY
    assert _try(stranger, "192.0.2.3", "bob") == WRONG
    assert _try(stranger, "198.51.100.1") == WRONG
    assert _try(stranger, "2001:db8:1::1") == WRONG


def test_from_all_networks_together_not_many_are_on_pages_and_in_the_api(make_site: MakeSite) -> None:
    site = make_site(**TIGHT)
    stranger, client = site.browser(), script(site)
    assert [_try(stranger, f"192.0.{number}.1") for number in range(3)] == [WRONG] * 3
    log_in = {"user": "ANN", "password": "wrong", "name": "a", "scopes": ["read"]}
    assert client.send("POST", "/log-in", log_in, headers={"X-Forwarded-For": "203.0.113.1"}).status_code == 401
    assert client.send("POST", "/log-in", log_in, headers={"X-Forwarded-For": "203.0.114.1"}).status_code == TOO_MANY
    assert _try(stranger, "203.0.115.1") == TOO_MANY


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_an_account_that_does_not_exist_is_counted_alike(make_site: MakeSite, name: str) -> None:
    stranger = make_site(**TIGHT).browser()
    assert [_try(stranger, "192.0.2.1", name) for _ in range(3)] == [WRONG, WRONG, TOO_MANY]


def test_right_passwords_do_not_count(make_site: MakeSite) -> None:
    site = make_site(**TIGHT)
    assert [_try(site.browser(), "192.0.2.1", "ann", PASSWORD) for _ in range(6)] == [302] * 6


def test_strangers_do_not_keep_the_owner_from_a_browser_where_they_have_logged_in(make_site: MakeSite) -> None:
    site = make_site(**TIGHT)
    own, stranger = site.browser("ann"), site.browser()
    own.post("/logout")
    assert [_try(stranger, f"192.0.{number}.1") for number in range(5)] == [WRONG] * 4 + [TOO_MANY]
    assert _try(site.browser(), "203.0.113.1", "ann", PASSWORD) == TOO_MANY
    assert _try(own, "192.0.0.1", "ann", PASSWORD) == 302
    own.post("/logout")
    assert [_try(own, "192.0.0.1") for _ in range(3)] == [WRONG, WRONG, TOO_MANY]  # it is a place as any other


def test_a_cookie_made_up_or_of_another_account_helps_nobody(make_site: MakeSite) -> None:
    site = make_site(**TIGHT)
    bob = site.browser("bob")
    bob.post("/logout")
    forged = site.browser()
    forged.client.set_cookie("gengap_device", "WyJhIixbImIiXV0.c2lnbmF0dXJl")
    assert [_try(bob, f"192.0.{number}.1") for number in range(2)] == [WRONG] * 2
    assert [_try(forged, f"192.0.{number}.1") for number in range(2, 5)] == [WRONG, WRONG, TOO_MANY]
    assert _try(bob, "203.0.113.1") == TOO_MANY


def test_a_browser_is_not_known_for_an_address_that_its_account_has_not_verified(make_site: MakeSite) -> None:
    site = make_site(**TIGHT)
    mallory = site.browser()
    form = {"name": "mallory", "email": "ann@example.org", "password": PASSWORD}
    assert mallory.post("/register", form, form="/register").status_code == 302
    mallory.post("/logout")
    tries = [_try(mallory, f"192.0.{number}.1", "ann@example.org") for number in range(5)]
    assert tries == [WRONG] * 4 + [TOO_MANY]


def test_a_link_in_a_mail_makes_the_browser_known(make_site: MakeSite) -> None:
    site = make_site(**TIGHT)
    stranger, own = site.browser(), site.browser()
    assert [_try(stranger, f"192.0.{number}.1") for number in range(5)] == [WRONG] * 4 + [TOO_MANY]
    assert "choose a new password" in stranger.post("/login", {"name": "ann", "password": "x"}).text
    own.post("/reset", {"email": "ann@example.org"}, form="/reset")
    with site.db.read() as session:
        link = "/reset/" + session.scalars(select(MailRecord.text)).one().partition("/reset/")[2].split()[0]
    assert own.post(link, {"password": "another long password"}, form=link).status_code == 302
    assert _try(own, "203.0.113.1", "ann", "another long password") == 302


def test_an_open_session_is_a_place_too(make_site: MakeSite) -> None:
    site = make_site(**TIGHT)
    ann = script(site, "ann", {Scope.ACCOUNT})
    change = {"current": "wrong", "password": "another long password"}
    answers = [ann.put("/account/password", change).status_code for _ in range(3)]
    assert answers == [WRONG, WRONG, TOO_MANY]
    assert ann.post("/account/deletion", {"password": "wrong"}).status_code == TOO_MANY
    assert _try(site.browser(), "203.0.113.1", "ann", PASSWORD) == 302


def test_a_lecture_hall_behind_one_address_registers_and_logs_in(make_site: MakeSite) -> None:
    """200 people in an hour, of whom every tenth mistypes something, by the rates as they are set."""
    settings = make_site().settings
    for rate, needed in ((settings.rate_registering, 220), (settings.rate_log_in, 220), (settings.rate_mail, 200)):
        by_unit = dict(part.strip().split("/")[::-1] for part in rate.split(";"))
        assert int(by_unit["hour"]) >= needed
