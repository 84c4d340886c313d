"""Every route that creates something, in pages and API, takes a key; sent twice, it creates one thing.

A new route that changes something belongs into one of the tables.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import func, select

from server.http.idempotency import HEADER
from submissions.storage.records import (
    AnnouncementRecord,
    ApiTokenRecord,
    PhaseRecord,
    Record,
    SubmissionRecord,
    TeamRecord,
    UserRecord,
    ZooJobRecord,
)
from tests.records import PASSWORD
from tests.server.pages.test_phase_pages import FIELDS
from tests.server.site import GOOD_MEASURE, Browser, Site


@dataclass(frozen=True)
class Form:
    """A form that creates something: who fills it in where, and what comes into being."""

    page: str
    typed: dict[str, Any]
    table: type[Record]
    who: str | None = "olga"
    path: str | None = None  # None: the page's


FORMS = {
    "accounts.register_account": Form(
        "/register", {"name": "zoe", "email": "zoe@example.org", "password": PASSWORD}, UserRecord, None
    ),
    "tokens.create": Form(
        "/account/tokens", {"name": "laptop", "scopes": ["read"], "days": "30"}, ApiTokenRecord, "ann"
    ),
    "teams.create": Form("/competitions/demo/team", {"name": "The Norms"}, TeamRecord, "ann"),
    "submit.upload": Form(
        "/competitions/demo/main/submit", {"name": "Mine", "code": GOOD_MEASURE.decode()}, SubmissionRecord, "ann"
    ),
    "competition_form.add_announcement": Form(
        "/organizer/competitions/1",
        {"headline": "News"},
        AnnouncementRecord,
        path="/organizer/competitions/1/announcements",
    ),
    "phases.open_new": Form("/organizer/phases/new", FIELDS | {"zoos": "1"}, PhaseRecord),
    "zoos.add_recipe": Form(
        "/organizer/zoos/", {"recipe": "digits-mlp"}, ZooJobRecord, path="/organizer/zoos/add/recipe"
    ),
    "zoos.add_folder": Form(
        "/organizer/zoos/", {"address": "/zoos/digits"}, ZooJobRecord, path="/organizer/zoos/add/folder"
    ),
    "zoos.add_pgdl": Form("/organizer/zoos/", {"task": "/zoos/task1"}, ZooJobRecord, path="/organizer/zoos/add/pgdl"),
}

# What may be carried out twice: it sets something, ends something, or finds what the first request has made.
REPEATABLE_FORMS = {
    *(f"account.{name}" for name in ("ask_to_verify", "change_email", "change_name", "change_password", "delete")),
    "account.set_wants_mail",
    *(f"accounts.{name}" for name in ("log_in", "log_out")),
    *(f"competition_form.{name}" for name in ("change", "withdraw_announcement")),
    *(f"links.{name}" for name in ("ask_to_reset", "reset", "verify")),
    *(f"moderation.{name}" for name in ("choose", "moderate")),
    *(f"notices.{name}" for name in ("read", "read_all")),
    *(f"phases.{name}" for name in ("change", "unfreeze_board")),
    *(f"sessions.{name}" for name in ("end", "end_others")),
    "submissions.cancel_submission",
    "submit.check",
    *(f"teams.{name}" for name in ("join", "leave", "renew_invitation")),
    "tokens.revoke",
    *(f"zoo_page.{name}" for name in ("attach", "check_again", "detach", "replace")),
    *(f"zoo_uploads.{name}" for name in ("append_piece", "begin", "finish")),
}
REPEATABLE_IN_API = {
    *(f"account_{name}" for name in ("ask_to_reset", "ask_to_verify", "delete", "reset", "verify")),
    *(f"notifications_{name}" for name in ("read_all", "read_one")),
    *(f"phases_{name}" for name in ("replace_by", "unfreeze_board")),
    "moderation_rerun",
    *(f"submissions_{name}" for name in ("cancel_submission", "choose_submission")),
    "submitting_check",
    *(f"teams_{name}" for name in ("accept_invitation", "renew_invitation")),
    "zoos_check",
}


@pytest.fixture
def furnished(make_site: Callable[..., Site]) -> Site:
    """A site where all forms can be filled in."""
    site = make_site(zoo_sources=("/zoos",))
    site.checked("digits-mlp")
    site.phase()
    return site


def _field(browser: Browser, form: Form) -> str:
    """The key in this form, not in another one of its page."""
    found = re.findall(r"<form([^>]*)>(.*?)</form>", browser.get(form.page).text, re.DOTALL)
    posting = {action or form.page: content for tag, content in found for action in _action(tag)}
    content = posting[form.path or form.page]
    (key,) = re.findall(r'name="once" value="([^"]+)"', content)
    return str(key)


def _action(tag: str) -> list[str]:
    """Where a form posts to, "" for its page's address; nothing if it does not post."""
    return (re.findall(r'action="([^"#]*)', tag) or [""]) if 'method="post"' in tag else []


def _count(site: Site, form: Form) -> int:
    with site.db.read() as session:
        return session.scalar(select(func.count()).select_from(form.table)) or 0


def test_every_route_that_changes_something_is_in_a_table(site: Site) -> None:
    forms = {rule.endpoint for rule in site.app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert {name for name in forms if not name.startswith("api_")} == FORMS.keys() | REPEATABLE_FORMS
    assert FORMS.keys() & REPEATABLE_FORMS == set()


def test_every_route_of_the_api_that_creates_something_takes_a_key(site: Site) -> None:
    paths = site.browser().get("/api/v1/openapi.json").get_json()["paths"].values()
    posts = [path["post"] for path in paths if "post" in path]
    creating = [post for post in posts if "201" in post["responses"]]
    assert len(creating) > 5
    for post in creating:
        assert HEADER in [parameter["name"] for parameter in post["parameters"]], post["operationId"]
    assert {post["operationId"] for post in posts if post not in creating} == REPEATABLE_IN_API


@pytest.mark.parametrize("endpoint", FORMS)
def test_a_form_that_is_sent_twice_creates_one_thing(furnished: Site, endpoint: str) -> None:
    form = FORMS[endpoint]
    browser, before = furnished.browser(form.who), _count(furnished, form)
    sent = form.typed | {"once": _field(browser, form), "csrf_token": browser.token(form.page)}
    path = form.path or form.page
    first = browser.client.post(path, data=sent)
    assert (first.status_code < 400, _count(furnished, form)) == (True, before + 1), first.text
    if form.who is None:  # the second request left before the browser had the first one's cookies
        browser = Browser(furnished.app)
        sent["csrf_token"] = browser.token(form.page)
    second = browser.client.post(path, data=sent)
    assert (second.status_code, second.location) == (302, first.location or path)
    assert "sent twice. It was carried out once" in browser.get(second.location).text
    assert _count(furnished, form) == before + 1


def test_both_responses_to_a_registration_log_in(site: Site) -> None:
    form, browser = FORMS["accounts.register_account"], site.browser()
    sent = form.typed | {"once": _field(browser, form)}
    assert browser.post(form.page, sent, form=form.page).location == "/"
    late = site.browser()
    assert late.post(form.page, sent, form=form.page).location == "/"
    assert late.get("/account").status_code == 200
    guessing = site.browser()
    assert guessing.post(form.page, sent | {"password": f"{PASSWORD}!"}, form=form.page).status_code == 422


def test_the_text_of_a_token_is_shown_once_also_if_its_form_is_sent_twice(site: Site) -> None:
    form, ann = FORMS["tokens.create"], site.browser("ann")
    sent = form.typed | {"once": _field(ann, form)}
    shown = re.compile(r"<code>(gengap_[\w-]{20,})</code>")
    assert len(shown.findall(ann.post(form.page, sent, form=form.page).text)) == 1
    ann.post(form.page, sent, form=form.page)
    page = ann.get(form.page).text
    assert "What the first response showed is not kept." in page
    assert shown.findall(page) == []
