"""Computing scores from recorded values and a zoo's truth, with `scoring`. This always runs outside the sandbox.

A score takes a tenth of a second or more, and a database may have a single writer. `foresee` therefore computes it
before the transaction that records the last value, and `submissions.evaluation.outcomes` stores it there.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session, aliased

import scoring
from model_zoo import ZooError, ZooTruth
from model_zoo.checks.report import CheckReport
from model_zoo.store import ZooStore
from submissions.leaderboard import standings
from submissions.storage.database import Database
from submissions.storage.queries import as_dict, enters_score, rows_changed
from submissions.storage.records import (
    EvaluationRecord,
    PhaseRecord,
    Purpose,
    RunRecord,
    SubmissionRecord,
    ValueRecord,
    ZooRecord,
)
from submissions.storage.states import OPEN, UNFINISHED, State

PERMUTATIONS, TEST_SETS = 1000, 300
FEWEST_DRAWS = 100  # with fewer, a p-value says little and a 95th percentile nothing
WORK_AT_MOST = 2 * 10**8  # pairs and cells of all draws together: seconds, where 10,000 networks would take hours
_WORK_OF_A_CELL = 100  # in pairs, as measured
_PERCENT = 100.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scored:
    """The stored result of an evaluation; the fields are those of `EvaluationRecord`.

    Attributes
    ----------
    cmi : float
        Conditional mutual information, from 0 to 1.
    report : dict[str, Any]
        `scoring.ZooReport` as JSON, with `references` if the zoo is not too large for them.
    """

    cmi: float
    standard_error: float | None
    kendall_tau: float
    granulated_kendall: float | None
    sign_error: float | None
    report: dict[str, Any]


@dataclass(frozen=True)
class _Question:
    """The inputs of a score."""

    zoo_sha256: str
    target: str
    references: dict[str, Any] | None
    values: Mapping[str, float]


def foresee(db: Database, zoos: ZooStore, run_id: int, owner: str, value: float) -> Scored | None:
    """Compute the score of the evaluation that `value` completes.

    Parameters
    ----------
    owner : str
        The worker that holds the run.

    Returns
    -------
    Scored or None
        None if `owner` does not hold the last open run of the evaluation.

    Raises
    ------
    ZooError
        If the truth cannot be read.
    ScoringError
        Only by an error of ours.
    """
    with db.read() as session:
        found = session.execute(_completed_by(run_id, owner)).one_or_none()
        if found is None:
            return None
        evaluation_id, network_id = found
        question = _question(session, evaluation_id)
    return _answer(zoos, replace(question, values={**question.values, network_id: value}))


def score_evaluation(
    truth: ZooTruth, target: str, values: Mapping[str, float], references: dict[str, Any] | None = None
) -> Scored:
    """Compute everything that is stored about one evaluation.

    Parameters
    ----------
    target : str
        The name of the target that the values should order.
    values : Mapping[str, float]
        One value per network id.
    references : dict[str, Any] or None, optional
        From an earlier report on this zoo and target; None computes them.

    Raises
    ------
    ScoringError
        Only by an error of ours.
    """
    parsed = scoring.Truth.from_gengap(truth.model_dump(), target)
    drawn = draws(parsed)
    report = scoring.report(parsed, values, draws=drawn)
    content = report.as_json()
    if references is None and drawn.permutations:
        found = scoring.references(parsed, draws=drawn.permutations)
        floor = found.random_floor
        references = _plain_references(floor.mean, floor.percentile_95, found.hyperparameter_oracle)
    content["references"] = references
    return Scored(
        cmi=report.cmi.minimum,
        standard_error=None if report.jackknife is None else report.jackknife.standard_error,
        kendall_tau=report.kendall.tau_a,
        granulated_kendall=report.granulated.psi,
        sign_error=None if report.sign_error is None else report.sign_error.mean,
        report=content,
    )


def draws(truth: scoring.Truth) -> scoring.Draws:
    """Return the numbers of permutations and redrawn test sets for a zoo of this size; large zoos get fewer or none."""
    cells = sum((first * second) ** 2 for first, second in combinations(truth.grid.shape, 2))
    affordable = WORK_AT_MOST // (len(truth.ids) ** 2 + _WORK_OF_A_CELL * cells)
    if affordable < FEWEST_DRAWS:
        return scoring.NO_DRAWS
    return scoring.Draws(permutations=min(PERMUTATIONS, affordable), test_sets=min(TEST_SETS, affordable))


def stored_scores(session: Session, submission_id: int) -> tuple[list[float | None], list[float | None]]:
    """Return the CMI and its standard error of each zoo of the current attempt; None where it is not scored."""
    zoos = select(EvaluationRecord.cmi, EvaluationRecord.standard_error).join(SubmissionRecord, enters_score())
    rows = session.execute(zoos.where(SubmissionRecord.id == submission_id)).all()
    return [cmi for cmi, _ in rows], [error for _, error in rows]


def submission_error(error_by_zoo: Sequence[float | None]) -> float | None:
    """Return the standard error of a submission's score, 100 · √(Σ SE²)/T; None if that of a zoo is unknown."""
    known = [error for error in error_by_zoo if error is not None]
    if not known or len(known) < len(error_by_zoo):
        return None
    return _PERCENT * math.hypot(*known) / len(known)


class Rescoring:
    """Adds the report to evaluations that were scored before reports were stored, a few at each sweep of a worker."""

    def __init__(self, db: Database, zoos: ZooStore) -> None:
        self._db = db
        self._zoos = zoos
        self._given_up: set[int] = set()
        self._is_done = False

    def step(self, most: int = 3) -> int:
        """Rescore up to `most` evaluations.

        Returns
        -------
        int
            The number of rescored evaluations; after the first 0 it does not search again.
        """
        if self._is_done:
            return 0
        with self._db.read() as session:
            waiting = session.scalars(_unreported(most + len(self._given_up))).all()
            chosen = [one for one in waiting if one not in self._given_up][:most]
            questions = {evaluation_id: _question(session, evaluation_id) for evaluation_id in chosen}
        self._is_done = not questions
        return sum(self._rescore(evaluation_id, question) for evaluation_id, question in questions.items())

    def _rescore(self, evaluation_id: int, question: _Question) -> bool:
        try:
            scored = _answer(self._zoos, question)
        except (ZooError, scoring.ScoringError) as fault:
            self._given_up.add(evaluation_id)
            _log.warning("evaluation %d keeps its score without a report: %s", evaluation_id, fault)
            return False
        with self._db.write() as session:
            submission = session.scalars(
                select(SubmissionRecord)
                .join(EvaluationRecord, EvaluationRecord.submission_id == SubmissionRecord.id)
                .where(EvaluationRecord.id == evaluation_id)
                .with_for_update(of=SubmissionRecord)
            ).one()
            unreported = update(EvaluationRecord).where(
                EvaluationRecord.id == evaluation_id, EvaluationRecord.granulated_kendall.is_(None)
            )
            is_new = rows_changed(session, unreported.values(**vars(scored))) == 1
            if is_new and submission.state is State.SCORED:
                _, errors = stored_scores(session, submission.id)
                submission.standard_error = submission_error(errors)
                session.flush()
                standings.recount(session, submission.phase_id, [submission.entrant], anew=True)
            return is_new


def _completed_by(run_id: int, owner: str) -> Any:
    """Return the evaluation that this run's value would complete, with the run's network."""
    other = aliased(RunRecord)
    is_open = other.state.in_(UNFINISHED)
    return (
        select(EvaluationRecord.id, RunRecord.network_id)
        .join(RunRecord, RunRecord.evaluation_id == EvaluationRecord.id)
        .where(
            RunRecord.id == run_id,
            RunRecord.state == "claimed",
            RunRecord.lease_owner == owner,
            EvaluationRecord.purpose == Purpose.SCORE,
            EvaluationRecord.state.in_(OPEN),
            EvaluationRecord.next_position == EvaluationRecord.networks,
            ~exists().where(other.evaluation_id == EvaluationRecord.id, other.id != run_id, is_open),
        )
    )


def _unreported(most: int) -> Any:
    """Return scored evaluations of current attempts without today's report, newest first."""
    return (
        select(EvaluationRecord.id)
        .join(SubmissionRecord, enters_score())
        .where(
            EvaluationRecord.state == State.SCORED,
            EvaluationRecord.granulated_kendall.is_(None),  # every grid that can be scored has one
        )
        .order_by(EvaluationRecord.id.desc())
        .limit(most)
    )


def _question(session: Session, evaluation_id: int) -> _Question:
    zoo, target = session.execute(
        select(ZooRecord, PhaseRecord.target)
        .join(EvaluationRecord, EvaluationRecord.zoo_id == ZooRecord.id)
        .join(SubmissionRecord, SubmissionRecord.id == EvaluationRecord.submission_id)
        .join(PhaseRecord, PhaseRecord.id == SubmissionRecord.phase_id)
        .where(EvaluationRecord.id == evaluation_id)
    ).one()
    values = select(ValueRecord.network_id, ValueRecord.value).where(ValueRecord.evaluation_id == evaluation_id)
    references = _known_references(session, zoo, target)
    return _Question(zoo.manifest_sha256, target, references, as_dict(session, values))


def _answer(zoos: ZooStore, question: _Question) -> Scored:
    return score_evaluation(zoos.truth(question.zoo_sha256), question.target, question.values, question.references)


def _known_references(session: Session, zoo: ZooRecord, target: str) -> dict[str, Any] | None:
    """Return the references of a zoo, from its check or from an earlier evaluation."""
    if zoo.report is not None:
        for row in CheckReport.model_validate(zoo.report).numbers.references:
            if row.target == target:
                return _plain_references(
                    row.random_floor / _PERCENT,
                    row.random_floor_percentile_95 / _PERCENT,
                    row.hyperparameter_oracle / _PERCENT,
                )
    report = session.scalar(
        select(EvaluationRecord.report)
        .join(SubmissionRecord, SubmissionRecord.id == EvaluationRecord.submission_id)
        .join(PhaseRecord, PhaseRecord.id == SubmissionRecord.phase_id)
        .where(
            EvaluationRecord.zoo_id == zoo.id,
            EvaluationRecord.granulated_kendall.is_not(None),
            PhaseRecord.target == target,
        )
        .limit(1)
    )
    return None if report is None else report.get("references")


def _plain_references(floor: float, floor_95: float, oracle: float) -> dict[str, Any]:
    return {"random_floor": {"mean": floor, "percentile_95": floor_95}, "hyperparameter_oracle": oracle}
