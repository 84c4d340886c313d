"""Workers on record: who is there, who is silent, who is forgotten."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from submissions.evaluation import workers
from submissions.storage.database import Database
from submissions.storage.records import WorkerRecord, utc_now

pytestmark = pytest.mark.both_databases

SWEEP_S = 5.0


def enter(db: Database, name: str, **fields: object) -> None:
    told: dict[str, object] = {
        "slots": 2,
        "backend": "bubblewrap",
        "layers": {"seccomp": True, "landlock": False},
        "refusal": None,
        **fields,
    }
    workers.enter(db, name, **told)  # type: ignore[arg-type]


def known(db: Database, later_s: float = 0.0) -> dict[str, bool]:
    """Whether each worker on record is alive, some seconds from now."""
    with db.read() as session:
        now = utc_now() + timedelta(seconds=later_s)
        return {worker.name: worker.is_alive for worker in workers.known_workers(session, sweep_s=SWEEP_S, now=now)}


def test_a_worker_tells_what_it_is(any_db: Database) -> None:
    enter(any_db, "host/1", refusal="Its sandbox lacks seccomp.")
    with any_db.read() as session:
        (worker,) = workers.known_workers(session, sweep_s=SWEEP_S)
    assert (worker.name, worker.slots, worker.backend) == ("host/1", 2, "bubblewrap")
    assert worker.layers == {"seccomp": True, "landlock": False}
    assert worker.refusal == "Its sandbox lacks seccomp."


def test_a_worker_that_misses_three_sweeps_is_silent(any_db: Database) -> None:
    enter(any_db, "host/1")
    assert known(any_db) == {"host/1": True}
    assert known(any_db, later_s=3 * SWEEP_S + 11) == {"host/1": False}


def test_a_worker_that_is_seen_stays_alive(any_db: Database) -> None:
    enter(any_db, "host/1")
    with any_db.read() as session:
        (before,) = workers.known_workers(session, sweep_s=SWEEP_S)
    workers.seen(any_db, "host/1")
    with any_db.read() as session:
        (after,) = workers.known_workers(session, sweep_s=SWEEP_S)
    assert after.seen_at > before.seen_at
    assert after.started_at == before.started_at


def test_a_worker_that_stops_is_forgotten(any_db: Database) -> None:
    enter(any_db, "host/1")
    enter(any_db, "host/2")
    workers.forget(any_db, ["host/1"])
    assert known(any_db) == {"host/2": True}


def test_a_start_forgets_those_that_have_been_silent_for_a_day(any_db: Database) -> None:
    enter(any_db, "host/1")
    with any_db.write() as session:
        session.execute(update(WorkerRecord).values(seen_at=utc_now() - timedelta(days=1, seconds=1)))
    enter(any_db, "host/2")
    assert known(any_db) == {"host/2": True}


def test_workers_of_the_same_host_and_number_are_different(any_db: Database) -> None:
    ids = [workers.new_id() for _ in range(2)]
    for one in ids:
        enter(any_db, one, host="container", pid=1, version="1.0")
    with any_db.read() as session:
        told = workers.known_workers(session, sweep_s=SWEEP_S)
    assert [worker.name for worker in told] == ["container/1"] * 2
    assert {worker.id for worker in told} == set(ids)
    assert len(set(ids)) == 2


def test_a_worker_that_ceases_to_take_work_says_why(any_db: Database) -> None:
    enter(any_db, "host/1")
    workers.report(any_db, "host/1", layers={"seccomp": False}, refusal="It cannot read the zoos.")
    with any_db.read() as session:
        (worker,) = workers.known_workers(session, sweep_s=SWEEP_S)
    assert (worker.refusal, worker.layers, worker.slots) == ("It cannot read the zoos.", {"seccomp": False}, 2)
