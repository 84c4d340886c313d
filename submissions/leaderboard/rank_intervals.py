"""Rank intervals: computed by workers after a board has changed, and stored, so that no page has to wait for them.

All pairs of a phase's entrants are compared, which takes a moment on a large board. Meanwhile the board shows the
previous intervals and says so.
"""

import threading
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from scoring import ComparisonError, Jackknives, RankInterval, rank_intervals
from submissions.leaderboard import standings
from submissions.results.disclosure import shows_steps
from submissions.results.jackknives import jackknives_of
from submissions.storage.database import Database
from submissions.storage.queries import as_dict
from submissions.storage.records import PhaseRecord, StandingRecord

_in_hand = threading.Lock()  # of this process: a second thread has nothing better to do than to go on


@dataclass(frozen=True)
class _Ranked:
    """The standings of one version of a board. submissions: entrant → the submission that counts.

    jackknives: of those that are compared; none where the board shows scores in steps.
    """

    version: int
    submissions: dict[str, int]
    jackknives: dict[int, Jackknives]


def catch_up(db: Database) -> int:
    """Compute the intervals of every board that has changed since its last computation. Fast if none has.

    Before, the standings follow what has changed without anybody's act.

    Returns
    -------
    int
        The number of boards; 0 also while another thread of this process is computing.
    """
    if not _in_hand.acquire(blocking=False):
        return 0
    try:
        standings.catch_up(db)
        with db.read() as session:
            outdated = select(PhaseRecord.id).where(PhaseRecord.intervals_version < PhaseRecord.board_version)
            phases = session.scalars(outdated.order_by(PhaseRecord.id)).all()
        for phase_id in phases:
            work_out(db, phase_id)
        return len(phases)
    finally:
        _in_hand.release()


def work_out(db: Database, phase_id: int) -> None:
    """Compute and store a phase's rank intervals for the board's version at the start.

    An entrant without a jackknife on every zoo has no interval, nor has one that was scored on other zoos than most,
    which happens shortly after a change of the phase's zoos. Where a board does not show exact scores, nobody has one:
    an interval that follows from exact scores would tell them (`board_page` then shows the ranks of equal scores).
    """
    with db.read() as session:
        ranked = _ranked(session, phase_id)
    found = _intervals(ranked)
    with db.write() as session:
        version = session.execute(
            select(PhaseRecord.intervals_version).where(PhaseRecord.id == phase_id).with_for_update()
        ).scalar_one()
        if version >= ranked.version:  # another worker was faster
            return
        for record in session.scalars(select(StandingRecord).where(StandingRecord.phase_id == phase_id)):
            interval = found.get(record.entrant)
            if ranked.submissions.get(record.entrant) == record.submission_id:
                record.rank_lowest = None if interval is None else interval.lowest
                record.rank_highest = None if interval is None else interval.highest
        session.execute(update(PhaseRecord).where(PhaseRecord.id == phase_id).values(intervals_version=ranked.version))


def _ranked(session: Session, phase_id: int) -> _Ranked:
    phase = session.get_one(PhaseRecord, phase_id)
    entrants = select(StandingRecord.entrant, StandingRecord.submission_id).where(
        StandingRecord.phase_id == phase_id, StandingRecord.is_reference.is_(False)
    )
    submissions = as_dict(session, entrants)
    compared = [] if shows_steps(phase) else list(submissions.values())
    return _Ranked(phase.board_version, submissions, jackknives_of(session, compared))


def _intervals(ranked: _Ranked) -> dict[str, RankInterval]:
    comparable: dict[tuple[tuple[str, int], ...], dict[str, Jackknives]] = {}
    for entrant, submission_id in ranked.submissions.items():
        jackknives = ranked.jackknives.get(submission_id)
        if jackknives is not None:
            kind = tuple((zoo, len(jackknife.left_out)) for zoo, jackknife in jackknives.items())
            comparable.setdefault(kind, {})[entrant] = jackknives
    most = max(comparable.values(), key=len, default={})
    try:
        return dict(rank_intervals(most))
    except ComparisonError:  # scored against other versions of a zoo's truth: a new attempt is under way
        return {}
