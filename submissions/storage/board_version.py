"""The version of a phase's leaderboard, increased by every transaction that changes what the board shows."""

from collections.abc import Collection

from sqlalchemy import Select, select
from sqlalchemy import update as change
from sqlalchemy.orm import InstrumentedAttribute, Session

from submissions.storage.records import PhaseRecord, PhaseZooRecord, StandingRecord


def next_version(session: Session, phase_id: int) -> None:
    """Increase the version of the phase's board, so that cached pages become invalid.

    This locks the phase's standings until the transaction ends.
    """
    _increase(session, phase_id, PhaseRecord.board_version)


def appearance_changed(session: Session, phase_ids: Select[int]) -> None:
    """What these phases' boards show beside their standings has changed, such as a title or a name.

    Rank intervals follow from the standings alone: those that were up to date still are.
    """
    for phase_id in sorted(set(session.scalars(phase_ids))):
        _increase(session, phase_id, PhaseRecord.board_version, PhaseRecord.intervals_version)


def name_changed(session: Session, entrants: Collection[str]) -> None:
    """Increase the versions of all boards with these entrants, because a name has changed."""
    appearance_changed(session, select(StandingRecord.phase_id).where(StandingRecord.entrant.in_(entrants)))


def references_changed(session: Session, zoo_id: int) -> None:
    """Increase the versions of all boards over a zoo, because its check and so its references have changed."""
    appearance_changed(session, select(PhaseZooRecord.phase_id).where(PhaseZooRecord.zoo_id == zoo_id))


def _increase(session: Session, phase_id: int, *versions: InstrumentedAttribute[int]) -> None:
    values = {version: version + 1 for version in versions}
    statement = change(PhaseRecord).where(PhaseRecord.id == phase_id).values(values)
    session.execute(statement.execution_options(synchronize_session=False))
