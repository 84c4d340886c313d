"""The version of a phase's leaderboard: counted up by every transaction that changes what the board shows."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy import update as change
from sqlalchemy.orm import Session

from submissions.storage.records import PhaseRecord, PhaseZooRecord, StandingRecord


def next_version(session: Session, phase_id: int) -> None:
    """Move the phase's board on to its next version: cached pages of it are out of date.

    Until the transaction ends nobody else changes this phase's standings.
    """
    session.execute(
        change(PhaseRecord)
        .where(PhaseRecord.id == phase_id)
        .values(board_version=PhaseRecord.board_version + 1)
        .execution_options(synchronize_session=False)
    )


def name_changed(session: Session, entrants: Collection[str]) -> None:
    """Somebody on leaderboards has another name now: the boards are to be shown anew."""
    phases = session.scalars(
        select(StandingRecord.phase_id).where(StandingRecord.entrant.in_(entrants)).distinct()
    ).all()
    for phase_id in sorted(phases):
        next_version(session, phase_id)


def references_changed(session: Session, zoo_id: int) -> None:
    """A zoo has another check: boards over it show what chance gets there."""
    for phase_id in session.scalars(select(PhaseZooRecord.phase_id).where(PhaseZooRecord.zoo_id == zoo_id)).all():
        next_version(session, phase_id)
