"""Who is told what of a score: the Ladder, the freeze, secret truths, and organizers, who see all."""

import math
from datetime import timedelta
from typing import Any

import pytest

from scoring import METRICS
from submissions.results.disclosure import (
    Disclosure,
    Reader,
    Sight,
    bits_of_submission,
    digits_of,
    disclosure,
    is_frozen,
)
from submissions.storage.records import PhaseRecord, ShowsScores, SubmissionRecord, Tells, utc_now
from submissions.storage.roles import PERMISSIONS, Role
from submissions.storage.states import State
from tests.records import START

ORGANIZERS = PERMISSIONS[Role.ORGANIZER]
FREEZE = START + timedelta(hours=1)


def _scored(minutes: int, *, is_baseline: bool = False, is_released: bool = True) -> SubmissionRecord:
    submission = SubmissionRecord(
        phase_id=1,
        user_id=1,
        name="A measure",
        entrant="u1",
        filename="measure.py",
        bundle_sha256="0" * 64,
        state=State.SCORED,
        is_baseline=is_baseline,
        is_released=is_released,
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
    assert disclosure(phase, _scored(minutes), Reader(is_owner)).sight is expected
    assert disclosure(phase, _scored(minutes), Reader(is_owner, ORGANIZERS)).sight is Sight.ALL


@pytest.mark.parametrize("is_owner", [False, True])
def test_a_phase_that_shows_scores_later_shows_nobody_but_organizers_any(is_owner: bool) -> None:
    phase = PhaseRecord(slug="p", title="P", opens_at=START, shows_scores=ShowsScores.AFTER_CLOSE)
    assert disclosure(phase, _scored(-1), Reader(is_owner)).sight is Sight.NOTHING
    assert disclosure(phase, _scored(-1), Reader(is_owner, ORGANIZERS)).sight is Sight.ALL
    phase.closes_at = utc_now() - timedelta(seconds=1)
    assert disclosure(phase, _scored(-1), Reader(is_owner)).sight is Sight.ALL


@pytest.mark.parametrize(
    ("is_owner", "minutes", "expected"),
    [
        (True, -1, Sight.SHOWN_SCORE),
        (True, 1, Sight.SHOWN_SCORE),
        (False, -1, Sight.NOTHING),
        (False, 1, Sight.NOTHING),
    ],
)
def test_what_the_ladder_shows_in_the_place_of_a_score_is_for_its_owners(
    is_owner: bool, minutes: int, expected: Sight
) -> None:
    phase = PhaseRecord(slug="p", title="P", opens_at=START, freezes_at=FREEZE, uses_ladder=True)
    assert disclosure(phase, _scored(minutes, is_released=False), Reader(is_owner)).sight is expected


def test_a_baseline_has_no_team_to_learn_from_it() -> None:
    phase = PhaseRecord(slug="p", title="P", opens_at=START, uses_ladder=True)
    assert disclosure(phase, _scored(0, is_baseline=True), Reader()).sight is Sight.ALL


def _told(*, truth_public: bool = False, **changed: Any) -> tuple[float | None, ...]:
    """What a visitor is told of the CMI 0.123456 and the τ 0.654321 on a zoo."""
    phase = PhaseRecord(slug="p", title="P", opens_at=START, score_step=5.0, **changed)
    phase.has_secret_truth = True
    told = disclosure(phase, _scored(0), Reader())
    return tuple(
        told.metric(METRICS[key], value, truth_public=truth_public)
        for key, value in (("cmi", 0.123456), ("kendall_tau", 0.654321))
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, (10.0, None)),
        ({"truth_public": True}, (12.35, 0.654)),
        ({"tells": Tells.METRICS}, (10.0, 0.654)),
        ({"tells": Tells.EVERYTHING}, (12.35, 0.654)),
        ({"is_revealed": True}, (12.35, 0.654)),
        ({"uses_ladder": True}, (None, None)),
        ({"freezes_at": START}, (None, None)),
    ],
)
def test_numbers_on_a_zoo_are_as_fine_as_the_phase_says(
    changed: dict[str, Any], expected: tuple[float | None, ...]
) -> None:
    assert _told(**changed) == expected


def test_times_and_progress_are_coarse_where_results_are_withheld() -> None:
    at = START + timedelta(minutes=3, seconds=17)
    open_, coarse = (
        Disclosure(sight, tells_secrets=False, step=1.0, tells=Tells.SCORES) for sight in (Sight.ALL, Sight.STEPS)
    )
    assert (open_.moment(at), coarse.moment(at)) == (at, START + timedelta(minutes=4))
    assert coarse.moment(None) is None
    assert [coarse.done(done, 96, truth_public=False) for done in (0, 9, 10, 95, 96)] == [0, 0, 9, 86, 96]
    assert [coarse.done(done, 96, truth_public=True) for done in (0, 9, 95)] == [0, 9, 95]
    assert coarse.done(0, 0, truth_public=False) == 0


def test_the_bits_of_a_submission_are_counted() -> None:
    assert bits_of_submission(0, 1.0, Tells.SCORES) == 0
    assert bits_of_submission(1, 1.0, Tells.SCORES) == math.log2(101)
    assert bits_of_submission(2, 25.0, Tells.SCORES) == 2 * math.log2(5)  # the mean of both follows from them
    with_metrics = bits_of_submission(1, 1.0, Tells.METRICS)
    assert with_metrics == pytest.approx(math.log2(101) + 3 * math.log2(2001))  # τ, Ψ and sign-error, three digits each
    assert bits_of_submission(1, 1.0, Tells.EVERYTHING) is None


@pytest.mark.parametrize(("step", "digits"), [(None, 2), (1.0, 0), (25.0, 0), (0.5, 1), (0.1, 1), (0.25, 2)])
def test_scores_in_steps_have_the_digits_of_the_step(step: float | None, digits: int) -> None:
    assert digits_of(step) == digits


def test_a_freeze_keeps_back_what_ended_after_it_began_or_has_not_ended_then() -> None:
    late, early = FREEZE + timedelta(minutes=1), FREEZE - timedelta(minutes=1)
    assert not is_frozen(None, late)
    assert not is_frozen(None, None)
    assert is_frozen(FREEZE, None)
    assert not is_frozen(utc_now() + timedelta(hours=1), None)
    assert not is_frozen(FREEZE, early)
    assert is_frozen(FREEZE, FREEZE)
