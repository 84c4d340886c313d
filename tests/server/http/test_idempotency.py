"""A request that is sent twice has one effect and one answer: in the API by its key, in forms by a hidden field."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from server.api.submission import submitting
from server.http.idempotency import HEADER
from submissions.storage import idempotency
from submissions.storage.records import (
    ApiTokenRecord,
    IdempotencyRecord,
    PhaseRecord,
    Record,
    SubmissionRecord,
    TeamRecord,
    UserRecord,
    ZooJobRecord,
)
from tests.records import PASSWORD
from tests.server.api.clients import Form, Script, fields, script
from tests.server.site import GOOD_MEASURE, Site

SUBMISSIONS = "/competitions/demo/phases/main/submissions"
FORM = "/competitions/demo/main/submit"
MEASURE = {"name": "Mine", "source": GOOD_MEASURE.decode(), "confirmed": True}


def send(who: Script, path: str, body: object, key: str = "a-key") -> TestResponse:
    return who.send("POST", path, body, headers={HEADER: key})


def count(site: Site, table: type[Record]) -> int:
    with site.db.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def same(first: TestResponse, second: TestResponse) -> None:
    assert (first.status_code, first.location, first.data) == (second.status_code, second.location, second.data)
    assert first.content_type == second.content_type


@pytest.mark.parametrize("body", [MEASURE, Form({"name": "Mine", "confirmed": "true"}, "m.py", GOOD_MEASURE)])
def test_a_measure_that_is_sent_twice_is_one_submission(site: Site, body: object) -> None:
    site.phase()
    ann = script(site, "ann")
    first, second = send(ann, SUBMISSIONS, body), send(ann, SUBMISSIONS, body)
    assert first.status_code == 201
    same(first, second)
    assert count(site, SubmissionRecord) == 1
    assert send(ann, SUBMISSIONS, body, "another").get_json()["id"] == 2
    assert ann.post(SUBMISSIONS, body).get_json()["id"] == 3


def test_two_that_arrive_together_are_one_submission(site: Site) -> None:
    site.phase()
    who = [script(site, "ann") for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda one: send(one, SUBMISSIONS, MEASURE), who)
    same(first, second)
    assert (first.status_code, count(site, SubmissionRecord)) == (201, 1)


def test_of_one_person_only_one_request_waits_for_an_answer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.phase()
    is_inside, may_end = threading.Event(), threading.Event()
    submitted = submitting._submitted

    def slow(*arguments: Any) -> Any:
        is_inside.set()
        assert may_end.wait(60)
        return submitted(*arguments)

    monkeypatch.setattr(submitting, "_submitted", slow)
    monkeypatch.setattr(idempotency, "WAIT_S", 60.0)
    who = [script(site, "ann") for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(send, who[0], SUBMISSIONS, MEASURE)
        assert is_inside.wait(60)
        others = [threads.submit(send, one, SUBMISSIONS, MEASURE) for one in who[1:]]
        refused = next(as_completed(others))
        may_end.set()
    assert refused.result().status_code == 409
    (waited,) = (one for one in others if one is not refused)
    same(first.result(), waited.result())


@pytest.mark.parametrize(
    ("path", "body", "table"),
    [
        ("/competitions/demo/team", {"name": "The Norms"}, TeamRecord),
        ("/zoo-jobs/recipe", {"name": "digits-mlp"}, ZooJobRecord),
        ("/accounts", {"name": "zoe", "email": "zoe@example.org", "password": PASSWORD}, UserRecord),
    ],
)
def test_whatever_a_request_creates_is_created_once(
    site: Site, path: str, body: dict[str, str], table: type[Record]
) -> None:
    site.phase()
    olga, before = script(site, None if path == "/accounts" else "olga"), count(site, table)
    first = send(olga, path, body)
    assert first.status_code == 201, first.text
    same(first, send(olga, path, body))
    assert count(site, table) == before + 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (SUBMISSIONS, MEASURE | {"name": "Other"}),
        (SUBMISSIONS, Form({"name": "Mine"}, "m.py", GOOD_MEASURE)),
        ("/competitions/demo/team", {"name": "The Norms"}),
    ],
)
def test_a_key_belongs_to_one_request(site: Site, path: str, body: object) -> None:
    site.phase()
    ann = script(site, "ann")
    assert send(ann, SUBMISSIONS, MEASURE).status_code == 201
    refused = send(ann, path, body)
    assert (refused.status_code, fields(refused)) == (422, {HEADER})
    assert "sent with another request" in refused.get_json()["detail"]
    assert count(site, SubmissionRecord) == 1


def test_a_key_belongs_to_one_person(site: Site) -> None:
    site.phase()
    made = [send(script(site, name), SUBMISSIONS, MEASURE).get_json()["id"] for name in ("ann", "bob", "ann")]
    assert made == [1, 2, 1]


@pytest.mark.parametrize("key", ["", " ", "two words", "é", "x" * 201])
def test_a_key_is_printable_and_short(site: Site, key: str) -> None:
    site.phase()
    refused = send(script(site, "ann"), SUBMISSIONS, MEASURE, key)
    assert (refused.status_code, fields(refused)) == (422, {HEADER})
    assert count(site, SubmissionRecord) == 0


def test_a_refused_request_may_be_corrected_under_the_same_key(site: Site) -> None:
    site.phase()
    ann = script(site, "ann")
    assert send(ann, SUBMISSIONS, MEASURE | {"source": "x = 1"}).status_code == 422
    assert send(ann, SUBMISSIONS, MEASURE).status_code == 201


def test_a_request_that_died_is_resumed_where_its_submission_tells_how_far_it_came(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.phase()
    monkeypatch.setattr(idempotency, "WAIT_S", 0.0)
    ann = script(site, "ann")

    def die(*_arguments: object) -> None:
        raise OSError("the machine lost power")

    for at in ("told", "_submitted"):  # after the submission was made, and before
        with monkeypatch.context() as patched:
            patched.setattr(submitting, at, die)
            assert send(ann, SUBMISSIONS, MEASURE, at).status_code == 500
        again = send(ann, SUBMISSIONS, MEASURE, at)
        assert again.status_code == 201
        same(again, send(ann, SUBMISSIONS, MEASURE, at))
    assert count(site, SubmissionRecord) == 2


def test_a_request_that_died_elsewhere_is_not_carried_out_again_but_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.phase()
    monkeypatch.setattr(idempotency, "WAIT_S", 0.0)
    monkeypatch.setattr("server.api.account.teams._own_team", lambda: 1 / 0)
    ann, team = script(site, "ann"), {"name": "The Norms"}
    assert send(ann, "/competitions/demo/team", team).status_code == 500
    again = send(ann, "/competitions/demo/team", team)
    assert again.status_code == 409
    assert "Look whether it took effect" in again.get_json()["detail"]
    assert count(site, TeamRecord) == 1


def test_a_token_is_made_once_and_its_text_is_not_kept(site: Site) -> None:
    ann = script(site, "ann")
    before = count(site, ApiTokenRecord)
    wanted = {"name": "laptop", "scopes": ["read"]}
    text = send(ann, "/tokens", wanted).get_json()["text"]
    again = send(ann, "/tokens", wanted)
    assert again.status_code == 409
    assert "had a secret in it" in again.get_json()["detail"]
    assert count(site, ApiTokenRecord) == before + 1
    with site.db.read() as session:
        kept = session.scalars(select(IdempotencyRecord)).all()
    assert len(kept) == 1
    assert text not in str(vars(kept[0]))


def _field(page: str) -> str:
    found = re.search(r'name="once" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def _plain(name: str) -> dict[str, str]:
    return {"name": name, "code": f"{GOOD_MEASURE.decode()}# {name}\n"}


def test_a_form_that_is_sent_twice_makes_one_submission(site: Site) -> None:
    site.phase()
    ann = site.browser("ann")
    key = {"once": _field(ann.get(FORM).text)}
    first, second = (ann.post(FORM, _plain("Mine") | key, form=FORM) for _ in range(2))
    assert (first.status_code, first.location) == (second.status_code, second.location) == (302, "/submissions/1")
    assert "sent twice. It was carried out once" in ann.get("/submissions/1").text
    changed = ann.post(FORM, _plain("Another") | key, form=FORM)
    assert changed.location == "/submissions/2"
    again = {"once": _field(ann.get(FORM).text), "confirmed": "1"}
    assert ann.post(FORM, _plain("Mine") | again).location == "/submissions/3"


def test_a_form_that_was_refused_may_be_sent_again(site: Site) -> None:
    phase = site.phase()
    ann = site.browser("ann")
    sent = _plain("Mine") | {"once": _field(ann.get(FORM).text)}
    with site.db.write() as session:
        session.get_one(PhaseRecord, phase).daily_quota = 0
    assert ann.post(FORM, sent, form=FORM).status_code == 422
    with site.db.write() as session:
        session.get_one(PhaseRecord, phase).daily_quota = 1
    assert ann.post(FORM, sent, form=FORM).location == "/submissions/1"
