"""The short way of polls: whatever it answers, the view would have answered just so."""

from typing import TYPE_CHECKING

import pytest
from flask import Flask
from sqlalchemy import select, text
from werkzeug.test import Client, TestResponse

from server.polls import Polls
from submissions.people.sessions import end_others
from submissions.storage.records import PhaseRecord, SubmissionRecord, TeamRecord
from submissions.storage.states import Reason, State
from tests.server.site import Browser, Site

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

READERS = (None, "ann", "bob", "olga")


@pytest.fixture(autouse=True)
def _one_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.polls.BEAT_S", 10**10)


def _poll(app: "WSGIApplication", browser: Browser, path: str, **headers: str) -> TestResponse:
    """What this application says to a poll with the browser's cookies."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    cookie = browser.client.get_cookie("gengap_session")
    if cookie is not None:
        named["Cookie"] = f"{cookie.key}={cookie.value}"
    return Client(app, use_cookies=False).get(path, headers=named)


def _view(app: Flask) -> "WSGIApplication":
    """The application without the short way."""
    assert isinstance(app.wsgi_app, Polls)
    return app.wsgi_app.behind


@pytest.mark.parametrize("hide", ["nothing", "submission", "phase"])
@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.SCORED, State.FAILED])
@pytest.mark.parametrize("team", [False, True])
def test_the_short_way_and_the_view_agree_for_every_reader(site: Site, hide: str, state: State, team: bool) -> None:
    phase = site.phase()
    submission = site.submission(
        *(phase, site.ann),
        cmi=(0.1, 0.2) if state is State.SCORED else None,
        reason=Reason.RAISED if state is State.FAILED else None,
        done=3 if state is State.RUNNING else 0,
    )
    if team:
        site.team("gaps", site.ann, site.bob)
    with site.db.write() as session:
        record = session.get_one(SubmissionRecord, submission)
        record.is_hidden = hide == "submission"
        record.team_id = session.scalar(select(TeamRecord.id))
        session.get_one(PhaseRecord, phase).hidden = hide == "phase"
    path = f"/submissions/{submission}/status"
    browsers = {reader: site.browser(reader) for reader in READERS}
    etags = {
        reader: answer.headers["ETag"]
        for reader, browser in browsers.items()
        if (answer := _poll(_view(site.app), browser, path)).status_code == 200
    }
    seen = {"nothing": set(READERS), "phase": {"olga"}, "submission": {"ann", "olga"} | ({"bob"} if team else set())}
    assert set(etags) == seen[hide]
    for browser in browsers.values():
        for etag in (*etags.values(), '"another"', "*"):
            short, long = (_poll(app, browser, path, If_None_Match=etag) for app in (site.app, _view(site.app)))
            assert short.status_code == long.status_code
            if long.status_code == 304:
                assert sorted(short.headers) == sorted(long.headers)
                assert not short.data


def test_what_has_not_changed_never_gets_to_the_view(site: Site) -> None:
    submission = site.submission(site.phase(), site.ann, done=3)
    path = f"/submissions/{submission}/status"
    for reader in READERS:
        browser = site.browser(reader)
        etag = browser.get(path).headers["ETag"]
        short = Polls(site.app, _never)
        assert _poll(short, browser, path, If_None_Match=etag).status_code == 304


def test_an_ended_session_is_told_what_a_visitor_is(site: Site) -> None:
    submission = site.submission(site.phase(), site.ann, done=3)
    path = f"/submissions/{submission}/status"
    ann = site.browser("ann")
    etag = ann.get(path).headers["ETag"]
    with site.db.write() as session:
        end_others(session, site.ann, None)
    answer = ann.get(path, If_None_Match=etag)
    assert answer.status_code == 200
    assert answer.headers["ETag"] == site.browser().get(path).headers["ETag"]


@pytest.mark.parametrize("number", [0, 4711, 9999999999])
def test_what_is_not_there_is_the_views_to_tell(site: Site, number: int) -> None:
    assert site.browser().get(f"/submissions/{number}/status", If_None_Match="*").status_code == 404


def test_where_the_database_fails_the_view_tells_it(site: Site) -> None:
    submission = site.submission(site.phase(), site.ann, done=3)
    site.app.config["PROPAGATE_EXCEPTIONS"] = False
    browser = site.browser()
    with site.db.write() as session:
        session.execute(text("ALTER TABLE measure_values RENAME TO gone"))
    answer = browser.get(f"/submissions/{submission}/status", If_None_Match="*")
    assert answer.status_code == 500
    assert "gone" not in answer.text
    with site.db.write() as session:
        session.execute(text("ALTER TABLE gone RENAME TO measure_values"))
    assert browser.get(f"/submissions/{submission}/status", If_None_Match="*").status_code == 304


def _never(*_: object) -> list[bytes]:
    raise AssertionError("the view was asked")
