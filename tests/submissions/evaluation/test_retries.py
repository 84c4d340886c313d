"""Runs that end through no fault of their measure: who gets them next, when, and when their submission is given up."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from submissions.evaluation import queue, retries
from submissions.evaluation.failure_disclosure import OurFault, our_fault_text
from submissions.storage.records import RunRecord
from submissions.storage.states import State
from tests.factories import Competition

pytestmark = pytest.mark.both_databases
on_sqlite = pytest.mark.parametrize("any_db", ["sqlite"], indirect=True)  # where the SQL is that of other tests

START = datetime.fromisoformat("2026-01-01T12:00:00+00:00")
LEASE_S = 60.0
S, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def run_claimed(competition: Competition, worker: str, at: datetime) -> int | None:
    """The run that a worker gets if it asks for one."""
    claim = queue.claim(competition.db, f"{worker}/1", batch=1, lease_s=LEASE_S, now=at)
    return None if claim is None else claim.runs[0].id


def fail(competition: Competition, worker: str, at: datetime) -> int | None:
    """Let a worker claim a run and fail it through a fault of ours."""
    run_id = run_claimed(competition, worker, at)
    if run_id is not None:
        queue.give_back_broken(competition.db, run_id, f"{worker}/1", OurFault.SANDBOX, "broken", at)
    return run_id


def lose(competition: Competition, worker: str, at: datetime, batch: int = 1) -> int:
    """Let a worker claim runs and end in the first; return how many went back."""
    queue.claim(competition.db, f"{worker}/1", batch=batch, lease_s=LEASE_S, now=at)
    return queue.return_runs_of(competition.db, [f"{worker}/1"], at)


def keep_one(competition: Competition) -> int:
    """A submission all of whose networks but one have a value; the id of the run that is left."""
    competition.submit(competition.user())
    left: int | None = None
    while (claim := queue.claim(competition.db, "others/1", batch=50, lease_s=LEASE_S, now=START)) is not None:
        for run in claim.runs:
            if left is None:
                left = run.id
            else:
                assert competition.record(claim, run)
    assert queue.release(competition.db, "others/1") == 1
    assert left is not None
    return left


def state(competition: Competition) -> State:
    return competition.submission(1).state


def test_a_run_that_one_worker_failed_goes_to_another_at_once_and_back_after_a_pause(competition: Competition) -> None:
    run_id = keep_one(competition)
    assert fail(competition, "bad", START) == run_id
    assert run_claimed(competition, "bad", START + 10 * S - S / 1000) is None
    assert queue.pending(competition.db, START) == 1
    assert run_claimed(competition, "good", START) == run_id
    assert queue.release(competition.db, "good/1") == 1
    assert run_claimed(competition, "bad", START + 10 * S) == run_id


def test_a_worker_whose_name_begins_alike_is_another(competition: Competition) -> None:
    run_id = keep_one(competition)
    assert fail(competition, "host/12", START) == run_id
    for other in ("host/1", "host", "host/123", "host/_2", "%"):
        assert run_claimed(competition, other, START) == run_id
        queue.release(competition.db, f"{other}/1")


def test_of_a_batch_a_worker_gets_what_it_has_not_failed(competition: Competition) -> None:
    competition.submit(competition.user())
    failed = fail(competition, "w", START)
    claim = queue.claim(competition.db, "w/2", batch=50, lease_s=LEASE_S, now=START)
    assert claim is not None
    assert (len(claim.runs), failed in {run.id for run in claim.runs}) == (7, False)


@on_sqlite
def test_a_single_worker_goes_on_with_growing_pauses_for_an_hour(competition: Competition) -> None:
    run_id = keep_one(competition)
    moment, tried_at = START, []
    while fail(competition, "alone", moment) == run_id:
        tried_at.append((moment - START) / S)
        with competition.db.read() as session:
            run = session.get(RunRecord, run_id)
        if run is None:  # given up
            break
        moment = run.not_before or START
        assert run_claimed(competition, "alone", moment - S) is None
    assert state(competition) is State.BROKEN
    assert tried_at == [0, 10, 20, 40, 80, 160, 320, 640, 1280, 2180, 3080, 3980]
    assert competition.submission(1).detail == (
        "The sandbox of a worker failed; the log of the workers says more (12 tries)"
    )


@on_sqlite
def test_however_many_workers_fail_at_once_the_run_waits_for_better_times(competition: Competition) -> None:
    """As when the store is away for a minute."""
    run_id = keep_one(competition)
    workers = [f"w{number}" for number in range(15)]
    for seconds in range(50):
        for worker in workers[seconds % 5 :: 5]:
            fail(competition, worker, START + seconds * S)
    assert state(competition) is State.RUNNING
    assert run_claimed(competition, "w0", START + 2 * MINUTE) == run_id


@on_sqlite
def test_after_a_long_wait_in_the_queue_two_tries_are_not_enough_to_give_up(competition: Competition) -> None:
    run_id = keep_one(competition)
    for days in range(retries.MAX_TRIES - 1):
        assert fail(competition, "w", START + timedelta(days=days)) == run_id
    assert state(competition) is State.RUNNING
    assert fail(competition, "w", START + timedelta(days=9)) == run_id
    assert state(competition) is State.BROKEN


@on_sqlite
def test_names_of_workers_do_not_pile_up(competition: Competition) -> None:
    """A worker that is started again and again has a new name each time."""
    run_id = keep_one(competition)
    for number in range(40):
        assert fail(competition, f"host/{number:090}", START) == run_id
    with competition.db.read() as session:
        assert len(session.get_one(RunRecord, run_id).failed_on or "") < 20 * 100
    assert run_claimed(competition, f"host/{39:090}", START) is None


@on_sqlite
def test_workers_that_die_do_not_use_up_the_tries(competition: Competition) -> None:
    run_id = keep_one(competition)
    for number in range(retries.FREE_LOSSES):
        assert lose(competition, f"w{number}", START) == 1
    assert fail(competition, "w", START) == run_id
    with competition.db.read() as session:
        run = session.get_one(RunRecord, run_id)
    assert (run.losses, run.tries, state(competition)) == (retries.FREE_LOSSES, 1, State.RUNNING)


def test_only_the_run_that_its_worker_was_at_counts_a_loss(competition: Competition) -> None:
    """Its first one has a value by then."""
    competition.submit(competition.user())
    claim = queue.claim(competition.db, "w/1", batch=5, lease_s=LEASE_S, now=START)
    assert claim is not None
    first, second, *_ = claim.runs
    assert competition.record(claim, first)
    queue.sweep(competition.db, START + timedelta(seconds=LEASE_S) + S)
    assert queue.pending(competition.db, START + timedelta(seconds=LEASE_S) + S) == 19
    with competition.db.read() as session:
        losses = {run.id: run.losses for run in session.scalars(select(RunRecord))}
    assert losses[second.id] == 1
    assert sum(losses.values()) == 1


def test_each_worker_that_is_swept_loses_one_run(competition: Competition) -> None:
    competition.submit(competition.user())
    at = [queue.claim(competition.db, f"w{n}/1", batch=3, lease_s=LEASE_S, now=START) for n in range(2)]
    queue.sweep(competition.db, START + timedelta(seconds=LEASE_S) + S)
    assert queue.pending(competition.db, START + timedelta(seconds=LEASE_S) + S) == 20
    with competition.db.read() as session:
        lost = set(session.scalars(select(RunRecord.id).where(RunRecord.losses == 1)))
    assert lost == {claim.runs[0].id for claim in at if claim is not None}


@on_sqlite
def test_runs_that_had_not_begun_never_pay(competition: Competition) -> None:
    """Its worker dies again and again while it is at another network of the same claim."""
    submission = competition.submit(competition.user())
    moment = START
    for number in range(retries.MAX_LOSSES - 1):
        is_paused = number > retries.FREE_LOSSES  # a paused run is claimed alone
        assert lose(competition, "w", moment, batch=8) == (1 if is_paused else 8)
        moment += retries.LONGEST_PAUSE
    with competition.db.read() as session:
        losses = sorted(session.scalars(select(RunRecord.losses)))
    assert losses == [0] * 7 + [retries.MAX_LOSSES - 1]
    assert competition.submission(submission).state is State.RUNNING


@on_sqlite
def test_a_measure_that_ends_its_workers_is_given_up_after_more_than_an_hour(competition: Competition) -> None:
    keep_one(competition)
    moment, lost_at = START, list[float]()
    while state(competition) is not State.BROKEN:
        if lose(competition, f"w{len(lost_at)}", moment):
            lost_at.append((moment - START) / MINUTE)
        moment += MINUTE
    assert lost_at == [0, 1, 2, 3, 5, 9, 17, 32, 47, 62]
    assert competition.submission(1).detail == "10 workers ended or fell silent while they evaluated one network"
    assert queue.pending(competition.db) == 0


def test_a_run_that_was_lost_often_waits_for_every_worker(competition: Competition) -> None:
    run_id = keep_one(competition)
    assert fail(competition, "first", START) == run_id
    for number in range(retries.FREE_LOSSES + 1):
        assert lose(competition, f"w{number}", START) == 1
    assert run_claimed(competition, "fresh", START + MINUTE - S) is None
    assert run_claimed(competition, "fresh", START + MINUTE) == run_id


@on_sqlite
def test_a_worker_that_stops_in_good_order_costs_nothing(competition: Competition) -> None:
    keep_one(competition)
    for _ in range(3 * retries.MAX_LOSSES):
        assert run_claimed(competition, "w", START) is not None
        assert queue.release(competition.db, "w/1") == 1
    assert lose(competition, "w", START) == 1
    assert run_claimed(competition, "w", START) is not None


@pytest.mark.parametrize("fault", OurFault)
def test_what_is_stored_of_a_fault_of_ours_has_no_path_and_no_host(fault: OurFault) -> None:
    digests = [letter * 64 for letter in "abcde"]
    paths = " ".join(f"/srv/{digest}.safetensors" for digest in digests)
    text = our_fault_text(fault, f"db.example:5432: {paths} {digests[0]}: [Errno 28] {'f' * 65}\nC:\\home")
    assert text == f"{fault.value} (sha256 {', '.join(digests[:3])}); the log of the workers says more"
    assert our_fault_text(fault, "") == f"{fault.value}; the log of the workers says more"
