"""One job on a zoo in a separate process: the zoo is fetched, imported or trained, checked, and stored.

`worker.zoo_intake.job_supervisor` starts `python -m worker.zoo_intake.job_process` and writes to its stdin which job
of which settings; the process records its progress in the database itself and ends the job there. Exit status 0: the
job has ended, done or failed because of its input; anything else is our fault, and another attempt may follow.
"""

import json
import logging
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from model_zoo import ZooError
from model_zoo.checks.report import CheckReport, Verdict
from model_zoo.store import ZooStore
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.records import JobKind, ZooRecord, ZooState
from submissions.zoos import jobs, uploads
from submissions.zoos.allowed_sources import SourceError
from submissions.zoos.registry import add_zoo, begin_check, give_up_check, record_check
from submissions.zoos.uploads import UploadError
from submissions.zoos.zoo_store import make_zoo_store
from worker.zoo_intake.archives import ArchiveError
from worker.zoo_intake.origins import Request, bring
from worker.zoo_intake.zoo_check import CheckError, check

NICENESS = 10
TELL_EVERY_S = 1.0
_SHOWN_ERRORS = 10
_log = logging.getLogger(__name__)


class LeaseLost(Exception):  # noqa: N818  (no fault: somebody else has the job now)
    """The job belongs to another worker now."""


class CheckRefused(Exception):  # noqa: N818  (a refusal is an answer, not a malfunction)
    """The check found errors so severe that the store cannot keep the files."""


FAULTS_OF_THE_ZOO = (ZooError, CheckError, ArchiveError, SourceError, UploadError, CheckRefused)


@dataclass
class ProgressReport:
    """Records progress in the database: at most once a second, and at every new stage (a text's first word).

    Raises LeaseLost once another worker has the job.
    """

    db: Database
    job: jobs.Job
    _next_at: float = field(default=0.0, init=False)
    _stage: str | None = field(default=None, init=False)

    def __call__(self, done: int, total: int, text: str) -> None:
        now, stage = time.monotonic(), text.partition(" ")[0]
        if now < self._next_at and stage == self._stage:
            return
        self._next_at, self._stage = now + TELL_EVERY_S, stage
        if not jobs.progress(self.db, self.job.id, self.job.owner, done, total, text):
            raise LeaseLost


def run_job(settings: Settings, db: Database, store: ZooStore, job: jobs.Job) -> None:
    """Do the job and record its end: done, or failed with a sentence for the organizer."""
    watch = ProgressReport(db, job)
    folder = settings.home / "zoo_jobs" / str(job.id)
    try:
        if job.kind is JobKind.RECHECK:
            zoo_id = _recheck(settings, db, store, job, watch)
        else:
            zoo_id = _bring_in(settings, db, store, job, folder, watch)
    except FAULTS_OF_THE_ZOO as error:
        if job.kind is JobKind.RECHECK and job.zoo_id is not None:
            give_up_check(db, job.zoo_id)
        jobs.fail(db, job.id, job.owner, str(error))
    else:
        jobs.finish(db, job.id, job.owner, zoo_id)
    shutil.rmtree(folder, ignore_errors=True)
    if job.kind is JobKind.UPLOAD:
        uploads.remove_upload(db, settings, str(job.arguments["upload"]))


def _bring_in(
    settings: Settings, db: Database, store: ZooStore, job: jobs.Job, folder: Path, watch: ProgressReport
) -> int:
    scratch, kept = folder / "attempt", folder / "kept"
    shutil.rmtree(scratch, ignore_errors=True)  # of an attempt that was killed
    scratch.mkdir(parents=True, mode=0o700)
    kept.mkdir(exist_ok=True, mode=0o700)
    found = bring(job.kind, Request(settings, db, job.arguments, scratch, kept, watch))
    report = check(found.folder, watch, settings)
    state = ZooState.REFUSED if report.verdict is Verdict.ERROR else ZooState.CHECKING
    try:
        zoo_id = add_zoo(db, store, found.folder, source=found.source, user_id=job.user_id, state=state, watch=watch)
    except ZooError as error:
        if report.verdict is not Verdict.ERROR:
            raise
        raise CheckRefused(_told(report)) from error
    record_check(db, zoo_id, report, user_id=job.user_id)
    return zoo_id


def _recheck(settings: Settings, db: Database, store: ZooStore, job: jobs.Job, watch: ProgressReport) -> int:
    if job.zoo_id is None:
        raise ZooError("The job does not say which zoo it is about.")
    with db.read() as session:
        record = session.get_one(ZooRecord, job.zoo_id)
    begin_check(db, record.id)
    watch(0, 1, "fetching")
    zoo = store.open(record.manifest_sha256)
    with store.fetched(zoo):
        report = check(zoo.folder, watch, settings)
    record_check(db, record.id, report, user_id=job.user_id)
    return record.id


def _told(report: CheckReport) -> str:
    errors = report.of(Verdict.ERROR)
    lines = [f"{item.name}: {item.text} {item.advice}".rstrip() for item in errors[:_SHOWN_ERRORS]]
    more = [f"and {len(errors) - _SHOWN_ERRORS} more"] if len(errors) > _SHOWN_ERRORS else []
    return "\n".join(["The zoo is refused: its files do not match its zoo.json.", *lines, *more])


def main() -> int:
    """Do the job that stdin names. The process is the leader of a process group, which ends with it."""
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    os.nice(NICENESS)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    told = json.load(sys.stdin)
    settings = Settings.model_validate(told["settings"])
    job = jobs.Job(**(told["job"] | {"kind": JobKind(told["job"]["kind"])}))
    db = Database(settings.effective_database_url)
    try:
        run_job(settings, db, make_zoo_store(settings), job)
    except LeaseLost:
        _log.warning("job %d is no longer ours", job.id)
    finally:
        db.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
