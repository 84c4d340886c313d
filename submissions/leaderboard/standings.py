"""Maintaining the standings of a phase: which submission of each entrant counts, and with which visible score.

This is the write side of the leaderboard. Whatever can change a standing (a score, a re-run, an action of an organizer,
a choice, a rule) calls it in its own transaction. Standings depend only on the submissions
(`submissions.leaderboard.counting_rule`): `rebuild` recomputes all standings of a phase with the same result.
`submissions.leaderboard.board_page` reads them.

A submission is locked before its phase, here as in `submissions.evaluation.outcomes`.
"""

from collections.abc import Collection, Sequence
from dataclasses import fields

from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy import update as change
from sqlalchemy.orm import Session

from submissions.leaderboard.counting_rule import Entry, Rules, counting, decided, on_board, shown_error
from submissions.results.jackknives import jackknives_of
from submissions.storage.board_version import next_version
from submissions.storage.database import Database
from submissions.storage.records import CountRule, PhaseRecord, StandingRecord, SubmissionRecord, utc_now
from submissions.storage.states import State

_ENTRY = [getattr(SubmissionRecord, field.name) for field in fields(Entry)]
_RULES = [getattr(PhaseRecord, field.name) for field in fields(Rules)]


class ChoiceRefused(Exception):  # noqa: N818  (a refusal is an answer, not a malfunction)
    """The submission cannot be chosen; the message is a sentence for its author."""


def update(session: Session, submission: SubmissionRecord) -> None:
    """Update the standing of the submission's entrant. Call it whenever something changes that counts."""
    recount(session, submission.phase_id, [submission.entrant])


def recount(session: Session, phase_id: int, entrants: Collection[str], *, anew: bool = False) -> None:
    """Update the standings of these entrants, and increase the board's version.

    Parameters
    ----------
    entrants : Collection[str]
        Keys of the entrants.
    anew : bool, optional
        Repeat the Ladder's decisions on their submissions, as after merging two entrants.
    """
    is_one = SubmissionRecord.entrant.in_(entrants)
    _enter(session, phase_id, is_one, StandingRecord.entrant.in_(entrants), anew=anew)


def rebuild(session: Session, phase_id: int) -> None:
    """Recompute all standings of a phase, after a change of its rules or the end of a freeze."""
    _enter(session, phase_id, true(), true(), anew=True)


def choose(db: Database, submission_id: int) -> None:
    """Let this submission count, in a phase where teams choose.

    Raises
    ------
    ChoiceRefused
        If it cannot be chosen.
    """
    with db.write() as session:
        submission = session.get(SubmissionRecord, submission_id, with_for_update=True)
        if submission is None:
            raise ChoiceRefused("There is no such submission.")
        if why := _why_not(session, submission):
            raise ChoiceRefused(why)
        session.execute(
            change(SubmissionRecord)
            .where(
                SubmissionRecord.phase_id == submission.phase_id,
                SubmissionRecord.entrant == submission.entrant,
                or_(SubmissionRecord.is_chosen, SubmissionRecord.id == submission_id),
            )
            .values(is_chosen=SubmissionRecord.id == submission_id)
            .execution_options(synchronize_session=False)
        )
        update(session, submission)


def _why_not(session: Session, submission: SubmissionRecord) -> str | None:
    phase = session.get_one(PhaseRecord, submission.phase_id)
    if phase.count_rule is not CountRule.CHOSEN or phase.uses_ladder or submission.is_baseline:
        return "In this phase a rule decides which submission counts, so you cannot choose one."
    if phase.closes_at is not None and utc_now() >= phase.closes_at:
        return "This phase has closed, so the submission that counts cannot change any more."
    if submission.state is not State.SCORED:
        return "Only a submission that has a score can be chosen."
    if submission.is_hidden or submission.is_disqualified:
        return "The organizers have hidden or disqualified this submission, so it cannot count."
    return None


def _enter(
    session: Session,
    phase_id: int,
    of_submissions: ColumnElement[bool],
    of_standings: ColumnElement[bool],
    *,
    anew: bool,
) -> None:
    """Compute and write the standings of some of the phase's entrants, and the visible scores of their submissions."""
    next_version(session, phase_id)  # locks the board until the transaction ends
    rules = Rules(*session.execute(select(*_RULES).where(PhaseRecord.id == phase_id)).one())
    rows = session.execute(
        select(SubmissionRecord.entrant, *_ENTRY)
        .where(
            SubmissionRecord.phase_id == phase_id,
            of_submissions,
            or_(SubmissionRecord.state == State.SCORED, SubmissionRecord.shown_score.is_not(None)),
        )
        .order_by(SubmissionRecord.id)
    )
    entries: dict[str, list[Entry]] = {}
    for entrant, *columns in rows:
        entries.setdefault(entrant, []).append(Entry(*columns))
    records = session.scalars(select(StandingRecord).where(StandingRecord.phase_id == phase_id, of_standings))
    standing = {record.entrant: record for record in records}
    for entrant in entries.keys() | standing.keys():
        before = entries.get(entrant, [])
        now = decided(before, rules, lambda ids: jackknives_of(session, ids), anew=anew)
        _write_shown(session, before, now)
        _write_standing(session, phase_id, entrant, standing.get(entrant), now, rules)
    session.flush()


def _write_shown(session: Session, before: Sequence[Entry], now: Sequence[Entry]) -> None:
    old = {entry.id: entry for entry in before}
    for entry in now:
        if entry != old[entry.id]:
            session.execute(
                change(SubmissionRecord)
                .where(SubmissionRecord.id == entry.id)
                .values(shown_score=entry.shown_score, is_released=entry.is_released)
            )


def _write_standing(
    session: Session, phase_id: int, entrant: str, record: StandingRecord | None, entries: Sequence[Entry], rules: Rules
) -> None:
    entry = counting(entries, rules)
    if entry is None or entry.shown_score is None:
        if record is not None:
            session.delete(record)
        return
    if record is None:
        record = StandingRecord(phase_id=phase_id, entrant=entrant, submission_id=entry.id, shown_score=0.0)
        session.add(record)
    values = {
        "submission_id": entry.id,
        "shown_score": entry.shown_score,
        "standard_error": shown_error(entry, rules),
        "track": entry.track,
        "is_reference": entry.is_reference,
        "submitted_at": entry.created_at,
    }
    if any(getattr(record, name) != value for name, value in values.items()):
        record.rank_lowest = record.rank_highest = None
        record.updated_at = utc_now()
        for name, value in values.items():
            setattr(record, name, value)
    record.scored = on_board(entries, rules)
