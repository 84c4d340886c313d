"""What a leaderboard is read by: what chance gets on its zoos, and what their hyperparameters alone would get.

A zoo's check has them; for a zoo that came without a check they are found with the first submission scored on it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from submissions.records import EvaluationRecord, PhaseRecord, SubmissionRecord, ZooRecord

_DIGITS = 2
_PERCENT = 100.0


@dataclass(frozen=True)
class References:
    """Scores from 0 to 100, rounded: the mean and the 95th percentile of random values, and the hyperparameter oracle.

    percentile_95: None for the mean of several zoos, whose 95th percentile does not follow from theirs.
    """

    random_floor: float
    percentile_95: float | None
    hyperparameter_oracle: float

    @classmethod
    def mean(cls, zoos: Iterable[Self | None]) -> Self | None:
        """Of the mean over zoos; None unless all have references."""
        listed = list(zoos)
        known = [zoo for zoo in listed if zoo is not None]
        if not known or len(known) < len(listed):
            return None
        return cls(
            random_floor=round(fmean(zoo.random_floor for zoo in known), _DIGITS),
            percentile_95=known[0].percentile_95 if len(known) == 1 else None,
            hyperparameter_oracle=round(fmean(zoo.hyperparameter_oracle for zoo in known), _DIGITS),
        )


def references_of(session: Session, zoos: Sequence[ZooRecord], target: str) -> dict[int, References]:
    """Zoo id → its references for a target, where they are known."""
    found: dict[int, References] = {}
    for zoo in zoos:
        known = _from_check(zoo.report, target) or _from_evaluation(session, zoo.id, target)
        if known is not None:
            found[zoo.id] = known
    return found


def _from_check(report: dict[str, Any] | None, target: str) -> References | None:
    rows = [] if report is None else report.get("numbers", {}).get("references", [])
    for row in rows:
        if row["target"] == target:
            return References(
                round(row["random_floor"], _DIGITS),
                round(row["random_floor_percentile_95"], _DIGITS),
                round(row["hyperparameter_oracle"], _DIGITS),
            )
    return None


def _from_evaluation(session: Session, zoo_id: int, target: str) -> References | None:
    content = session.scalar(
        select(EvaluationRecord.report["references"])
        .join(SubmissionRecord, SubmissionRecord.id == EvaluationRecord.submission_id)
        .join(PhaseRecord, PhaseRecord.id == SubmissionRecord.phase_id)
        .where(
            EvaluationRecord.zoo_id == zoo_id,
            EvaluationRecord.report.is_not(None),
            EvaluationRecord.granulated_kendall.is_not(None),
            PhaseRecord.target == target,
        )
        .limit(1)
    )
    if not content:
        return None
    floor = content["random_floor"]
    return References(
        round(_PERCENT * floor["mean"], _DIGITS),
        round(_PERCENT * floor["percentile_95"], _DIGITS),
        round(_PERCENT * content["hyperparameter_oracle"], _DIGITS),
    )
