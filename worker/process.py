"""One worker process: a Celery worker whose threads are slots, and a sweeper. `gengap worker` runs it.

Threads, not Celery's forks: the work happens in sandboxes, a slot only watches; one process can stop its
sandboxes in good order, and a sandbox must be started from a thread that lives on (see `sandbox.spawn`).
"""

import logging
import os
import socket
from typing import Any

from celery import Celery, bootsteps, signals
from kombu.exceptions import KombuError
from sqlalchemy.exc import SQLAlchemyError

from submissions import queue
from submissions.bundle import BundleLimits
from submissions.database import Database
from submissions.settings import Settings
from submissions.store import BundleStore
from worker.celery_app import WORK, make_celery
from worker.evaluator import Evaluator
from worker.hints import send_hint
from worker.sandbox.pool import SandboxPool, make_pool

_log = logging.getLogger(__name__)


def run_worker(settings: Settings, *, log_level: str = "INFO") -> int:
    """Work until SIGTERM or SIGINT; then give unfinished runs back and end every sandbox. The exit status."""
    db = Database(settings.effective_database_url)
    pool = make_pool(settings.sandbox, settings.worker_slots)
    try:
        evaluator = make_evaluator(settings, db, pool)
        _return_runs_of_the_dead(db)
        app = make_celery(settings)
        _register_task(app, settings, db, evaluator)
        app.steps["worker"].add(_sweeper(settings, db, evaluator))

        def stop(**_: Any) -> None:
            evaluator.stop()

        signals.worker_shutting_down.connect(stop, weak=False)
        worker = app.Worker(
            pool="threads",
            concurrency=settings.worker_slots,
            loglevel=log_level,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            hostname=f"gengap-{os.getpid()}@{socket.gethostname()}",
        )
        worker.start()
        return int(worker.exitcode or 0)
    finally:
        pool.close()
        db.close()


def make_evaluator(settings: Settings, db: Database, pool: SandboxPool) -> Evaluator:
    return Evaluator(
        db,
        BundleStore(settings.store_folder),
        pool,
        owner_prefix=f"{socket.gethostname()}/{os.getpid()}",
        lease_s=settings.lease_s,
        limits=BundleLimits.of(settings),
    )


def _register_task(app: Celery, settings: Settings, db: Database, evaluator: Evaluator) -> None:
    def work() -> None:
        if evaluator.free_slots > 1 and queue.pending(db) > 0:
            send_hint(settings)  # wake the next slot; each slot wakes one more
        evaluator.work()

    app.task(work, name=WORK, ignore_result=True)


def _sweeper(settings: Settings, db: Database, evaluator: Evaluator) -> type[bootsteps.StartStopStep]:
    """A worker step that, every few seconds, returns expired leases and hints at work that lies waiting."""

    def sweep() -> None:
        try:
            waiting = queue.sweep(db)
            if waiting and evaluator.free_slots:
                send_hint(settings)
        except (SQLAlchemyError, KombuError, OSError):
            _log.exception("the sweep failed; the next one tries again")

    class Sweeper(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.components:Timer",)

        def __init__(self, parent: Any, **options: Any) -> None:
            super().__init__(parent, **options)
            self._entry: Any = None

        def start(self, parent: Any) -> None:
            sweep()
            self._entry = parent.timer.call_repeatedly(settings.sweep_s, sweep)

        def stop(self, parent: Any) -> None:
            if self._entry is not None:
                self._entry.cancel()

    return Sweeper


def _return_runs_of_the_dead(db: Database) -> None:
    """Runs held by processes of this host that no longer exist need not wait for their leases."""
    host = socket.gethostname()
    dead = [owner for owner in queue.owners(db) if _is_dead(owner, host)]
    if dead and (count := queue.return_runs_of(db, dead)):
        _log.warning("%d runs of a worker that died were returned to the queue", count)


def _is_dead(owner: str, host: str) -> bool:
    owner_host, pid, *_ = owner.split("/")
    if owner_host != host or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return int(pid) == os.getpid()
