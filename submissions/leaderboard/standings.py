"""Maintaining the standings of a phase: which submission of each entrant counts, and with which visible score.

This is the write side of the leaderboard. Whatever can change a standing (a score, a re-run, an action of an organizer,
a choice, a rule) calls it in its own transaction. Standings depend only on the submissions
(`submissions.leaderboard.counting_rule`): `rebuild` recomputes all standings of a phase with the same result.
`submissions.leaderboard.board_page` reads them.

A submission is locked before its phase, here as in `submissions.evaluation.outcomes`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy import update as change
from sqlalchemy.orm import Session, aliased

from submissions.leaderboard.counting_rule import Entry, Rules, counting, decided, on_board, shown_error
from submissions.leaderboard.entrants import Acquaintances, acquaintances
from submissions.results.disclosure import is_frozen, score_in_steps
from submissions.results.jackknives import jackknives_of
from submissions.storage.board_version import next_version
from submissions.storage.database import Database
from submissions.storage.queries import enters_score, parts
from submissions.storage.records import (
    BOARD_RULES,
    CountRule,
    EvaluationRecord,
    PhaseRecord,
    Purpose,
    StandingRecord,
    SubmissionRecord,
    ZooRecord,
    utc_now,
)
from submissions.storage.states import OPEN, State

_WAS_SCORED = and_(
    SubmissionRecord.attempt > 1,
    exists().where(
        EvaluationRecord.submission_id == SubmissionRecord.id,
        EvaluationRecord.attempt < SubmissionRecord.attempt,
        EvaluationRecord.purpose == Purpose.SCORE,
        EvaluationRecord.state == State.SCORED,
    ),
)
_COMPUTED = ("score_in_steps", "was_scored")  # the last fields
_ON_BOARD = aliased(SubmissionRecord)  # the submission of a standing
_ENTRY = [getattr(SubmissionRecord, field.name) for field in fields(Entry) if field.name not in _COMPUTED]
_RULES = [getattr(PhaseRecord, field.name) for field in fields(Rules)]


class ChoiceRefused(Exception):  # noqa: N818  (a refusal is an answer, not a malfunction)
    """The submission cannot be chosen; the message is a sentence for its author."""


def update(session: Session, submission: SubmissionRecord) -> None:
    """Update the standing of the submission's entrant. Call it whenever something changes that counts.

    A score of a later attempt replaces one by which the Ladder may have decided on submissions after it.
    """
    recount(session, submission.phase_id, [submission.entrant], anew=submission.attempt > 1)


def ended(session: Session, submission: SubmissionRecord) -> None:
    """Update the standings after a submission has ended without a score: with the Ladder, others waited for that."""
    session.flush()
    phase = session.get_one(PhaseRecord, submission.phase_id)
    if phase.uses_ladder and not submission.is_baseline:
        update(session, submission)


def recount(session: Session, phase_id: int, entrants: Collection[str], *, anew: bool = False) -> None:
    """Update the standings of these entrants, and increase the board's version.

    With the Ladder, also those of all entrants that share a person with them, for they have one memory.

    Parameters
    ----------
    entrants : Collection[str]
        Keys of the entrants.
    anew : bool, optional
        Repeat the Ladder's decisions on their submissions, as after merging two entrants.
    """
    board = _hold_board(session, phase_id)
    listed = sorted(board.known.of_all(entrants) if board.rules.uses_ladder else entrants)
    for part in parts(listed):
        _enter(session, board, part, anew=anew)


def rebuild(session: Session, phase_id: int, *, forget: bool = False) -> None:
    """Recompute all standings of a phase, after a change of its rules or the end of a freeze.

    Parameters
    ----------
    forget : bool, optional
        Whether the rule by which scores are shown has changed, so that nothing of what is shown may stay.
    """
    board = _hold_board(session, phase_id)
    submitted = select(SubmissionRecord.entrant).where(SubmissionRecord.phase_id == phase_id)
    standing = select(StandingRecord.entrant).where(StandingRecord.phase_id == phase_id)
    listed = sorted({*session.scalars(submitted.distinct()), *session.scalars(standing)})
    for part in parts(listed):
        _enter(session, board, part, anew=True, forget=forget)


def catch_up(db: Database) -> int:
    """Recompute the boards that an upgrade, or the beginning of a freeze, has changed. Fast if there is none.

    Returns
    -------
    int
        The number of boards.
    """
    is_old = PhaseRecord.board_rules < BOARD_RULES
    runs_again = exists().where(
        StandingRecord.phase_id == PhaseRecord.id,
        _ON_BOARD.id == StandingRecord.submission_id,
        _ON_BOARD.finished_at.is_(None),
    )
    with db.read() as session:
        changed = or_(is_old, and_(PhaseRecord.freezes_at <= utc_now(), runs_again))
        phases = session.scalars(select(PhaseRecord.id).where(changed).order_by(PhaseRecord.id)).all()
    for phase_id in phases:
        with db.write() as session:
            phase = session.get_one(PhaseRecord, phase_id, with_for_update=True)
            rebuild(session, phase_id, forget=phase.has_old_board)
            phase.board_rules = BOARD_RULES
    return len(phases)


def is_on_board(phase: PhaseRecord) -> ColumnElement[bool]:
    """Return the condition that a standing is on the phase's board now.

    A submission that is evaluated again keeps its place with the Ladder, but not beyond the beginning of a freeze, when
    nothing is written (until `catch_up`): it will have been scored after that.
    """
    of_phase = StandingRecord.phase_id == phase.id
    if not is_frozen(phase.freezes_at, None):
        return of_phase
    is_through = select(_ON_BOARD.id).where(
        _ON_BOARD.id == StandingRecord.submission_id, _ON_BOARD.finished_at.is_not(None)
    )
    return and_(of_phase, is_through.exists())


@dataclass(frozen=True)
class _Board:
    """A phase's board that this transaction holds. known: who shares the Ladder's memory."""

    phase_id: int
    rules: Rules
    known: Acquaintances


def _hold_board(session: Session, phase_id: int) -> _Board:
    """Increase the board's version, which locks it until the transaction ends."""
    next_version(session, phase_id)
    competition_id, *columns = session.execute(
        select(PhaseRecord.competition_id, *_RULES).where(PhaseRecord.id == phase_id)
    ).one()
    rules = Rules(*columns)
    known = acquaintances(session, competition_id) if rules.uses_ladder else Acquaintances()
    return _Board(phase_id, rules, known)


def remember_told(session: Session, phase_id: int) -> None:
    """Record that the scores of a phase's submissions have been told; called before that ends.

    If the phase uses the Ladder later, it counts them as told (`submissions.leaderboard.counting_rule`).
    """
    has_score = exists().where(
        EvaluationRecord.submission_id == SubmissionRecord.id,
        EvaluationRecord.purpose == Purpose.SCORE,
        EvaluationRecord.state == State.SCORED,
    )
    told = SubmissionRecord.phase_id == phase_id, SubmissionRecord.was_told.is_(False), has_score
    session.execute(
        change(SubmissionRecord).where(*told).values(was_told=True).execution_options(synchronize_session=False)
    )


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


def _enter(session: Session, board: _Board, entrants: Sequence[str], *, anew: bool, forget: bool = False) -> None:
    """Compute and write the standings of some entrants, and the visible scores of their submissions."""
    entries = _entries(session, board, sorted(board.known.of_all(entrants)))
    standing = {
        record.entrant: record
        for record in session.scalars(
            select(StandingRecord).where(
                StandingRecord.phase_id == board.phase_id, StandingRecord.entrant.in_(entrants)
            )
        )
    }
    for entrant in entrants:
        before = entries.get(entrant, [])
        others = [one for other in board.known.of(entrant) - {entrant} for one in entries.get(other, [])]
        now = decided(
            before,
            board.rules,
            lambda ids: jackknives_of(session, ids),
            others=others,
            anew=anew,
            forget=forget,
        )
        _write_shown(session, before, now)
        _write_standing(session, board, entrant, standing.get(entrant), now)
    session.flush()


def _entries(session: Session, board: _Board, entrants: Sequence[str]) -> dict[str, list[Entry]]:
    """Return the submissions on which the entrants' standings depend.

    With the Ladder, also those that it awaits, and those that had a score which is lost.
    """
    counts = or_(SubmissionRecord.state == State.SCORED, SubmissionRecord.shown_score.is_not(None))
    if board.rules.uses_ladder:
        kept = (SubmissionRecord.is_released, SubmissionRecord.was_told, _WAS_SCORED)
        counts = or_(counts, SubmissionRecord.state.in_(OPEN), *kept)
    entries: dict[str, list[Entry]] = {}
    for part in parts(entrants):
        rows = session.execute(
            select(SubmissionRecord.entrant, SubmissionRecord.id, _WAS_SCORED, *_ENTRY)
            .where(
                SubmissionRecord.phase_id == board.phase_id,
                SubmissionRecord.entrant.in_(part),
                counts,
            )
            .order_by(SubmissionRecord.id)
        )
        in_steps = _scores_in_steps(session, board, part)
        for entrant, submission_id, was_scored, *columns in rows:
            values = [*columns, in_steps.get(submission_id), was_scored]
            entries.setdefault(entrant, []).append(Entry(*values))
    return entries


def _scores_in_steps(session: Session, board: _Board, entrants: Sequence[str]) -> dict[int, float]:
    """Return the scores of the entrants' submissions as they are told; empty where they are told exactly."""
    step = board.rules.step
    if step is None:
        return {}
    rows = session.execute(
        select(SubmissionRecord.id, EvaluationRecord.cmi, ZooRecord.truth_public)
        .join(EvaluationRecord, enters_score())
        .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
        .where(
            SubmissionRecord.phase_id == board.phase_id,
            SubmissionRecord.entrant.in_(entrants),
            SubmissionRecord.state == State.SCORED,
            EvaluationRecord.cmi.is_not(None),
        )
    )
    zoos: dict[int, list[tuple[float, bool]]] = {}
    for submission_id, cmi, truth_public in rows:
        zoos.setdefault(submission_id, []).append((cmi or 0.0, truth_public))
    return {submission_id: score_in_steps(scores, step) for submission_id, scores in zoos.items()}


def _write_shown(session: Session, before: Sequence[Entry], now: Sequence[Entry]) -> None:
    old = {entry.id: entry for entry in before}
    changed = [
        {
            "id": entry.id,
            "shown_score": entry.shown_score,
            "lower_bound": entry.lower_bound,
            "is_released": entry.is_released,
        }
        for entry in now
        if entry != old[entry.id]
    ]
    if changed:
        session.execute(change(SubmissionRecord), changed)


def _write_standing(
    session: Session, board: _Board, entrant: str, record: StandingRecord | None, entries: Sequence[Entry]
) -> None:
    rules = board.rules
    entry = counting(entries, rules)
    if entry is None or entry.shown_score is None:
        if record is not None:
            session.delete(record)
        return
    if record is None:
        record = StandingRecord(phase_id=board.phase_id, entrant=entrant, submission_id=entry.id, shown_score=0.0)
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
