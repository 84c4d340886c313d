"""The reference scores of a leaderboard: random values, and the hyperparameters alone.

They come from a zoo's check or, for a zoo without one, from the first submission scored on it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from scoring import in_steps
from submissions.storage.queries import enters_score
from submissions.storage.records import EvaluationRecord, StandingRecord, SubmissionRecord

_DIGITS = 2
_PERCENT = 100.0


@dataclass(frozen=True)
class References:
    """Rounded scores from 0 to 100 of random values (mean and 95th percentile) and of the hyperparameter oracle.

    percentile_95: None for the mean of several zoos, whose percentile does not follow from theirs.
    """

    random_floor: float
    percentile_95: float | None
    hyperparameter_oracle: float

    def in_steps(self, step: float) -> "References":
        """Return the references of a zoo with secret truth as they may be told."""
        return References(in_steps(self.random_floor, step), None, in_steps(self.hyperparameter_oracle, step))

    @classmethod
    def mean(cls, zoos: Iterable[Self | None]) -> Self | None:
        """Return the references of the mean score over zoos; None unless all zoos have references."""
        listed = list(zoos)
        known = [zoo for zoo in listed if zoo is not None]
        if not known or len(known) < len(listed):
            return None
        return cls(
            random_floor=round(fmean(zoo.random_floor for zoo in known), _DIGITS),
            percentile_95=known[0].percentile_95 if len(known) == 1 else None,
            hyperparameter_oracle=round(fmean(zoo.hyperparameter_oracle for zoo in known), _DIGITS),
        )


def references_of(
    session: Session, phase_id: int, target: str, checked: Mapping[int, list[dict[str, Any]] | None]
) -> dict[int, References]:
    """Return the known references of a phase's zoos, by zoo id.

    Parameters
    ----------
    target : str
        The target of the phase.
    checked : Mapping[int, list[dict[str, Any]] or None]
        Per zoo id, the references in the report of its check, if any.
    """
    found = {zoo_id: known for zoo_id, rows in checked.items() if (known := _from_check(rows, target)) is not None}
    return found if len(found) == len(checked) else _from_evaluations(session, phase_id) | found


def _from_check(rows: list[dict[str, Any]] | None, target: str) -> References | None:
    for row in rows or ():
        if row["target"] == target:
            return References(
                round(row["random_floor"], _DIGITS),
                round(row["random_floor_percentile_95"], _DIGITS),
                round(row["hyperparameter_oracle"], _DIGITS),
            )
    return None


def _from_evaluations(session: Session, phase_id: int) -> dict[int, References]:
    """Return the references that scoring has stored with a submission on the board."""
    submission = select(StandingRecord.submission_id).where(StandingRecord.phase_id == phase_id).limit(1)
    rows = session.execute(
        select(EvaluationRecord.zoo_id, EvaluationRecord.report["references"])
        .join(SubmissionRecord, enters_score())
        .where(SubmissionRecord.id == submission.scalar_subquery())
    )
    return {
        zoo_id: References(
            round(_PERCENT * content["random_floor"]["mean"], _DIGITS),
            round(_PERCENT * content["random_floor"]["percentile_95"], _DIGITS),
            round(_PERCENT * content["hyperparameter_oracle"], _DIGITS),
        )
        for zoo_id, content in rows
        if content
    }
