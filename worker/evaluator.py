"""Evaluates measures: claimed runs from the database. `worker.zoo_evaluation` evaluates a whole zoo without one.

It gives code and network files to a sandbox and gets an outcome back. `submissions.evaluation.outcomes` decides what
an outcome means for a submission.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from model_zoo import Zoo, ZooError
from model_zoo.store import ZooStore
from scoring import ScoringError
from submissions.evaluation import outcomes, queue
from submissions.evaluation.failure_disclosure import OurFault
from submissions.intake.bundle import BundleError, BundleLimits
from submissions.intake.bundle_store import BundleStore, StoreError
from submissions.intake.upload_reader import ReadingFailed, read_apart, stored_code
from submissions.leaderboard import rank_intervals
from submissions.storage.database import Database
from submissions.storage.records import Purpose
from worker.sandbox.pool import SandboxPool
from worker.sandbox.protocol import Code, Limits, Outcome, Sandbox, SandboxError, Value, ZooCodeError, seed_of
from worker.self_check import SelfCheck
from worker.zoo_evaluation import network_files

WATCH_S = 0.5  # seconds between two checks whether a claim is lost, for example because it was cancelled
LEAST_WALL_S = 0.001  # where a pooled limit is used up: the network then fails at once
_OUR_FAULTS: dict[type[Exception], OurFault] = {  # the first that fits
    ZooCodeError: OurFault.ARCHITECTURE,
    SandboxError: OurFault.SANDBOX,
    ZooError: OurFault.ZOO,
    StoreError: OurFault.UPLOAD,
    BundleError: OurFault.UPLOAD,
    ReadingFailed: OurFault.UPLOAD,
    ScoringError: OurFault.SCORE,
    OSError: OurFault.FILES,
}
_log = logging.getLogger(__name__)


@dataclass
class Evaluator:
    """Claims and evaluates runs for one worker process. `work` runs in one thread per slot; `stop` ends them all.

    owner_prefix: the worker's id, with which the names of its leases begin. wake: called when there may be runs for
    another slot. scored: called when a submission may have been scored. check: says whether this worker takes work.
    """

    db: Database
    store: BundleStore
    zoos: ZooStore
    pool: SandboxPool
    owner_prefix: str
    lease_s: float
    bundle_limits: BundleLimits
    wake: Callable[[], None]
    scored: Callable[[], None]
    check: SelfCheck
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)

    def work(self) -> int:
        """Claim and evaluate runs until none is pending; return the number of networks evaluated."""
        evaluated = 0
        with self.pool.borrow() as sandbox:
            while not self._stopping.is_set() and self.check.is_well:
                owner = f"{self.owner_prefix}/{uuid.uuid4().hex[:12]}"
                claim = queue.claim(self.db, owner, batch=queue.BATCH, lease_s=self.lease_s)
                if claim is None:
                    break
                self.wake()  # there may be more
                with (
                    _watched(self.db, owner, self.lease_s, sandbox, self._stopping),
                    self._faults_counted(claim.submission_id),
                ):
                    evaluated += self._evaluate(claim, sandbox)
                if claim.purpose is Purpose.SMOKE:
                    self.wake()
                elif claim.purpose is Purpose.SCORE:
                    self._catch_up()
        return evaluated

    @contextmanager
    def _faults_counted(self, submission_id: int) -> Iterator[None]:
        """Count what nobody foresaw as a fault of ours; a database that is away says nothing about this worker."""
        try:
            yield
        except SQLAlchemyError:
            raise
        except Exception:
            self.check.note_fault(submission_id)
            raise

    def _catch_up(self) -> None:
        """Have pictures drawn and compute rank intervals, if that was the last value of a submission."""
        self.scored()
        try:
            rank_intervals.catch_up(self.db)
        except SQLAlchemyError:
            _log.exception("rank intervals could not be computed; a sweep tries again")

    def stop(self) -> None:
        """Start no further network, interrupt those being evaluated and give their runs back."""
        self._stopping.set()
        self.pool.interrupt()

    def _evaluate(self, claim: queue.Claim, sandbox: Sandbox) -> int:
        evaluated = 0
        work: tuple[Code, Zoo] | None = None
        for run in claim.runs:
            if self._stopping.is_set() or not self.check.is_well:
                break
            try:
                is_first = work is None  # of the claim, or after a fault of ours
                work = work or (self._code(claim), self.zoos.open(claim.zoo_sha256))
                code, zoo = work
                if is_first or claim.is_pooled:
                    sandbox.start(code, self._limits(claim))
                seed = seed_of(claim.bundle_sha256, run.network_id)
                files = network_files(zoo, run.network_id, code.track)
                names = [path.relative_to(zoo.folder).as_posix() for _, path in files.named]
                with self.zoos.fetched(zoo, names):
                    outcome = sandbox.evaluate(files, seed)
                is_wanted = self._record(claim, run, outcome, dict(sandbox.layers))
            except tuple(_OUR_FAULTS) as error:
                if self._stopping.is_set() or queue.held_by(self.db, claim.owner) == 0:
                    break
                _log.error("submission %d, our fault: %s", claim.submission_id, error)
                fault = next(fault for kind, fault in _OUR_FAULTS.items() if isinstance(error, kind))
                self.check.note_fault(claim.submission_id)
                queue.give_back_broken(self.db, run.id, claim.owner, fault, str(error))
                work = None
                continue
            if isinstance(outcome, Value):
                self.check.note_value()
            evaluated += 1
            if not is_wanted:
                break
        queue.release(self.db, claim.owner)
        return evaluated

    def _code(self, claim: queue.Claim) -> Code:
        read = partial(read_apart, limits=self.bundle_limits)
        code = stored_code(self.store, claim.filename, claim.bundle_sha256, read)
        return Code(code.files, claim.bundle_sha256, code.track)

    def _limits(self, claim: queue.Claim) -> Limits:
        """The phase's limits; where its wall time is pooled, the next network may take all that is left of it."""
        left_s = queue.pooled_left_s(self.db, claim.evaluation_id) if claim.is_pooled else None
        return claim.limits if left_s is None else replace(claim.limits, wall_s=max(left_s, LEAST_WALL_S))

    def _record(self, claim: queue.Claim, run: queue.ClaimedRun, outcome: Outcome, layers: dict[str, bool]) -> bool:
        """Record the outcome; return whether the rest of the claim is still wanted."""
        if isinstance(outcome, Value):
            return outcomes.record_value(
                self.db,
                self.zoos,
                run.id,
                claim.owner,
                value=outcome.value,
                wall_s=outcome.wall_s,
                cpu_s=outcome.cpu_s,
                peak_bytes=outcome.peak_bytes,
                layers=layers,
            )
        is_known = outcomes.record_failure(
            self.db,
            run.id,
            claim.owner,
            reason=outcome.reason,
            detail=outcome.detail,
            message=outcome.message,
            log=outcome.log,
            wall_s=outcome.wall_s,
            cpu_s=outcome.cpu_s,
            peak_bytes=outcome.peak_bytes,
            layers=layers,
        )
        return is_known and claim.purpose is Purpose.REPEAT


@contextmanager
def _watched(db: Database, owner: str, lease_s: float, sandbox: Sandbox, stopping: threading.Event) -> Iterator[None]:
    """Renew the lease of a claim while its runs are evaluated, and interrupt the sandbox once the claim is lost.

    A claim is lost when the submission was cancelled or failed elsewhere, or another worker has the lease. The sandbox
    is interrupted at every check from then on, since the first interrupt may fall between two networks.
    """
    done = threading.Event()

    def watch() -> None:
        beats = max(1, int(lease_s / 3 / WATCH_S))
        count = 0
        while not done.wait(min(WATCH_S, lease_s / 3)):
            count += 1
            try:
                held = queue.heartbeat(db, owner, lease_s=lease_s) if count % beats == 0 else queue.held_by(db, owner)
            except SQLAlchemyError:  # a database that is away for a moment must not end the watch
                _log.exception("the lease of %s could not be looked up", owner)
                continue
            if held == 0 or stopping.is_set():
                sandbox.interrupt()

    thread = threading.Thread(target=watch, name="lease-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
