"""A worker process ends on SIGTERM: whichever of its threads gets the signal, and while the database is locked."""

import ctypes
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from submissions.evaluation import queue
from submissions.evaluation.workers import Worker, known_workers
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from submissions.storage.states import State
from tests.services import wait_until
from tests.worker.worker_processes import SLOW, has_ended, prepared, worker

_libc = ctypes.CDLL(None)


def main_thread(threads: list[int]) -> int:
    return threads[0]


def another_thread(threads: list[int]) -> int:
    return threads[-1]


def on_record(db: Database) -> tuple[Worker, ...]:
    with db.read() as session:
        return known_workers(session, sweep_s=1.0)


@pytest.mark.parametrize("choose", [pytest.param(main_thread, marks=pytest.mark.thorough), another_thread])
def test_sigterm_ends_a_worker(settings: Settings, choose: Callable[[list[int]], int]) -> None:
    db = Database(settings.effective_database_url)
    migrate(db)
    with worker(settings) as child:
        assert child.process is not None
        wait_until(lambda: len(on_record(db)) == 1, "a worker on record")
        pid = child.process.pid
        thread = choose(sorted(int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()))
        assert _libc.tgkill(pid, thread, signal.SIGTERM) == 0
        assert child.process.wait(timeout=30) == 0, child.log.read_text()
    assert on_record(db) == ()
    db.close()


@pytest.mark.thorough
def test_a_worker_ends_while_its_database_is_locked_and_another_one_finishes_its_work(
    settings: Settings, tiny_zoo: Path
) -> None:
    with prepared(settings, tiny_zoo) as competition:
        submission_id = competition.submit(competition.user(), SLOW)
        with worker(settings) as stopped, closing(sqlite3.connect(settings.home / "gengap.sqlite")) as other:
            assert stopped.process is not None
            wait_until(lambda: bool(queue.owners(competition.db)), "a claim")
            wait_until(lambda: begins_to_write(other), "the lock")
            stopped.process.terminate()
            assert stopped.process.wait(timeout=60) == 0, stopped.log.read_text()
            other.rollback()
        with worker(settings):
            wait_until(has_ended(competition, submission_id), "the submission")
        assert competition.submission(submission_id).state is State.SCORED


def begins_to_write(connection: sqlite3.Connection) -> bool:
    with suppress(sqlite3.OperationalError):  # others write in between
        connection.execute("BEGIN IMMEDIATE")
        return True
    return False
