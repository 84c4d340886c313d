"""Polls of a live page: who may see the submission, and what an ETag from elsewhere is worth."""

import pytest
from sqlalchemy import select, text

from submissions.people.sessions import end_others
from submissions.storage.records import PhaseRecord, SubmissionRecord, TeamRecord
from submissions.storage.states import Reason, State
from tests.server.site import Site

READERS = (None, "ann", "bob", "olga")


@pytest.fixture(autouse=True)
def _one_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.pages.submission.submission.BEAT_S", 10**10)


@pytest.mark.parametrize("hide", ["nothing", "submission", "phase"])
@pytest.mark.parametrize("state", [State.RUNNING, State.SCORED, State.FAILED])
@pytest.mark.parametrize("team", [False, True])
def test_a_poll_is_answered_for_those_who_may_see_the_page_whatever_etag_it_brings(
    site: Site, hide: str, state: State, team: bool
) -> None:
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
        session.get_one(SubmissionRecord, submission).team_id = session.scalar(select(TeamRecord.id))
    path = f"/submissions/{submission}/status"
    browsers = {reader: site.browser(reader) for reader in READERS}
    etags = [browser.get(path).headers["ETag"] for browser in browsers.values()]
    with site.db.write() as session:
        session.get_one(SubmissionRecord, submission).is_hidden = hide == "submission"
        session.get_one(PhaseRecord, phase).hidden = hide == "phase"
    may_see: dict[str, set[str | None]] = {
        "nothing": set(READERS),
        "phase": {"olga"},
        "submission": {"ann", "olga", *(["bob"] if team else [])},
    }
    for place, (reader, browser) in enumerate(browsers.items()):
        assert (browser.get(path.removesuffix("/status")).status_code == 200) == (reader in may_see[hide])
        for etag in (*etags, '"another"', "*"):
            answer = browser.get(path, If_None_Match=etag)
            known = etag == "*" or etag == etags[place]
            assert answer.status_code == ((304 if known else 200) if reader in may_see[hide] else 404)
            assert ("ETag" in answer.headers) == (reader in may_see[hide])


def test_an_ended_session_gets_what_a_visitor_gets(site: Site) -> None:
    submission = site.submission(site.phase(), site.ann, done=3)
    path = f"/submissions/{submission}/status"
    ann = site.browser("ann")
    etag = ann.get(path).headers["ETag"]
    with site.db.write() as session:
        end_others(session, site.ann, None)
    answer = ann.get(path, If_None_Match=etag)
    assert answer.status_code == 200
    assert 'class="pace"' in answer.text
    assert "ETag" in answer.headers


@pytest.mark.parametrize("number", [0, 4711, 9999999999])
def test_what_is_not_there_is_not_found(site: Site, number: int) -> None:
    assert site.browser().get(f"/submissions/{number}/status", If_None_Match="*").status_code == 404


@pytest.mark.changes_app
def test_a_fault_of_the_database_is_a_page_and_the_next_poll_goes_on(site: Site) -> None:
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
