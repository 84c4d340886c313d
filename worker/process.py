"""One worker process: a Celery worker whose threads are slots, with one more for zoos, a sweeper and a mailer.

`gengap worker` runs it.

It uses threads, not Celery's forks: the work happens in sandboxes and a slot only watches; one process can stop all of
its sandboxes, and a sandbox must be started from a thread that lives on (see `sandbox.spawn`). Where the sandbox lacks
a required layer, the process takes no work and only reports that, in the log and in the database.
"""

import logging
import os
import signal
import socket
import threading
from collections.abc import Mapping
from typing import Any

from celery import Celery, bootsteps, signals
from kombu.exceptions import KombuError
from sqlalchemy.exc import SQLAlchemyError

from submissions.competitions import phase_zoos
from submissions.evaluation import queue, workers
from submissions.evaluation.score_computation import Rescoring
from submissions.intake.bundle import BundleLimits
from submissions.intake.bundle_store import BundleStore
from submissions.leaderboard import rank_intervals
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.zoos import jobs, uploads
from submissions.zoos.zoo_store import make_zoo_store
from worker.celery_app import MAIL, WORK, ZOO_WORK, make_celery
from worker.evaluator import Evaluator
from worker.hints import send_hint, send_zoo_hint
from worker.mailer import Mailer
from worker.sandbox.layers.layer_table import missing
from worker.sandbox.pool import SandboxPool, make_pool
from worker.sandbox.protocol import SandboxError
from worker.zoo_intake.job_supervisor import ZooJobs

ZOO_SLOTS = 1  # threads besides those that evaluate: training a zoo must not delay submissions
SWEEPS_TO_A_NEW_TRIAL = 12
_log = logging.getLogger(__name__)


def run_worker(settings: Settings, *, log_level: str = "INFO") -> int:
    """Work until SIGTERM or SIGINT, then give unfinished runs back and end every sandbox; return the exit status."""
    db = Database(settings.effective_database_url)
    pool = make_pool(settings, settings.worker_slots)
    name = f"{socket.gethostname()}/{os.getpid()}"
    try:
        _return_work_of_the_dead(db)
        phase_zoos.rerun_outdated(db)
        with Mailer(settings, db) as mailer:  # also where the sandbox is not good enough for anything else
            return _work(settings, db, pool, name, mailer, log_level) if _is_able(settings, db, pool, name) else 0
    finally:
        pool.close()
        _leave(db, name)
        db.close()


def _is_able(settings: Settings, db: Database, pool: SandboxPool, name: str) -> bool:
    """Record this worker, and wait until its sandbox is good enough; return False if it was stopped before that.

    While it waits it takes no hints, which other workers could use. A sandbox that does not start (an engine that is
    not running yet) is tried again regularly; a missing layer stays missing until the worker is restarted.
    """
    refusal = _enter(settings, db, pool, name)
    if refusal is None:
        return True
    ended = threading.Event()
    handlers = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    said = None
    while refusal is not None:
        if refusal != said:
            _log.error("This worker takes no work. %s More: gengap doctor", refusal)
            said = refusal
        for _ in range(SWEEPS_TO_A_NEW_TRIAL):
            if ended.wait(settings.sweep_s):
                return False
            _note(db, name)
        refusal = _enter(settings, db, pool, name)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return not ended.is_set()


def _note(db: Database, name: str) -> None:
    try:
        workers.seen(db, name)
    except SQLAlchemyError:
        _log.exception("the worker's heartbeat could not be recorded; the next one tries again")


def _leave(db: Database, name: str) -> None:
    try:
        workers.leave(db, name)
    except SQLAlchemyError:
        _log.exception("the worker's record could not be removed; it will be shown as silent")


def _enter(settings: Settings, db: Database, pool: SandboxPool, name: str) -> str | None:
    """Try the sandbox and record this worker. Return why it takes no work, or None if it does."""
    layers: Mapping[str, bool] = {}
    try:
        layers = pool.layers()
        lacking = missing(layers, settings.sandbox_minimum)
        refusal = f"Its sandbox lacks {', '.join(lacking)}." if lacking else None
    except SandboxError as error:
        refusal = f"Its sandbox does not start: {error}."
    with db.read() as session:
        known = [worker.name for worker in workers.known_workers(session, sweep_s=settings.sweep_s)]
    workers.enter(
        db,
        name,
        slots=settings.worker_slots,
        backend=settings.sandbox,
        layers=layers,
        refusal=refusal,
        dead=[other for other in known if _is_dead(other, socket.gethostname())],
    )
    return refusal


def _work(settings: Settings, db: Database, pool: SandboxPool, name: str, mailer: Mailer, log_level: str) -> int:
    evaluator = make_evaluator(settings, db, pool, name)
    zoos = ZooJobs(settings, db, owner_prefix=name)
    app = make_celery(settings)
    _register_tasks(app, settings, db, evaluator, zoos, mailer)
    app.steps["worker"].add(_sweeper(settings, db, evaluator, zoos, name))

    def stop(**_: Any) -> None:
        evaluator.stop()
        zoos.stop()

    signals.worker_shutting_down.connect(stop, weak=False)
    worker = app.Worker(
        pool="threads",
        concurrency=settings.worker_slots + ZOO_SLOTS,
        loglevel=log_level,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        hostname=f"gengap-{os.getpid()}@{socket.gethostname()}",
    )
    worker.start()
    return int(worker.exitcode or 0)


def make_evaluator(settings: Settings, db: Database, pool: SandboxPool, name: str) -> Evaluator:
    def wake() -> None:
        if evaluator.free_slots and queue.pending(db, worker=name) > 0:
            send_hint(settings)

    evaluator = Evaluator(
        db,
        BundleStore(settings.store_folder),
        make_zoo_store(settings),
        pool,
        owner_prefix=name,
        lease_s=settings.lease_s,
        bundle_limits=BundleLimits.of(settings),
        wake=wake,
    )
    return evaluator


def _register_tasks(
    app: Celery, settings: Settings, db: Database, evaluator: Evaluator, zoos: ZooJobs, mailer: Mailer
) -> None:
    def work() -> None:
        if not evaluator.free_slots:
            return  # the thread for zoos must not wait for a slot; the threads that hold one look again
        if evaluator.free_slots > 1 and queue.pending(db, worker=evaluator.owner_prefix) > 0:
            send_hint(settings)  # wake the next slot; each slot wakes one more
        evaluator.work()

    app.task(work, name=WORK, ignore_result=True)
    app.task(zoos.work, name=ZOO_WORK, ignore_result=True)
    app.task(mailer.wake, name=MAIL, ignore_result=True)


def _sweeper(
    settings: Settings, db: Database, evaluator: Evaluator, zoos: ZooJobs, name: str
) -> type[bootsteps.StartStopStep]:
    """Return a worker step that regularly gives back expired leases and sends hints for work that is waiting."""

    rescoring = Rescoring(db, make_zoo_store(settings))

    def sweep() -> None:
        try:
            workers.seen(db, name)
            waiting = queue.sweep(db, worker=name)
            if waiting and evaluator.free_slots:
                send_hint(settings)
            if jobs.sweep(db) and zoos.is_free:
                send_zoo_hint(settings)
            uploads.sweep_uploads(db, settings)
            rank_intervals.catch_up(db)
            rescoring.step()
        except (SQLAlchemyError, KombuError, OSError):
            _log.exception("the sweep failed; the next one tries again")

    class Sweeper(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.components:Timer",)
        _entry: Any = None

        def start(self, parent: Any) -> None:
            sweep()
            self._entry = parent.timer.call_repeatedly(settings.sweep_s, sweep)

        def stop(self, parent: Any) -> None:
            if self._entry is not None:
                self._entry.cancel()

    return Sweeper


def _return_work_of_the_dead(db: Database) -> None:
    """Give back the runs of this host's processes that no longer exist, without waiting for their leases."""
    host = socket.gethostname()
    works = (queue.owners, queue.return_runs_of, "runs"), (jobs.owners, jobs.return_jobs_of, "jobs on zoos")
    for owners, give_back, what in works:
        dead = [owner for owner in owners(db) if _is_dead(owner, host)]
        if dead and (count := give_back(db, dead)):
            _log.warning("%d %s of a worker that died were returned to the queue", count, what)


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
