"""The audit log: who did what to which zoo, phase or submission. Entries are written in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import String, cast, select
from sqlalchemy.orm import Session

from submissions.storage.records import ActRecord, CompetitionRecord, PhaseRecord, UserRecord, ZooRecord


@dataclass(frozen=True)
class Act:
    """One entry of the log. `user_name` is None for the command line."""

    at: datetime
    user_name: str | None
    act: str
    zoo: str | None
    phase: str | None
    detail: str


def record_act(
    session: Session,
    act: str,
    *,
    user_id: int | None,
    zoo_id: int | None = None,
    phase_id: int | None = None,
    detail: str = "",
) -> None:
    """Add an entry in the caller's transaction.

    Parameters
    ----------
    act : str
        What was done, in words.
    user_id : int or None
        Who did it; None for the command line.
    """
    session.add(ActRecord(act=act, user_id=user_id, zoo_id=zoo_id, phase_id=phase_id, detail=detail))


def acts(
    session: Session, *, zoo_id: int | None = None, phase_id: int | None = None, limit: int = 100
) -> Sequence[Act]:
    """Return the entries about this zoo or phase (None: about any), the newest first."""
    zoo = ZooRecord.name + "@" + cast(ZooRecord.version, String)
    phase = CompetitionRecord.slug + "/" + PhaseRecord.slug
    query = (
        select(ActRecord.at, UserRecord.name, ActRecord.act, zoo, phase, ActRecord.detail)
        .outerjoin(UserRecord, UserRecord.id == ActRecord.user_id)
        .outerjoin(ZooRecord, ZooRecord.id == ActRecord.zoo_id)
        .outerjoin(PhaseRecord, PhaseRecord.id == ActRecord.phase_id)
        .outerjoin(CompetitionRecord, CompetitionRecord.id == PhaseRecord.competition_id)
        .order_by(ActRecord.id.desc())
        .limit(limit)
    )
    if zoo_id is not None:
        query = query.where(ActRecord.zoo_id == zoo_id)
    if phase_id is not None:
        query = query.where(ActRecord.phase_id == phase_id)
    return tuple(Act(*row) for row in session.execute(query))
