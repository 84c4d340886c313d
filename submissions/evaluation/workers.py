"""The worker processes on record: their sandboxes' layers, and when each was last heard from.

Workers write their own row at start and at every sweep; the health endpoint and the organizers' page read the rows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from submissions.storage.database import Database
from submissions.storage.records import WorkerRecord, utc_now

FORGOTTEN_AFTER = timedelta(days=1)
MISSED_SWEEPS = 3
GRACE_S = 10.0


@dataclass(frozen=True)
class Worker:
    """One worker process.

    Attributes
    ----------
    slots : int
        networks evaluated at the same time.
    layers : Mapping[str, bool]
        name of a sandbox layer → whether it worked when the worker tested it.
    refusal : str or None
        why the worker takes no work, if it does not.
    is_alive : bool
        whether it was heard from recently.
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
        unique per process.
    layers : Mapping[str, bool]
        name of a sandbox layer → whether it worked when tested.
    refusal : str or None
        why the worker takes no work, if it does not.
    dead : Collection[str], optional
        names of workers known to be dead.
    """
    moment = utc_now()
    with db.write() as session:
        gone = or_(
            WorkerRecord.name.in_([*dead, name]),  # a process id may come again
            WorkerRecord.seen_at < moment - FORGOTTEN_AFTER,
        )
        session.execute(delete(WorkerRecord).where(gone))
        session.add(
            WorkerRecord(
                name=name,
                slots=slots,
                backend=backend,
                layers=dict(layers),
                refusal=refusal,
                started_at=moment,
                seen_at=moment,
            )
        )


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
        seconds between two sweeps of a worker.
    """
    last = (now or utc_now()) - timedelta(seconds=MISSED_SWEEPS * sweep_s + GRACE_S)
    return tuple(
        Worker(
            name=record.name,
            slots=record.slots,
            backend=record.backend,
            layers=record.layers,
            refusal=record.refusal,
            started_at=record.started_at,
            seen_at=record.seen_at,
            is_alive=record.seen_at >= last,
        )
        for record in session.scalars(select(WorkerRecord).order_by(WorkerRecord.name))
    )
