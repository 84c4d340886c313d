"""One worker process: threads of its own that claim, evaluate, sweep, report and send mail, and Celery beside them.

`gengap worker` runs it.

The database is the queue, and everything here looks into it regularly; Celery's messages only wake a thread sooner, so
a broker that is away, or does not answer, holds nothing up. It uses threads, not forks: the work happens in sandboxes
and a slot only watches; one process can stop all of its sandboxes, and a sandbox must be started from a thread that
lives on (see `sandbox.spawn`). While this worker is not well (`self_check`), it evaluates nothing and does no job on a
zoo, and goes on with the rest.
"""

import contextlib
import importlib.metadata
import logging
import os
import queue as queues
import signal
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from model_zoo.store import ZooStore
from submissions.competitions import phase_zoos
from submissions.competitions.starting_kit import KitMaker
from submissions.evaluation import queue, workers
from submissions.evaluation.score_computation import Rescoring
from submissions.intake.bundle import BundleLimits
from submissions.intake.bundle_store import BundleStore
from submissions.leaderboard import rank_intervals
from submissions.retention import Retention
from submissions.settings import Settings
from submissions.storage import idempotency
from submissions.storage.database import Database
from submissions.zoos import jobs, uploads
from submissions.zoos.zoo_store import make_zoo_store
from worker import process_lock
from worker.celery_app import EVALUATE, MAIL, ZOO
from worker.consumer import Consumer
from worker.evaluator import Evaluator
from worker.loops import Loop, Slots, stop_all
from worker.mailer import Mailer
from worker.sandbox.pool import SandboxPool, make_pool
from worker.self_check import SelfCheck
from worker.zoo_intake.job_supervisor import ZooJobs

STOP_S = 6.0  # for threads to give back what they hold; one that is starting a sandbox may take longer
GIVE_BACK_S = 5.0  # for the database, twice; with all other waits a worker ends in less than half a minute
CELERY_STOP_S = 2.0
SIGNAL_LOOK_S = 1.0
FORGOTTEN_PICTURES_S = 600.0  # between two looks for those that a worker that died has not drawn
_log = logging.getLogger(__name__)

PictureStep = Callable[[Database, ZooStore], Callable[[], object]]


def run_worker(settings: Settings, picture_step: PictureStep) -> int:
    """Work until SIGTERM or SIGINT, then give unfinished runs back and end every sandbox; return the exit status.

    picture_step: makes the step that draws the pictures of what has been scored.
    """
    db = Database(settings.effective_database_url)
    pool = make_pool(settings, settings.worker_slots)
    worker_id = workers.new_id()
    try:
        with _signals() as stopped, process_lock.held(_locks(settings), worker_id):
            _return_work_of_the_dead(settings, db)
            phase_zoos.rerun_outdated(db)
            with Mailer(settings, db) as mailer:
                _Worker(settings, db, pool, worker_id, mailer, picture_step).work_until(stopped)
        return 0
    finally:
        pool.close()
        _within(GIVE_BACK_S, "leave", lambda: workers.forget(db, [worker_id]))
        db.close()


@contextmanager
def _signals() -> Iterator["queues.SimpleQueue[int]"]:
    """A queue that gets an item with the first SIGTERM or SIGINT; the second one has its usual effect."""
    received: queues.SimpleQueue[int] = queues.SimpleQueue()  # the only one that a signal's handler may use
    numbers = (signal.SIGTERM, signal.SIGINT)

    def note(number: int, _frame: object) -> None:
        received.put(number)
        restore()

    def restore() -> None:
        for one, handler in before.items():
            signal.signal(one, handler)

    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield received
    finally:
        restore()


class _Worker:
    """The parts of a worker process, and its threads."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        pool: SandboxPool,
        worker_id: str,
        mailer: Mailer,
        picture_step: PictureStep,
    ) -> None:
        self._settings = settings
        self._db = db
        self._id = worker_id
        self._is_on_record = False
        bundles, zoo_store = BundleStore(settings.store_folder), make_zoo_store(settings)
        self._check = SelfCheck(
            pool,
            db,
            bundles,
            zoo_store,
            minimum=settings.sandbox_minimum,
            report=self._report,
            pause_s=settings.sweep_s,
        )
        self._evaluator = Evaluator(
            db,
            bundles,
            zoo_store,
            pool,
            owner_prefix=worker_id,
            lease_s=settings.lease_s,
            bundle_limits=BundleLimits.of(settings),
            wake=lambda: self._slots.wake(),
            scored=lambda: self._pictures.wake(),
            check=self._check,
        )
        self._pictures = Loop("pictures", picture_step(db, zoo_store), FORGOTTEN_PICTURES_S)
        self._zoo_jobs = ZooJobs(settings, db, owner_prefix=worker_id)
        self._rescoring = Rescoring(db, zoo_store)
        self._retention = Retention(db, settings)
        self._slots = Slots(settings.worker_slots, self._evaluator.work)
        self._zoo_loop = Loop("zoo-jobs", self._do_zoo_jobs, settings.look_s)
        self._loops: tuple[Loop | Slots, ...] = (
            self._slots,
            self._zoo_loop,
            self._pictures,
            Loop("look", self._slots.wake, settings.look_s),
            Loop("sweep", self._sweep, settings.sweep_s),
            Loop("heartbeat", lambda: workers.seen(db, worker_id), settings.sweep_s),
            Loop("self-check", self._check.step, settings.sweep_s),
            Loop("kits", KitMaker(settings, db, zoo_store).step, settings.sweep_s),
        )
        self._consumer = Consumer(
            settings,
            db,
            f"gengap-{worker_id}@{socket.gethostname()}",
            {EVALUATE: self._slots.wake, ZOO: self._zoo_loop.wake, MAIL: mailer.wake},
        )

    def work_until(self, stopped: "queues.SimpleQueue[int]") -> None:
        """Run all threads until there is an item in the queue; then give everything back."""
        try:
            for loop in self._loops:
                loop.start()
            self._consumer.start()
            _wait_for_item(stopped)
        finally:
            self._consumer.stop()
            self._evaluator.stop()
            self._zoo_jobs.stop()
            stop_all(self._loops, STOP_S)
            _within(GIVE_BACK_S, "give back", self._give_back)
            self._consumer.join(CELERY_STOP_S)

    def _give_back(self) -> None:
        for owner in _owned_by({self._id}, queue.owners(self._db)):
            queue.release(self._db, owner)

    def _do_zoo_jobs(self) -> None:
        if self._check.is_well:
            self._zoo_jobs.work()

    def _sweep(self) -> None:
        """Give back expired leases and the work of dead neighbours, and catch up on what was interrupted."""
        _return_work_of_the_dead(self._settings, self._db)
        queue.sweep(self._db)
        jobs.sweep(self._db)
        uploads.sweep_uploads(self._db, self._settings)
        rank_intervals.catch_up(self._db)
        if self._rescoring.step():
            self._pictures.wake()
        self._retention.step()
        idempotency.sweep(self._db)

    def _report(self, layers: Mapping[str, bool], refusal: str | None) -> None:
        if self._is_on_record:
            workers.report(self._db, self._id, layers=layers, refusal=refusal)
        else:
            workers.enter(
                self._db,
                self._id,
                slots=self._settings.worker_slots,
                backend=self._settings.sandbox,
                layers=layers,
                refusal=refusal,
                host=socket.gethostname(),
                pid=os.getpid(),
                version=importlib.metadata.version("gengap"),
            )
            self._is_on_record = True
        if refusal is None:
            self._slots.wake()
            self._zoo_loop.wake()


def _wait_for_item(received: "queues.SimpleQueue[int]") -> None:
    """Wait in short pieces: a signal that the kernel gives to another thread does not end the main thread's wait."""
    while True:
        with contextlib.suppress(queues.Empty):
            received.get(timeout=SIGNAL_LOOK_S)
            return


def _owned_by(worker_ids: Collection[str], owners: Collection[str]) -> list[str]:
    """Return the owners of leases whose names begin with one of the ids."""
    return [owner for owner in owners if owner.split("/")[0] in worker_ids]


def _within(seconds: float, name: str, step: Callable[[], object]) -> None:
    """Do it, but wait no longer for a database that does not answer: other workers see that this one has ended."""

    def attempt() -> None:
        try:
            step()
        except SQLAlchemyError:
            _log.exception("%s failed; other workers do it", name)

    thread = threading.Thread(target=attempt, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        _log.warning("%s: the database did not answer within %g s; other workers do it", name, seconds)


def _locks(settings: Settings) -> Path:
    return settings.home / "workers"


def _return_work_of_the_dead(settings: Settings, db: Database) -> None:
    """Give back what workers of this machine held that have died, without waiting for their leases."""
    works = (queue.owners, queue.return_runs_of, "runs"), (jobs.owners, jobs.return_jobs_of, "jobs on zoos")
    with process_lock.dead_workers(_locks(settings)) as dead:
        if not dead:
            return
        for owners, give_back, what in works:
            lost = _owned_by(dead, owners(db))
            if lost and (count := give_back(db, lost)):
                _log.warning("%d %s of a worker that died were returned to the queue", count, what)
        workers.forget(db, dead)
