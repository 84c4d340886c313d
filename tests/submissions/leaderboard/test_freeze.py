"""The moment of the freeze belongs to what is kept back, for the board, its history and every reader alike."""

from datetime import timedelta

import pytest

from submissions.evaluation import outcomes
from submissions.evaluation.submission_progress import progress
from submissions.leaderboard.board_page import page
from submissions.leaderboard.history import history
from submissions.results.disclosure import Reader, Sight, disclosure
from submissions.storage.records import PhaseRecord, StandingRecord, SubmissionRecord
from submissions.storage.states import State
from tests.records import START, Records
from tests.scoring.jackknives import of_mean

MOMENT = START + timedelta(hours=1, seconds=42)  # when a submission of the first hour has its score


@pytest.mark.parametrize("any_db", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("freezes_at", "is_kept_back"), [(MOMENT, True), (MOMENT + timedelta(microseconds=1), False)])
def test_what_is_scored_at_the_very_moment_of_the_freeze_is_kept_back(
    records: Records, freezes_at: object, is_kept_back: bool
) -> None:
    phase_id = records.phase(freezes_at=freezes_at)
    before = records.submission(phase_id, cmi=(0.1, 0.1), hours=0)
    then = records.submission(phase_id, cmi=(0.2, 0.2), hours=1)
    known = [before] if is_kept_back else [before, then]
    with records.db.read() as session:
        phase, submission = session.get_one(PhaseRecord, phase_id), session.get_one(SubmissionRecord, then)
        assert submission.finished_at == MOMENT
        (row,) = page(session, phase_id).rows
        (standing,) = session.query(StandingRecord).all()
        (course,) = history(session, phase_id)
        assert (row.submission_id, standing.scored) == (known[-1], len(known))
        assert [step.submission_id for step in course.steps] == known
        assert disclosure(phase, submission, Reader()).sight is (Sight.NOTHING if is_kept_back else Sight.ALL)
        assert disclosure(phase, submission, Reader(is_owner=True)).sight is Sight.ALL


@pytest.mark.parametrize(("is_owner", "cmi"), [(False, None), (True, 30.0)])
def test_a_frozen_phase_keeps_back_the_first_score_of_a_submission_that_still_runs(
    records: Records, is_owner: bool, cmi: float | None
) -> None:
    made = records.submission(records.phase(freezes_at=START), done=1, hours=1)
    with records.db.write() as session:
        first = session.get_one(SubmissionRecord, made).evaluations[0]
        first.state, first.cmi, first.kendall_tau = State.SCORED, 0.3, 0.4
    with records.db.read() as session:
        assert progress(session, made, Reader(is_owner)).zoos[0].cmi == cmi


def test_a_frozen_ladder_keeps_back_what_is_evaluated_again(records: Records) -> None:
    phase_id = records.phase(zoos=("digits-mlp",), freezes_at=MOMENT, uses_ladder=True)
    made = records.submission(phase_id, jackknives=[of_mean([0.3] * 4)], hours=2)
    assert outcomes.rerun(records.db, made)
    with records.db.read() as session:
        assert progress(session, made, Reader()).score is None
        assert progress(session, made, Reader(is_owner=True)).score == 30.0
        assert not page(session, phase_id).rows
        assert not history(session, phase_id)
