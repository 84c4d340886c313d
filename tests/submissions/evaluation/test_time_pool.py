"""Pooled time: the recorded seconds of a zoo's networks together, whichever worker spent them."""

from pathlib import Path

import pytest

from submissions.evaluation import queue
from submissions.intake.bundle_store import BundleStore
from submissions.storage.database import Database
from submissions.storage.records import Purpose, TimeRule
from submissions.storage.states import Reason, State
from tests.factories import Competition, make_competition

pytestmark = pytest.mark.both_databases

LIMIT_S = 8 * 10.0


@pytest.fixture
def pooled(any_db: Database, store: BundleStore, tiny_zoo: Path) -> Competition:
    """A phase over 8 networks that have 80 seconds together."""
    return make_competition(any_db, store, [tiny_zoo], wall_s=10.0, time_rule=TimeRule.POOLED, smoke_networks=0)


def test_one_network_may_take_what_the_others_leave(pooled: Competition) -> None:
    submission = pooled.submit(pooled.user())
    claim = pooled.claim()
    assert claim is not None
    assert claim.is_pooled
    assert queue.pooled_left_s(pooled.db, claim.evaluation_id) == LIMIT_S
    for run, wall_s in zip(claim.runs, (73.0, *[1.0] * 7), strict=True):
        assert pooled.record(claim, run, float(run.id), wall_s)
    assert pooled.submission(submission).state is State.SCORED


def test_seconds_of_all_workers_count_together(pooled: Competition) -> None:
    submission = pooled.submit(pooled.user())
    claims = [pooled.claim("one", batch=4), pooled.claim("two", batch=4)]
    first, second = (claim for claim in claims if claim is not None)
    assert pooled.record(first, first.runs[0], wall_s=50.0)
    assert queue.pooled_left_s(pooled.db, second.evaluation_id) == pytest.approx(30.0)
    assert not pooled.record(second, second.runs[0], wall_s=30.5)
    told = pooled.progress(submission)
    assert (told.state, told.reason) == (State.FAILED, Reason.TIME_LIMIT)
    assert told.failure is not None
    assert told.failure.detail == "longer than the 80 s that all networks of the zoo have together (pooled)"
    assert told.failure.ordinal == 5


def test_a_network_that_is_ended_at_the_rest_of_the_time_fails_as_pooled(pooled: Competition) -> None:
    submission = pooled.submit(pooled.user())
    claim = pooled.claim()
    assert claim is not None
    assert pooled.record(claim, claim.runs[0], wall_s=79.0)
    assert pooled.fail(claim, claim.runs[1], Reason.TIME_LIMIT, detail="longer than 1 s", wall_s=1.01)
    assert "80 s that all networks" in (pooled.submission(submission).detail or "")


def test_the_pool_may_be_used_up_to_the_last_second_and_no_further(pooled: Competition) -> None:
    ada = pooled.user()
    whole, over = pooled.submit(ada), pooled.submit(ada)
    for last_s, is_in_time in ((10.0, True), (10.25, False)):
        claim = pooled.claim()
        assert claim is not None
        assert all(pooled.record(claim, run, float(run.id), 10.0) for run in claim.runs[:-1])
        assert pooled.record(claim, claim.runs[-1], 1.0, last_s) is is_in_time
    assert [pooled.submission(one).state for one in (whole, over)] == [State.SCORED, State.FAILED]


def test_a_network_that_takes_exactly_the_rest_of_the_time_fails_as_pooled(pooled: Competition) -> None:
    submission = pooled.submit(pooled.user())
    claim = pooled.claim()
    assert claim is not None
    assert pooled.record(claim, claim.runs[0], wall_s=79.0)
    assert pooled.fail(claim, claim.runs[1], Reason.TIME_LIMIT, detail="longer than 1 s", wall_s=1.0)
    assert "80 s that all networks" in (pooled.submission(submission).detail or "")


def test_a_network_that_used_up_its_processor_time_says_that(pooled: Competition) -> None:
    submission = pooled.submit(pooled.user())
    claim = pooled.claim()
    assert claim is not None
    assert pooled.fail(claim, claim.runs[0], Reason.TIME_LIMIT, detail="more processor time than 2 s", wall_s=2.1)
    assert pooled.submission(submission).detail == "more processor time than 2 s"


def test_a_smoke_run_has_the_time_of_its_own_networks(any_db: Database, store: BundleStore, tiny_zoo: Path) -> None:
    competition = make_competition(any_db, store, [tiny_zoo], wall_s=10.0, time_rule=TimeRule.POOLED)
    competition.submit(competition.user())
    claim = competition.claim()
    assert claim is not None
    assert claim.purpose is Purpose.SMOKE
    assert queue.pooled_left_s(any_db, claim.evaluation_id) == 20.0


@pytest.mark.parametrize("any_db", ["sqlite"], indirect=True)
def test_a_repeated_network_may_take_as_long_as_it_could_the_first_time(
    any_db: Database, store: BundleStore, tiny_zoo: Path
) -> None:
    competition = make_competition(
        any_db, store, [tiny_zoo], wall_s=10.0, time_rule=TimeRule.POOLED, smoke_networks=0, repeat_networks=2
    )
    competition.submit(competition.user())
    competition.work_through(Purpose.SCORE)
    queue.release(any_db, "w")
    claim = competition.claim()
    assert claim is not None
    assert (claim.purpose, len(claim.runs)) == (Purpose.REPEAT, 2)
    assert queue.pooled_left_s(any_db, claim.evaluation_id) == LIMIT_S


def test_a_phase_with_time_per_network_pools_nothing(competition: Competition) -> None:
    submission = competition.submit(competition.user())
    claim = competition.claim()
    assert claim is not None
    assert not claim.is_pooled
    assert queue.pooled_left_s(competition.db, claim.evaluation_id) is None
    assert competition.record(claim, claim.runs[0], wall_s=10_000.0)
    assert competition.fail(claim, claim.runs[1], Reason.TIME_LIMIT, detail="longer than 60 s", wall_s=60.0)
    assert competition.submission(submission).detail == "longer than 60 s"


def test_processor_seconds_of_the_phase_reach_the_claim(any_db: Database, store: BundleStore, tiny_zoo: Path) -> None:
    competition = make_competition(any_db, store, [tiny_zoo], cpu_s=7.5)
    competition.submit(competition.user())
    claim = competition.claim()
    assert claim is not None
    assert claim.limits.cpu_s == 7.5
