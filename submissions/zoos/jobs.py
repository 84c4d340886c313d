"""The queue of long jobs on zoos in the database: uploads, folders, imports, recipes and checks.

Pages and commands enqueue jobs; a worker claims one at a time under a lease, reports its progress and ends it. Celery
messages are only hints. Every report names the owner of the lease, so that a late one changes nothing.
`worker.zoo_intake.job_supervisor` executes the jobs; `submissions.zoos.uploads` receives uploads.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from submissions.storage.database import Database
from submissions.storage.queries import count, rows_changed
from submissions.storage.records import JobKind, JobState, ZooJobRecord, ZooRecord, ZooState, copied, utc_now

MAX_TRIES = 3
LOST = "The worker that did this ended in the middle of it"
_MESSAGE_LENGTH = 2000


@dataclass(frozen=True)
class Job:
    """A claimed job. tries: the number of times it was begun, including this one."""

    id: int
    kind: JobKind
    arguments: Mapping[str, Any]
    zoo_id: int | None
    user_id: int | None
    owner: str
    tries: int


def enqueue(
    db: Database, kind: JobKind, arguments: Mapping[str, Any], user_id: int | None, *, zoo_id: int | None = None
) -> int:
    """Add a job to the queue.

    Parameters
    ----------
    arguments : Mapping[str, Any]
        Depend on `kind`.
    user_id : int or None
        Who requested it; None for the command line.
    zoo_id : int or None, optional
        The zoo of a repeated check.

    Returns
    -------
    int
        The id of the job.
    """
    with db.write() as session:
        return add_job(session, kind, arguments, user_id, zoo_id=zoo_id)


def add_job(
    session: Session, kind: JobKind, arguments: Mapping[str, Any], user_id: int | None, *, zoo_id: int | None = None
) -> int:
    """Add a job in the caller's transaction; otherwise the same as `enqueue`."""
    job = ZooJobRecord(kind=JobKind(kind), arguments=dict(arguments), user_id=user_id, zoo_id=zoo_id)
    session.add(job)
    session.flush()
    return job.id


def claim(db: Database, owner: str, lease_s: float, now: datetime | None = None) -> Job | None:
    """Claim the oldest waiting job for `owner`.

    Parameters
    ----------
    lease_s : float
        Seconds until the claim expires.

    Returns
    -------
    Job or None
        None if no job is waiting.
    """
    moment = now or utc_now()
    with db.write() as session:
        job = session.scalar(
            select(ZooJobRecord)
            .where(ZooJobRecord.state == JobState.QUEUED)
            .order_by(ZooJobRecord.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if job is None:
            return None
        job.state = JobState.RUNNING
        job.tries += 1
        job.lease_owner, job.lease_until = owner, moment + timedelta(seconds=lease_s)
        job.done, job.total, job.text = 0, 0, ""
        return copied(Job, job, owner=owner)


def heartbeat(db: Database, job_id: int, owner: str, lease_s: float, now: datetime | None = None) -> bool:
    """Extend the lease.

    Parameters
    ----------
    lease_s : float
        Seconds from now.

    Returns
    -------
    bool
        False if the lease was lost, so that the work is not needed.
    """
    return _report(db, job_id, owner, lease_until=(now or utc_now()) + timedelta(seconds=lease_s))


def progress(db: Database, job_id: int, owner: str, done: int, total: int, text: str) -> bool:
    """Report the progress of a job.

    Parameters
    ----------
    done, total : int
        Networks or bytes.
    text : str
        What the job is doing.

    Returns
    -------
    bool
        False if the lease was lost.
    """
    return _report(db, job_id, owner, done=done, total=total, text=text)


def finish(db: Database, job_id: int, owner: str, zoo_id: int | None) -> bool:
    """End the job as done.

    Returns
    -------
    bool
        False if the lease was lost.
    """
    return _report(db, job_id, owner, zoo_id=zoo_id, message=None, **_ended(JobState.DONE))


def fail(db: Database, job_id: int, owner: str, message: str) -> bool:
    """End the job as failed.

    Parameters
    ----------
    message : str
        A sentence for the organizer.

    Returns
    -------
    bool
        False if the lease was lost.
    """
    return _report(db, job_id, owner, message=message[:_MESSAGE_LENGTH], **_ended(JobState.FAILED))


def release(db: Database, job_id: int, owner: str) -> bool:
    """Return an unfinished job to the queue when its worker stops, without counting a try."""
    back = {"state": JobState.QUEUED, "lease_owner": None, "lease_until": None}
    return _report(db, job_id, owner, tries=ZooJobRecord.tries - 1, **back)


def _ended(state: JobState) -> dict[str, object]:
    return {"state": state, "finished_at": utc_now(), "lease_owner": None, "lease_until": None}


def _report(db: Database, job_id: int, owner: str, **values: object) -> bool:
    held = update(ZooJobRecord).where(
        ZooJobRecord.id == job_id, ZooJobRecord.state == JobState.RUNNING, ZooJobRecord.lease_owner == owner
    )
    with db.write() as session:
        return rows_changed(session, held.values(**values)) == 1


def sweep(db: Database, now: datetime | None = None) -> int:
    """Return jobs with expired leases to the queue, or fail them after MAX_TRIES.

    Returns
    -------
    int
        The number of waiting jobs.
    """
    _return_lost(db, ZooJobRecord.lease_until < (now or utc_now()))
    return waiting(db)


def return_jobs_of(db: Database, owners: Collection[str]) -> int:
    """Return the jobs of dead workers to the queue without waiting for their leases.

    Returns
    -------
    int
        The number of returned jobs.
    """
    return _return_lost(db, ZooJobRecord.lease_owner.in_(owners))


def _return_lost(db: Database, condition: ColumnElement[bool]) -> int:
    with db.write() as session:
        held = select(ZooJobRecord).where(ZooJobRecord.state == JobState.RUNNING, condition)
        lost = session.scalars(held.with_for_update(skip_locked=True)).all()
        for job in lost:
            job.lease_owner = job.lease_until = None
            if job.tries < MAX_TRIES:
                job.state = JobState.QUEUED
            else:
                job.state, job.finished_at = JobState.FAILED, utc_now()
                job.message = f"{LOST} ({job.tries} tries). The worker's log may show why."
                if job.zoo_id is not None:
                    leave_unchecked(session, job.zoo_id)
        return len(lost)


def leave_unchecked(session: Session, zoo_id: int) -> None:
    """Record that a check did not finish because of a fault of ours: a zoo that was being checked becomes failed."""
    zoo = session.get_one(ZooRecord, zoo_id, with_for_update=True)
    if zoo.state in (ZooState.ARRIVING, ZooState.CHECKING):
        zoo.state = ZooState.FAILED


def waiting(db: Database) -> int:
    """Return how many jobs wait to be claimed."""
    with db.read() as session:
        return count(session, ZooJobRecord, ZooJobRecord.state == JobState.QUEUED)


def owners(db: Database) -> set[str]:
    """Return the names of all lease holders."""
    with db.read() as session:
        held = session.scalars(select(ZooJobRecord.lease_owner).where(ZooJobRecord.state == JobState.RUNNING))
        return {owner for owner in held if owner is not None}


def find_job(session: Session, job_id: int) -> ZooJobRecord | None:
    """Return the job with this id, if any."""
    return session.get(ZooJobRecord, job_id)


def recent_jobs(session: Session, limit: int = 20) -> Sequence[ZooJobRecord]:
    """Return the open jobs, then ended ones, the newest first."""
    return session.scalars(select(ZooJobRecord).order_by(*open_first()).limit(limit)).all()


def open_first() -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Return an order of jobs: the open ones, then ended ones, the newest first."""
    return ZooJobRecord.state.in_((JobState.QUEUED, JobState.RUNNING)).desc(), ZooJobRecord.id.desc()
