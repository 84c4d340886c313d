"""Accounts and teams in a real browser: the whole way without JavaScript, and every page on a phone."""

import re

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from submissions.people import accounts, sessions, tokens
from submissions.storage.records import MailRecord, NotificationRecord
from tests.browser.conftest import PHONE, ServedSite, Watch
from tests.records import PASSWORD

LONG_NAME = "Consistency_of_representations_under_small_rotations_and_translations_of_inputs"
NEW = "another long password"


def _mailed_link(served: ServedSite, kind: str) -> str:
    """The newest link of a kind in the outbox."""
    with served.site.db.read() as session:
        texts = session.scalars(select(MailRecord.text).order_by(MailRecord.id.desc())).all()
    return next(served.url + found[1] for text in texts if (found := re.search(rf"{{site}}(/{kind}/\S+)", text)))


def _register(page: Page, url: str, name: str) -> None:
    page.goto(f"{url}/register")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Email").fill(f"{name}@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("status")).to_contain_text("Your account is ready")


def _log_in(page: Page, url: str, name: str, password: str = PASSWORD) -> None:
    page.goto(f"{url}/login")
    page.get_by_label("Name or email").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/")


def test_from_registering_to_a_team_of_two_without_javascript(chromium: Browser, served_site: ServedSite) -> None:
    served_site.site.phase()
    context = chromium.new_context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    _register(page, served_site.url, "dora")
    page.get_by_role("link", name="dora").click()
    expect(page.get_by_text("not verified")).to_be_visible()
    page.goto(_mailed_link(served_site, "verify"))
    page.get_by_role("button", name="Yes, it is mine").click()
    expect(page.get_by_role("status")).to_contain_text("is verified")
    page.get_by_role("link", name="Teams").click()
    page.get_by_role("link", name="Make a team in Predict the gap").click()
    page.get_by_label("Name of the team").fill("The Gaps")
    page.get_by_role("button", name="Create the team").click()
    link = page.get_by_label("The link").input_value()
    other = chromium.new_context(viewport=PHONE, java_script_enabled=False)
    guest = other.new_page()
    _log_in(guest, served_site.url, "bob")
    guest.goto(served_site.url + "/invitations/" + link.rpartition("/")[2])
    expect(guest.get_by_role("heading", name="Join The Gaps?")).to_be_visible()
    expect(guest.get_by_text("dora invites you")).to_be_visible()
    guest.get_by_role("button", name="Join the team").click()
    expect(guest.get_by_role("heading", name="bob")).to_be_visible()
    page.reload()
    expect(page.get_by_text("2 of at most 5")).to_be_visible()
    context.close()
    other.close()


def test_a_forgotten_password_without_javascript(chromium: Browser, served_site: ServedSite) -> None:
    context = chromium.new_context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served_site.url}/login")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("Email of your account").fill("ann@example.org")
    page.get_by_role("button", name="Mail me the link").click()
    page.goto(_mailed_link(served_site, "reset"))
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("status")).to_contain_text("Log in with the new one")
    _log_in(page, served_site.url, "ann", NEW)
    context.close()


def test_every_page_fits_a_phone_and_complains_about_nothing(chromium: Browser, served_site: ServedSite) -> None:
    site, url = served_site.site, served_site.url
    phase = site.phase()
    site.phase(competition="other")
    made = site.submission(phase, site.ann, cmi=(0.4, 0.5), name=LONG_NAME)
    key = site.team("TheGapsOfAVeryLongTeamNameWithoutASpace", site.bob, site.ann)
    tokens.create_token(site.db, site.ann, "a" * 80, ["read", "submit", "account"])
    sessions.begin(site.db, site.ann, "Mozilla/5.0 (iPhone)")
    secret = site.settings.secret_key()
    accounts.ask_to_verify(site.db, secret, site.ann)
    accounts.ask_to_reset(site.db, secret, "ann@example.org")
    with site.db.write() as session:
        session.add(NotificationRecord(user_id=site.ann, text=f"“{LONG_NAME}” was scored.", submission_id=made))
    context = chromium.new_context(viewport=PHONE, color_scheme="dark")
    watch = Watch(url)
    watch.follow(context)
    page = context.new_page()
    _log_in(page, url, "ann")
    overflow, violations = {}, {}
    for path in (
        *("/account", "/account/notifications", "/my/teams", "/account/sessions", "/account/tokens", "/account/delete"),
        *("/competitions/demo/team", "/competitions/other/team", f"/invitations/{key}", "/reset"),
        *(_mailed_link(served_site, kind).removeprefix(url) for kind in ("verify", "reset")),
    ):
        page.goto(url + path)
        overflow[path] = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        violations[path] = [rule["id"] for rule in Axe().run(page).response["violations"]]
        assert page.locator("h1").count() == 1
    context.close()
    assert {path: pixels for path, pixels in overflow.items() if pixels > 0} == {}
    assert not any(violations.values()), violations
    assert (watch.complaints, watch.external) == ([], [])
