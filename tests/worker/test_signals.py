"""A worker process ends on SIGTERM, whichever of its threads the kernel gives the signal to."""

import ctypes
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from server.demo.processes import Child, environment_with, running
from submissions.evaluation.workers import Worker, known_workers
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from tests.services import wait_until

_libc = ctypes.CDLL(None)


def main_thread(threads: list[int]) -> int:
    return threads[0]


def another_thread(threads: list[int]) -> int:
    return threads[-1]


def on_record(db: Database) -> tuple[Worker, ...]:
    with db.read() as session:
        return known_workers(session, sweep_s=1.0)


@pytest.mark.parametrize("choose", [main_thread, another_thread])
def test_sigterm_ends_a_worker(settings: Settings, choose: Callable[[list[int]], int]) -> None:
    db = Database(settings.effective_database_url)
    migrate(db)
    child = Child("worker", ("worker",), environment_with(settings.model_dump()), settings.home / "worker.log")
    with running([child]):
        assert child.process is not None
        wait_until(lambda: len(on_record(db)) == 1, "a worker on record")
        pid = child.process.pid
        thread = choose(sorted(int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()))
        assert _libc.tgkill(pid, thread, signal.SIGTERM) == 0
        assert child.process.wait(timeout=30) == 0, child.log.read_text()
    assert on_record(db) == ()
    db.close()
