"""Comparing two submissions of one phase: the paired test of their scores, per zoo and in total, and their values.

Works on results as a reader may see them (`submissions.results.submission_result`); called by the comparison page.
"""

from dataclasses import dataclass

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from model_zoo.store import ZooStore
from scoring import Comparison, ComparisonError, Jackknives, compare
from submissions.leaderboard.entrants import team_ids_of
from submissions.results.disclosure import Reader, withholds_scores
from submissions.results.jackknives import jackknives_of
from submissions.results.submission_result import Result, ZooResult
from submissions.results.values_and_targets import zoo_points
from submissions.storage.records import PhaseRecord, StandingRecord, SubmissionRecord
from submissions.storage.states import State

OFFERED = 30
_SUBMISSIONS = select(SubmissionRecord.id, SubmissionRecord.name, SubmissionRecord.shown_score)


@dataclass(frozen=True)
class ComparedZoo:
    """Two submissions on one zoo. difference: first − second; None if a standard error is unknown."""

    first: ZooResult
    second: ZooResult
    difference: Comparison | None


@dataclass(frozen=True)
class Compared:
    """Two submissions on the zoos that both were scored on.

    Attributes
    ----------
    difference : Comparison or None
        Of the total scores, first − second; None if it cannot be tested, because the zoos differ or a score is
        older than the stored jackknives.
    """

    first: Result
    second: Result
    difference: Comparison | None
    zoos: tuple[ComparedZoo, ...]


@dataclass(frozen=True)
class Offered:
    """A submission that another one can be compared with. score: as it may be seen."""

    submission_id: int
    name: str
    score: float | None


@dataclass(frozen=True)
class Pairs:
    """The values of two measures on the networks of a zoo with public truth.

    Attributes
    ----------
    rows : tuple[tuple[float, float, float], ...]
        (first value, second value, target) per network.
    """

    zoo_name: str
    zoo_title: str
    target: str
    rows: tuple[tuple[float, float, float], ...]


def compared(session: Session, first: Result, second: Result) -> Compared:
    """Compare two results of one phase, both fully visible, with the paired test."""
    found = jackknives_of(session, [first.submission_id, second.submission_id])
    ours, theirs = found.get(first.submission_id, {}), found.get(second.submission_id, {})
    others = {zoo.zoo_id: zoo for zoo in second.zoos}
    both = [(zoo, others[zoo.zoo_id]) for zoo in first.zoos if zoo.zoo_id in others]
    return Compared(
        first,
        second,
        difference=_difference(ours, theirs),
        zoos=tuple(
            ComparedZoo(one, other, _difference(_only(ours, one.zoo_id), _only(theirs, one.zoo_id)))
            for one, other in both
        ),
    )


def pairs(session: Session, zoos: ZooStore, first: Result, second: Result, zoo_name: str) -> Pairs | None:
    """Return both measures' values on one zoo.

    Returns
    -------
    Pairs or None
        None if the truth is hidden, or a submission has no values there.

    Raises
    ------
    ZooError
        If the store cannot read the truth.
    """
    one = zoo_points(session, zoos, first.submission_id, zoo_name)
    other = zoo_points(session, zoos, second.submission_id, zoo_name)
    if one is None or other is None:
        return None
    values = {point.network_id: point.value for point in other.points}
    return Pairs(
        one.zoo_name,
        one.zoo_title,
        one.target,
        tuple(
            (point.value, values[point.network_id], point.truth) for point in one.points if point.network_id in values
        ),
    )


def own_offers(session: Session, phase_id: int, user_id: int, reader: Reader) -> tuple[Offered, ...]:
    """Return a person's and their team's newest scored submissions of a phase."""
    if withholds_scores(session.get_one(PhaseRecord, phase_id), reader):
        return ()
    own = or_(SubmissionRecord.user_id == user_id, SubmissionRecord.team_id.in_(team_ids_of(user_id)))
    mine = _SUBMISSIONS.where(SubmissionRecord.phase_id == phase_id, SubmissionRecord.is_baseline.is_(False), own)
    return _offers(session, mine.order_by(SubmissionRecord.id.desc()))


def leading_offers(session: Session, phase_id: int, reader: Reader) -> tuple[Offered, ...]:
    """Return the first submissions of a phase's leaderboard, best first."""
    if withholds_scores(session.get_one(PhaseRecord, phase_id), reader):
        return ()
    standings = _SUBMISSIONS.join(StandingRecord, StandingRecord.submission_id == SubmissionRecord.id)
    leading = standings.where(StandingRecord.phase_id == phase_id, SubmissionRecord.is_hidden.is_(False))
    return _offers(session, leading.order_by(StandingRecord.shown_score.desc(), SubmissionRecord.id))


def _offers(session: Session, query: Select[int, str, float | None]) -> tuple[Offered, ...]:
    found = query.where(SubmissionRecord.state == State.SCORED).limit(OFFERED)
    return tuple(Offered(*row) for row in session.execute(found))


def _only(jackknives: Jackknives, zoo_id: int) -> Jackknives:
    return {key: found for key, found in jackknives.items() if key == str(zoo_id)}


def _difference(first: Jackknives, second: Jackknives) -> Comparison | None:
    if not first or not second:
        return None
    try:
        return compare(first, second)
    except ComparisonError:  # one of them was scored before the phase's zoos changed
        return None
