"""A phase whose zoos change: its submissions run again, all of them, and never half of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from model_zoo.store import ZooStore
from submissions.competitions.competitions import CompetitionError
from submissions.competitions.phase_zoos import (
    REPLACED,
    attach_zoo,
    detach_zoo,
    replace_zoo,
    rerun_outdated,
    submissions_affected,
)
from submissions.evaluation import outcomes
from submissions.intake.bundle_store import BundleStore
from submissions.storage.audit import acts, record_act
from submissions.storage.database import Database
from submissions.storage.records import PhaseRecord, PhaseZooRecord, Purpose, ZooRecord
from submissions.storage.states import State
from submissions.zoos.registry import add_zoo, register_zoo
from tests.factories import Competition, make_competition, make_tiny_zoo


@pytest.fixture
def newer(any_db: Database, zoos: ZooStore, tmp_path: Path) -> int:
    """The id of the tiny zoo's next version, with 12 networks."""
    return register_zoo(any_db, zoos, make_tiny_zoo(tmp_path / "newer", "tiny", copies=3, seed=20))


def zoos_of(competition: Competition) -> list[int]:
    with competition.db.read() as session:
        return [link.zoo_id for link in session.get_one(PhaseRecord, competition.phase_id).zoo_links]


def scored_on(competition: Competition, submission_id: int) -> list[tuple[int, int]]:
    """Zoo and networks of each scored evaluation of the current attempt."""
    attempt = competition.submission(submission_id).attempt
    return [
        (evaluation.zoo_id, evaluation.networks)
        for evaluation in competition.evaluations(submission_id)
        if (evaluation.attempt, evaluation.purpose) == (attempt, Purpose.SCORE)
    ]


def told(competition: Competition) -> list[tuple[str, str | None, str]]:
    with competition.db.read() as session:
        return [(act.act, act.zoo, act.detail) for act in acts(session, phase_id=competition.phase_id)]


def test_a_replaced_zoo_lets_every_submission_run_again_in_its_place(competition: Competition, newer: int) -> None:
    ada = competition.user()
    scored, failed = competition.submit(ada), competition.submit(ada)
    competition.work_through()
    outcomes.rerun(competition.db, failed)
    claim = competition.claim(batch=1)
    assert claim is not None
    assert competition.fail(claim, claim.runs[0])
    old_score = competition.submission(scored).score
    running, cancelled = competition.submit(ada), competition.submit(ada)
    outcomes.cancel(competition.db, cancelled)
    late = competition.claim(batch=1)
    assert late is not None
    with competition.db.read() as session:
        assert submissions_affected(session, competition.phase_id) == 3
    assert replace_zoo(competition.db, competition.phase_id, 1, newer, None) == 3
    assert zoos_of(competition) == [newer, 2]
    assert [competition.submission(one).state for one in (scored, failed, running)] == [State.QUEUED] * 3
    assert not competition.record(late, late.runs[0]), "a value of the old attempt comes too late"
    assert competition.submission(cancelled).state is State.CANCELLED
    assert competition.submission(scored).score is None
    assert competition.work_through() == 3 * 24
    for submission_id in (scored, failed, running):
        assert competition.submission(submission_id).state is State.SCORED
        assert scored_on(competition, submission_id) == [(newer, 12), (2, 12)]
    assert old_score is not None
    assert len(competition.values_recorded(scored)) == 20 + 24, "the old attempt's values stay on record"
    assert told(competition) == [("replaced", "tiny@2", "tiny@1 by this"), ("replaced", "tiny@1", "by tiny@2")]


def test_an_attached_and_a_detached_zoo_change_every_score(
    any_db: Database, store: BundleStore, zoos: ZooStore, tiny_zoo: Path, other_zoo: Path
) -> None:
    competition = make_competition(any_db, store, [tiny_zoo], smoke_networks=0)
    submission = competition.submit(competition.user())
    competition.work_through()
    other = register_zoo(any_db, zoos, other_zoo)
    assert attach_zoo(any_db, competition.phase_id, other, None, confirmed=True) == 1
    assert competition.work_through() == 20
    assert scored_on(competition, submission) == [(1, 8), (other, 12)]
    assert detach_zoo(any_db, competition.phase_id, 1, None) == 1
    assert competition.work_through() == 12
    assert scored_on(competition, submission) == [(other, 12)]
    assert competition.submission(submission).attempt == 3
    assert [act for act, _, _ in told(competition)] == ["detached", "attached"]


def test_a_change_that_makes_no_sense_is_refused_and_changes_nothing(
    competition: Competition, zoos: ZooStore, newer: int, tmp_path: Path
) -> None:
    db, phase = competition.db, competition.phase_id
    unchecked = add_zoo(db, zoos, make_tiny_zoo(tmp_path / "new", "new"), source="folder", user_id=None)
    submission = competition.submit(competition.user())
    refused: list[tuple[str, Callable[[], object]]] = [
        ("tiny@1 already", lambda: attach_zoo(db, phase, newer, None)),
        ("tiny@1 already", lambda: attach_zoo(db, phase, 1, None)),
        ("another zoo than", lambda: replace_zoo(db, phase, 2, newer, None)),
        ("tiny@1 already", lambda: replace_zoo(db, phase, 1, 1, None)),
        ("new@1 is checking", lambda: attach_zoo(db, phase, unchecked, None)),
        ("new@1 is checking", lambda: replace_zoo(db, phase, 1, unchecked, None)),
        ("no zoo with id 99", lambda: attach_zoo(db, phase, 99, None)),
        ("does not use", lambda: replace_zoo(db, phase, newer, newer, None)),
        ("does not use", lambda: detach_zoo(db, phase, newer, None)),
        ("no phase with id 99", lambda: attach_zoo(db, 99, newer, None)),
    ]
    for match, act in refused:
        with pytest.raises(CompetitionError, match=match):
            act()
    assert detach_zoo(db, phase, 2, None) == 1
    with pytest.raises(CompetitionError, match="at least one zoo"):
        detach_zoo(db, phase, 1, None)
    assert zoos_of(competition) == [1]
    assert competition.submission(submission).attempt == 2
    assert [act for act, _, _ in told(competition)] == ["detached"]


def test_the_smoke_zoo_follows_the_replacement(
    any_db: Database, store: BundleStore, tiny_zoo: Path, other_zoo: Path, newer: int
) -> None:
    competition = make_competition(any_db, store, [tiny_zoo, other_zoo])

    def smoke_zoo_id() -> int | None:
        with any_db.read() as session:
            return session.get_one(PhaseRecord, competition.phase_id).smoke_zoo_id

    with any_db.write() as session:
        session.get_one(PhaseRecord, competition.phase_id).smoke_zoo_id = zoos_of(competition)[0]
    replace_zoo(any_db, competition.phase_id, zoos_of(competition)[0], newer, None)
    assert smoke_zoo_id() == newer
    detach_zoo(any_db, competition.phase_id, newer, None)
    assert smoke_zoo_id() is None


@pytest.mark.parametrize("is_on_record", [True, False])
def test_a_worker_finds_at_its_start_what_a_crash_has_left_in_a_phase_that_an_organizer_changed(
    competition: Competition, newer: int, is_on_record: bool
) -> None:
    ada = competition.user()
    submissions = [competition.submit(ada), competition.submit(ada)]
    competition.work_through()
    with competition.db.write() as session:  # what `replace_zoo` commits before the first new attempt
        phase = session.get_one(PhaseRecord, competition.phase_id)
        session.delete(phase.zoo_links[0])
        session.flush()
        session.add(PhaseZooRecord(position=0, phase=phase, zoo=session.get_one(ZooRecord, newer)))
        if is_on_record:
            record_act(session, REPLACED, user_id=None, phase_id=phase.id)
    assert rerun_outdated(competition.db) == (2 if is_on_record else 0)
    attempts = [competition.submission(submission).attempt for submission in submissions]
    assert attempts == ([2, 2] if is_on_record else [1, 1])
    assert rerun_outdated(competition.db) == 0
