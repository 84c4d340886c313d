"""An account's own pages: changing it, the links in mails, tokens, the export, deleting it."""

import io
import re
import zipfile
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from submissions.people import accounts, tokens
from submissions.storage.records import ApiTokenRecord, MailRecord, utc_now
from tests.records import PASSWORD
from tests.server.site import GOOD_MEASURE, Browser, Site

NEW = "another long password"
FORM = {"name": "newcomer", "email": "new@example.org", "password": PASSWORD}


def _links(site: Site, kind: str) -> list[str]:
    """The paths that mails of a kind lead to, the newest last."""
    with site.db.read() as session:
        texts = session.scalars(select(MailRecord.text).order_by(MailRecord.id)).all()
    return [path for text in texts for path in re.findall(rf"{{site}}(/{kind}/\S+)", text)]


def _is_logged_in(browser: Browser) -> bool:
    return browser.get("/my/submissions").status_code == 200


def test_a_newcomer_verifies_the_address_with_the_link_of_a_mail(site: Site) -> None:
    browser = site.browser()
    browser.post("/register", FORM, form="/register")
    assert "asks you to verify" in browser.get("/account").text
    (link,) = _links(site, "verify")
    for _ in range(2):  # opening it changes nothing
        assert "new@example.org" in browser.get(link).text
    assert "not verified" in browser.get("/account").text
    assert browser.post(link, form=link).location == "/account"
    page = browser.get("/account").text
    assert "your address new@example.org is verified" in page
    assert "not verified" not in page
    assert "Send the link again" not in page
    for answer in (browser.get(link), browser.post(link, form="/account")):
        assert answer.status_code == 404
        assert "This link does not work any more" in answer.text


def test_a_link_works_in_a_browser_that_is_not_logged_in(site: Site) -> None:
    site.browser().post("/register", FORM, form="/register")
    (link,) = _links(site, "verify")
    phone = site.browser()
    assert phone.post(link, form=link).location == "/"
    assert "is verified" in phone.get("/").text
    assert not _is_logged_in(phone)


def test_the_link_can_be_had_again_but_not_without_end(make_site: Callable[..., Site]) -> None:
    site = make_site(rate_mail="100/minute")
    ann = site.browser("ann")
    for _ in range(6):
        ann.post("/account/verify", form="/account")
    assert len(_links(site, "verify")) == 5
    assert "Too many mails were sent" in ann.get("/account").text


def test_the_page_says_what_an_unverified_address_means_here(make_site: Callable[..., Site]) -> None:
    strict = make_site(smtp_host="localhost").browser("ann")
    lax = make_site().browser("ann")
    assert "You can submit once you have followed it" in strict.get("/account").text
    assert "You can submit once you have followed it" not in lax.get("/account").text


def test_where_mail_is_sent_only_a_verified_address_may_submit(make_site: Callable[..., Site]) -> None:
    site = make_site(smtp_host="localhost")
    site.phase()
    path = "/competitions/demo/main/submit"

    def upload(browser: Browser) -> TestResponse:
        form = {"name": "One", "file": (io.BytesIO(GOOD_MEASURE), "measure.py")}
        return browser.post(path, form, form=path if browser is not ann else "/account")

    ann, olga = site.browser("ann"), site.browser("olga")
    assert "Verify your email address first" in ann.get(path).text
    refused = upload(ann)
    assert (refused.status_code, "Verify your email address first" in refused.text) == (422, True)
    assert site.states() == []
    ann.post("/account/verify", form="/account")
    (link,) = _links(site, "verify")
    ann.post(link, form=link)
    assert upload(ann).status_code == 302
    assert upload(olga).status_code == 302  # made on the command line, she may have no address at all


def test_a_forgotten_password_is_chosen_anew_with_the_link_of_a_mail(site: Site) -> None:
    elsewhere, browser = site.browser("ann"), site.browser()
    assert "/reset" in browser.get("/login").text
    asked = browser.post("/reset", {"email": "ann@example.org"}, form="/reset")
    (link,) = _links(site, "reset")
    assert "ann" in browser.get(link).text
    short = browser.post(link, {"password": "short"}, form=link)
    assert (short.status_code, "at least 8 characters" in short.text) == (422, True)
    assert _is_logged_in(elsewhere)
    assert browser.post(link, {"password": NEW}, form=link).location == asked.location == "/login"
    assert not _is_logged_in(elsewhere)
    assert accounts.authenticate(site.db, "ann", NEW) is not None
    assert browser.get(link).status_code == 404


def test_asking_for_a_new_password_tells_nobody_who_has_an_account(site: Site) -> None:
    answers = []
    for address in ("ann@example.org", "nobody@example.org"):
        browser = site.browser()
        answer = browser.post("/reset", {"email": address}, form="/reset")
        answers.append(
            (answer.status_code, answer.location, browser.get("/login").text.count("If there is an account"))
        )
    assert answers == [(302, "/login", 1)] * 2
    assert len(_links(site, "reset")) == 1


def test_a_new_password_needs_the_current_one_and_logs_other_browsers_out(site: Site) -> None:
    here, there = site.browser("ann"), site.browser("ann")
    wrong = here.post("/account/password", {"current": "wrong", "password": NEW}, form="/account")
    assert (wrong.status_code, "This is not your password." in wrong.text) == (422, True)
    assert here.post("/account/password", {"current": PASSWORD, "password": NEW}, form="/account").status_code == 302
    assert [_is_logged_in(here), _is_logged_in(there)] == [True, False]


def test_a_new_address_counts_after_its_link(site: Site) -> None:
    ann = site.browser("ann")
    form = {"email": "new@example.org", "email_current": PASSWORD}
    wrong = ann.post("/account/email", form | {"email_current": "wrong"}, form="/account")
    assert wrong.status_code == 422
    assert 'id="email_current-error"' in wrong.text
    assert 'value="new@example.org"' in wrong.text
    assert ann.post("/account/email", form, form="/account").status_code == 302
    assert "ann@example.org" in ann.get("/account").text
    (link,) = _links(site, "verify")
    ann.post(link, form=link)
    page = ann.get("/account").text
    assert "new@example.org" in page
    assert "ann@example.org" not in page


def test_a_new_name_is_the_name_at_once(site: Site) -> None:
    ann = site.browser("ann")
    taken = ann.post("/account/name", {"name": "bob"}, form="/account")
    assert (taken.status_code, "This name is taken, or looks like" in taken.text) == (422, True)
    assert ann.post("/account/name", {"name": "Annabel"}, form="/account").status_code == 302
    assert "Annabel" in ann.get("/").text


def test_mails_can_be_had_or_not(site: Site) -> None:
    ann = site.browser("ann")
    for form, wanted in (({}, False), ({"wants_mail": "on"}, True)):
        ann.post("/account/mail", form, form="/account")
        assert accounts.account_of(site.db, site.ann).wants_mail == wanted
        assert ("checked" in ann.get("/account").text) == wanted


def test_the_export_is_a_zip_of_the_readers_own_data(site: Site) -> None:
    site.submission(site.phase(), site.ann, cmi=(0.1, 0.2), name="Anns measure")
    answer = site.browser("ann").get("/account/export")
    assert answer.mimetype == "application/zip"
    assert "gengap-ann.zip" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "private, no-store"
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert b"Anns measure" in archive.read("submissions.json")
    others = zipfile.ZipFile(io.BytesIO(site.browser("bob").get("/account/export").data))
    assert b"Anns measure" not in others.read("submissions.json")


def test_deleting_needs_the_password_and_is_for_good(site: Site) -> None:
    phase = site.phase()
    site.submission(phase, site.ann, cmi=(0.1, 0.2))
    here, there = site.browser("ann"), site.browser("ann")
    refused = here.post("/account/delete", {"password": "wrong"}, form="/account/delete")
    assert (refused.status_code, "This is not your password." in refused.text) == (422, True)
    assert here.post("/account/delete", {"password": PASSWORD}, form="/account/delete").location == "/"
    assert "Your account is deleted" in here.get("/").text
    assert [_is_logged_in(here), _is_logged_in(there)] == [False, False]
    assert "ann" not in site.users()
    assert f"deleted account {site.ann}" in site.browser().get("/competitions/demo/main/leaderboard").text


def test_the_only_organizer_cannot_delete_themselves(site: Site) -> None:
    olga = site.browser("olga")
    answer = olga.post("/account/delete", {"password": PASSWORD}, form="/account/delete")
    assert (answer.status_code, "only organizer" in answer.text) == (422, True)


def test_a_token_is_shown_once_and_can_be_revoked(site: Site) -> None:
    ann = site.browser("ann")
    form = {"name": "laptop", "scopes": ["read", "submit"], "days": "30"}
    made = ann.post("/account/tokens", form, form="/account/tokens")
    assert made.headers["Cache-Control"] == "private, no-store"
    (text,) = re.findall(r"<code>(gengap_[\w-]{20,})</code>", made.text)
    holder = tokens.authenticate_token(site.db, text)
    assert holder is not None
    assert (holder.user.name, sorted(holder.scopes)) == ("ann", ["read", "submit"])
    assert holder.token.expires_at is not None
    assert abs(holder.token.expires_at - utc_now() - timedelta(days=30)) < timedelta(hours=1)
    page = ann.get("/account/tokens").text
    assert "laptop" in page
    assert text not in page
    (revoke,) = re.findall(r'action="(/account/tokens/\d+/revoke)"', page)
    assert site.browser("bob").post(revoke).status_code == 404
    assert ann.post(revoke).location == "/account/tokens"
    assert tokens.authenticate_token(site.db, text) is None
    assert ann.post(revoke).status_code == 404


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": ""}, "Give the token a name"),
        ({"scopes": []}, "Choose among the scopes"),
        ({"scopes": ["everything"]}, "Choose among the scopes"),
        ({"scopes": ["organize"]}, "Only organizers"),
    ],
)
def test_a_token_that_cannot_be_made(site: Site, changes: dict[str, object], told: str) -> None:
    form = {"name": "laptop", "scopes": ["read"], "days": "", **changes}
    answer = site.browser("ann").post("/account/tokens", form, form="/account/tokens")
    assert (answer.status_code, told in answer.text) == (422, True)
    with site.db.read() as session:
        assert session.scalars(select(ApiTokenRecord)).all() == []


def test_only_organizers_are_offered_what_organizers_do(site: Site) -> None:
    assert "scope-organize" in site.browser("olga").get("/account/tokens").text
    assert "scope-organize" not in site.browser("ann").get("/account/tokens").text
    odd = site.browser("ann").post(
        "/account/tokens", {"name": "x", "scopes": ["read"], "days": "999999999"}, form="/account/tokens"
    )
    assert odd.status_code == 422
