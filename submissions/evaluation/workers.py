"""The worker processes on record: their sandboxes' layers, and when each was last heard from.

Workers write their own row at start and at every sweep; the health endpoint and the organizers' page read the rows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from submissions.storage.database import Database
from submissions.storage.records import WorkerRecord, copied, utc_now

FORGOTTEN_AFTER = timedelta(days=1)
MISSED_SWEEPS = 3
GRACE_S = 10.0


@dataclass(frozen=True)
class Worker:
    """One worker process.

    Attributes
    ----------
    slots : int
        Networks evaluated at the same time.
    layers : Mapping[str, bool]
        Name of a sandbox layer → whether it worked when the worker tested it.
    refusal : str or None
        Why the worker takes no work, if it does not.
    is_alive : bool
        Whether it was heard from recently.
    """

    name: str
    slots: int
    backend: str
    layers: Mapping[str, bool]
    refusal: str | None
    started_at: datetime
    seen_at: datetime
    is_alive: bool


def enter(
    db: Database,
    name: str,
    *,
    slots: int,
    backend: str,
    layers: Mapping[str, bool],
    refusal: str | None,
    dead: Collection[str] = (),
) -> None:
    """Record a starting worker, and forget workers that are known to be dead or silent for a day.

    Parameters
    ----------
    name : str
        Unique per process.
    layers : Mapping[str, bool]
        Name of a sandbox layer → whether it worked when tested.
    refusal : str or None
        Why the worker takes no work, if it does not.
    dead : Collection[str], optional
        Names of workers known to be dead.
    """
    with db.write() as session:
        is_dead = WorkerRecord.name.in_([*dead, name])  # a process id may come again
        session.execute(delete(WorkerRecord).where(is_dead | (WorkerRecord.seen_at < utc_now() - FORGOTTEN_AFTER)))
        worker = WorkerRecord(name=name, slots=slots, backend=backend, layers=dict(layers), refusal=refusal)
        session.add(worker)


def seen(db: Database, name: str) -> None:
    """Record that the worker is alive."""
    with db.write() as session:
        session.execute(update(WorkerRecord).where(WorkerRecord.name == name).values(seen_at=utc_now()))


def leave(db: Database, name: str) -> None:
    """Forget a worker that stops regularly."""
    with db.write() as session:
        session.execute(delete(WorkerRecord).where(WorkerRecord.name == name))


def known_workers(session: Session, *, sweep_s: float, now: datetime | None = None) -> tuple[Worker, ...]:
    """Return every worker on record, by name. One that missed three sweeps is not alive.

    Parameters
    ----------
    sweep_s : float
        Seconds between two sweeps of a worker.
    """
    last = (now or utc_now()) - timedelta(seconds=MISSED_SWEEPS * sweep_s + GRACE_S)
    return tuple(
        copied(Worker, record, is_alive=record.seen_at >= last)
        for record in session.scalars(select(WorkerRecord).order_by(WorkerRecord.name))
    )
