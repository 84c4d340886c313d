"""The version of a phase's leaderboard, increased by every transaction that changes what the board shows."""

from collections.abc import Collection

from sqlalchemy import Select, select
from sqlalchemy import update as change
from sqlalchemy.orm import Session

from submissions.storage.records import PhaseRecord, PhaseZooRecord, StandingRecord


def next_version(session: Session, phase_id: int) -> None:
    """Increase the version of the phase's board, so that cached pages become invalid.

    This locks the phase's standings until the transaction ends.
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
    """Increase the versions of all boards with these entrants, because a name has changed."""
    appearance_changed(session, select(StandingRecord.phase_id).where(StandingRecord.entrant.in_(entrants)))


def references_changed(session: Session, zoo_id: int) -> None:
    """Increase the versions of all boards over a zoo, because its check and so its references have changed."""
    appearance_changed(session, select(PhaseZooRecord.phase_id).where(PhaseZooRecord.zoo_id == zoo_id))
