"""A submission's values beside the true gaps of a zoo whose truth is public. Called by the charts and their tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from model_zoo import ZooTruth, open_zoo
from submissions.records import EvaluationRecord, Purpose, SubmissionRecord, ValueRecord, ZooRecord
from submissions.states import State


@dataclass(frozen=True)
class Point:
    """One network: the value the measure returned, its true gap and its hyperparameters by axis."""

    network_id: str
    value: float
    gap: float
    hyperparameters: Mapping[str, bool | int | float | str]


@dataclass(frozen=True)
class ZooPoints:
    """The points of one scored evaluation on a zoo whose truth is public. `axes` in the grid's order."""

    zoo_name: str
    zoo_title: str
    axes: tuple[str, ...]
    points: tuple[Point, ...]


def zoo_points(session: Session, submission_id: int, zoo_name: str) -> ZooPoints | None:
    """Values beside gaps for one zoo, or None where it is not scored or its truth is not public.

    Raises ZooError where the zoo's folder cannot be read.
    """
    found = session.execute(
        select(EvaluationRecord.id, ZooRecord)
        .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
        .join(
            SubmissionRecord,
            and_(
                SubmissionRecord.id == EvaluationRecord.submission_id,
                SubmissionRecord.attempt == EvaluationRecord.attempt,
            ),
        )
        .where(
            SubmissionRecord.id == submission_id,
            ZooRecord.name == zoo_name,
            ZooRecord.truth_public.is_(True),
            EvaluationRecord.purpose == Purpose.SCORE,
            EvaluationRecord.state == State.SCORED,
        )
    ).one_or_none()
    if found is None:
        return None
    evaluation_id, zoo = found
    values = session.execute(
        select(ValueRecord.network_id, ValueRecord.value)
        .where(ValueRecord.evaluation_id == evaluation_id)
        .order_by(ValueRecord.network_id)
    )
    truth = _truth(zoo.folder, zoo.manifest_sha256)
    gaps = truth.gaps()
    return ZooPoints(
        zoo_name=zoo.name,
        zoo_title=zoo.title,
        axes=tuple(axis.name for axis in truth.axes),
        points=tuple(
            Point(network_id, value, gaps[network_id], truth.networks[network_id].hyperparameters)
            for network_id, value in values
        ),
    )


@lru_cache(maxsize=16)
def _truth(folder: str, _manifest_sha256: str) -> ZooTruth:
    """The truth in a zoo's folder; the digest is part of the key, so that a changed zoo is read anew."""
    return open_zoo(Path(folder)).truth()
