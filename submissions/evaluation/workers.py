"""The worker processes on record: their sandboxes' layers, and when each was last heard from.

A worker has a random id. It writes its own row at start, at every sweep, and when it begins or ceases to take work; the
health endpoint and the organizers' page read the rows.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from submissions.storage.database import Database
from submissions.storage.records import SubmissionRecord, WorkerRecord, ZooRecord, ZooState, copied, utc_now

FORGOTTEN_AFTER = timedelta(days=1)
MISSED_SWEEPS = 3
GRACE_S = 10.0


@dataclass(frozen=True)
class Worker:
    """One worker process.

    Attributes
    ----------
    id : str
        Random; the names of its leases begin with it.
    host, pid, version : str, int, str
        Where it runs, and which release of Gengap; to be shown.
    slots : int
        Networks evaluated at the same time.
    layers : Mapping[str, bool]
        Name of a sandbox layer → whether it worked when the worker tested it.
    refusal : str or None
        Why the worker takes no work, if it does not.
    is_alive : bool
        Whether it was heard from recently.
    """

    id: str
    host: str
    pid: int
    version: str
    slots: int
    backend: str
    layers: Mapping[str, bool]
    refusal: str | None
    started_at: datetime
    seen_at: datetime
    is_alive: bool

    @property
    def name(self) -> str:
        """What people call it: host and process id. Two workers may have the same."""
        return f"{self.host}/{self.pid}" if self.host else self.id


def new_id() -> str:
    """Return a random id for a worker that starts."""
    return secrets.token_hex(8)


def enter(
    db: Database,
    worker_id: str,
    *,
    slots: int,
    backend: str,
    layers: Mapping[str, bool],
    refusal: str | None,
    host: str = "",
    pid: int = 0,
    version: str = "",
) -> None:
    """Record a starting worker, and forget workers that have been silent for a day.

    Parameters
    ----------
    layers : Mapping[str, bool]
        Name of a sandbox layer → whether it worked when tested.
    refusal : str or None
        Why the worker takes no work, if it does not.
    host, pid, version : str, int, str
        To be shown.
    """
    with db.write() as session:
        session.execute(delete(WorkerRecord).where(WorkerRecord.seen_at < utc_now() - FORGOTTEN_AFTER))
        record = WorkerRecord(
            id=worker_id,
            slots=slots,
            backend=backend,
            layers=dict(layers),
            refusal=refusal,
            host=host,
            pid=pid,
            version=version,
        )
        session.add(record)


def report(db: Database, worker_id: str, *, layers: Mapping[str, bool], refusal: str | None) -> None:
    """Record that a worker ceases to take work, or takes it again.

    Parameters
    ----------
    layers, refusal
        As in `enter`.
    """
    _update(db, worker_id, layers=dict(layers), refusal=refusal, seen_at=utc_now())


def seen(db: Database, worker_id: str) -> None:
    """Record that the worker is alive."""
    _update(db, worker_id, seen_at=utc_now())


def _update(db: Database, worker_id: str, **values: object) -> None:
    with db.write() as session:
        session.execute(update(WorkerRecord).where(WorkerRecord.id == worker_id).values(**values))


def forget(db: Database, worker_ids: Collection[str]) -> None:
    """Remove workers that stop, or are known to be dead, from the record."""
    with db.write() as session:
        session.execute(delete(WorkerRecord).where(WorkerRecord.id.in_(worker_ids)))


def latest_objects(session: Session, most: int = 5) -> tuple[Sequence[str], Sequence[str]]:
    """Return what every able worker can read: the sha256 of the latest uploads, and of the latest zoos' manifests."""
    uploads = select(SubmissionRecord.bundle_sha256).order_by(SubmissionRecord.id.desc()).limit(most)
    ready = select(ZooRecord.manifest_sha256).where(ZooRecord.state == ZooState.READY)
    zoos = ready.order_by(ZooRecord.id.desc()).limit(most)
    return session.scalars(uploads).all(), session.scalars(zoos).all()


def known_workers(session: Session, *, sweep_s: float, now: datetime | None = None) -> tuple[Worker, ...]:
    """Return every worker on record, by host. One that missed three sweeps is not alive.

    Parameters
    ----------
    sweep_s : float
        Seconds between two sweeps of a worker.
    """
    last = (now or utc_now()) - timedelta(seconds=MISSED_SWEEPS * sweep_s + GRACE_S)
    return tuple(
        copied(Worker, record, is_alive=record.seen_at >= last)
        for record in session.scalars(
            select(WorkerRecord).order_by(WorkerRecord.host, WorkerRecord.pid, WorkerRecord.id)
        )
    )
