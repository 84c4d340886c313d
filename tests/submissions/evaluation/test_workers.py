"""Workers on record: who is there, who is silent, who is forgotten."""

from datetime import timedelta

import pytest

from submissions.evaluation import workers
from submissions.storage.database import Database
from submissions.storage.records import utc_now

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
    workers.leave(any_db, "host/1")
    assert known(any_db) == {"host/2": True}


def test_a_start_forgets_the_dead_and_takes_the_place_of_its_own_number(any_db: Database) -> None:
    enter(any_db, "host/1")
    enter(any_db, "host/2", slots=7)
    enter(any_db, "host/2", dead=["host/1"])
    assert known(any_db) == {"host/2": True}
