"""The version of a phase's leaderboard: counted up by every transaction that changes what the board shows."""

from collections.abc import Collection

from sqlalchemy import Select, select
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


def appearance_changed(session: Session, phase_ids: Select[int]) -> None:
    """What these phases' boards show beside their standings has changed, such as a title or a name.

    Rank intervals follow from the standings alone: those that were up to date still are.
    """
    for phase_id in sorted(set(session.scalars(phase_ids))):
        session.execute(
            change(PhaseRecord)
            .where(PhaseRecord.id == phase_id)
            .values(
                board_version=PhaseRecord.board_version + 1,
                intervals_version=PhaseRecord.intervals_version + 1,
            )
            .execution_options(synchronize_session=False)
        )


def name_changed(session: Session, entrants: Collection[str]) -> None:
    """Somebody on leaderboards has another name now."""
    appearance_changed(session, select(StandingRecord.phase_id).where(StandingRecord.entrant.in_(entrants)))


def references_changed(session: Session, zoo_id: int) -> None:
    """A zoo has another check: boards over it show what chance gets there."""
    appearance_changed(session, select(PhaseZooRecord.phase_id).where(PhaseZooRecord.zoo_id == zoo_id))
