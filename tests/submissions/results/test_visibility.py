"""Who sees what of a score: the Ladder, the freeze, and organizers, who see all."""

from datetime import timedelta

import pytest

from submissions.results.visibility import Sight, is_frozen, sight
from submissions.storage.records import PhaseRecord, SubmissionRecord
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


def test_a_baseline_has_no_team_to_learn_from_it() -> None:
    phase = PhaseRecord(slug="p", title="P", opens_at=START, uses_ladder=True)
    assert sight(phase, _scored(0, is_baseline=True), is_owner=False, sees_all=False) is Sight.ALL


def test_nothing_is_frozen_without_a_freeze_or_before_it_is_scored() -> None:
    thawed = PhaseRecord(slug="p", title="P", opens_at=START)
    frozen = PhaseRecord(slug="p", title="P", opens_at=START, freezes_at=FREEZE)
    running = _scored(0)
    running.finished_at = None
    assert not is_frozen(thawed, _scored(1))
    assert not is_frozen(thawed, running)
    assert not is_frozen(frozen, running)
    assert not is_frozen(frozen, _scored(-1))
    assert is_frozen(frozen, _scored(0))
