"""What organizers do to single submissions: boards follow, acts are on record, and twice is once."""

from sqlalchemy import select

from submissions.intake.moderation import disqualify, hide, run_again
from submissions.leaderboard.standings import rebuild
from submissions.storage.records import ActRecord, StandingRecord, SubmissionRecord
from submissions.storage.states import State
from tests.records import Records


def _scored(records: Records) -> int:
    phase = records.phase()
    submission = records.submission(phase, cmi=(0.2, 0.3))
    with records.db.write() as session:
        rebuild(session, phase)
    return submission


def _on_board(records: Records) -> list[int]:
    with records.db.read() as session:
        return list(session.scalars(select(StandingRecord.submission_id)))


def _acts(records: Records) -> list[tuple[str, str]]:
    with records.db.read() as session:
        return [(one.act, one.detail) for one in session.scalars(select(ActRecord).order_by(ActRecord.id))]


def test_a_hidden_submission_leaves_the_board_and_comes_back(records: Records) -> None:
    submission = _scored(records)
    before = _acts(records)
    assert hide(records.db, submission, True, user_id=records.bob, reason="a copy")
    assert _on_board(records) == []
    assert not hide(records.db, submission, True, user_id=records.bob)
    assert hide(records.db, submission, False, user_id=records.bob)
    assert _on_board(records) == [submission]
    told = f"submission {submission}"
    assert _acts(records) == [*before, ("hid", f"{told}: a copy"), ("showed", told)]


def test_a_disqualified_submission_counts_no_more_until_it_does_again(records: Records) -> None:
    submission = _scored(records)
    assert disqualify(records.db, submission, True, user_id=None)
    assert _on_board(records) == []
    assert not disqualify(records.db, submission, True, user_id=None)
    assert disqualify(records.db, submission, False, user_id=None)
    assert _on_board(records) == [submission]
    assert [act for act, _ in _acts(records)][-2:] == ["disqualified", "requalified"]


def test_only_what_has_ended_runs_again(records: Records) -> None:
    scored, running = _scored(records), records.submission(records.phase("other"), done=1)
    before = _acts(records)
    assert not run_again(records.db, running, user_id=records.bob)
    assert _acts(records) == before
    assert run_again(records.db, scored, user_id=records.bob)
    assert _on_board(records) == []
    with records.db.read() as session:
        assert session.get_one(SubmissionRecord, scored).state is State.QUEUED
    assert _acts(records) == [*before, ("ran again", f"submission {scored}")]
