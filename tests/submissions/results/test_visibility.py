"""Who sees what of a score: the Ladder, the freeze, and organizers, who see all."""

from datetime import timedelta

import pytest

from submissions.results.visibility import Sight, sight
from submissions.storage.records import PhaseRecord, ShowsScores, SubmissionRecord, utc_now
from submissions.storage.states import State
from tests.records import START

FREEZE = START + timedelta(hours=1)


def _scored(minutes: int, *, is_baseline: bool = False) -> SubmissionRecord:
    submission = SubmissionRecord(
        phase_id=1,
        user_id=1,
        name="A measure",
        entrant="u1",
        filename="measure.py",
        bundle_sha256="0" * 64,
        state=State.SCORED,
        is_baseline=is_baseline,
    )
    submission.finished_at = FREEZE + timedelta(minutes=minutes)
    return submission


@pytest.mark.parametrize(
    ("uses_ladder", "minutes", "is_owner", "expected"),
    [
        (False, -1, False, Sight.ALL),
        (False, 0, False, Sight.NOTHING),
        (False, 1, True, Sight.ALL),
        (True, -1, False, Sight.SHOWN_SCORE),
        (True, -1, True, Sight.SHOWN_SCORE),
        (True, 1, False, Sight.NOTHING),
        (True, 1, True, Sight.SHOWN_SCORE),
    ],
)
def test_what_a_reader_sees(uses_ladder: bool, minutes: int, is_owner: bool, expected: Sight) -> None:
    phase = PhaseRecord(slug="p", title="P", opens_at=START, freezes_at=FREEZE, uses_ladder=uses_ladder)
    assert sight(phase, _scored(minutes), is_owner=is_owner, sees_all=False) is expected
    assert sight(phase, _scored(minutes), is_owner=is_owner, sees_all=True) is Sight.ALL


@pytest.mark.parametrize(("days", "expected"), [(1, Sight.NOTHING), (-1, Sight.ALL)])
def test_a_phase_may_show_scores_after_it_closes(days: int, expected: Sight) -> None:
    phase = PhaseRecord(slug="p", title="P", opens_at=START, shows_scores=ShowsScores.AFTER_CLOSE)
    phase.closes_at = utc_now() + timedelta(days=days)
    for submission in (_scored(0), _scored(0, is_baseline=True)):
        assert sight(phase, submission, is_owner=True, sees_all=False) is expected
        assert sight(phase, submission, is_owner=False, sees_all=True) is Sight.ALL


def test_a_baseline_has_no_team_to_learn_from_it() -> None:
    phase = PhaseRecord(slug="p", title="P", opens_at=START, uses_ladder=True)
    assert sight(phase, _scored(0, is_baseline=True), is_owner=False, sees_all=False) is Sight.ALL
