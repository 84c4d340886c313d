"""A submission's values paired with the true targets of a zoo with public truth, for charts and tables."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from model_zoo.store import ZooStore
from submissions.storage.queries import enters_score
from submissions.storage.records import EvaluationRecord, PhaseRecord, SubmissionRecord, ValueRecord, ZooRecord
from submissions.storage.states import State


@dataclass(frozen=True)
class Point:
    """One network: the measure's value, the true target, and the hyperparameters by axis."""

    network_id: str
    value: float
    truth: float
    hyperparameters: Mapping[str, bool | int | float | str]


@dataclass(frozen=True)
class ZooPoints:
    """The points of one scored evaluation on a zoo with public truth. `axes` are in the grid's order.

    target: the name of the phase's target.
    """

    zoo_name: str
    zoo_title: str
    target: str
    axes: tuple[str, ...]
    points: tuple[Point, ...]


@dataclass(frozen=True)
class ZooValues:
    """The values of one scored evaluation on a zoo with public truth, by network id, and what they are to predict."""

    zoo_name: str
    zoo_title: str
    zoo_sha256: str
    target: str
    values: tuple[tuple[str, float], ...]


def zoo_values(session: Session, submission_id: int, zoo_name: str) -> ZooValues | None:
    """Return the values on one zoo; None if the submission is not scored there, or the truth is not public."""
    found = session.execute(
        select(EvaluationRecord.id, ZooRecord, PhaseRecord.target)
        .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
        .join(SubmissionRecord, enters_score())
        .join(PhaseRecord, PhaseRecord.id == SubmissionRecord.phase_id)
        .where(
            SubmissionRecord.id == submission_id,
            ZooRecord.name == zoo_name,
            ZooRecord.truth_public.is_(True),
            EvaluationRecord.state == State.SCORED,
        )
    ).one_or_none()
    if found is None:
        return None
    evaluation_id, zoo, target = found
    values = session.execute(
        select(ValueRecord.network_id, ValueRecord.value)
        .where(ValueRecord.evaluation_id == evaluation_id)
        .order_by(ValueRecord.network_id)
    )
    return ZooValues(zoo.name, zoo.title, zoo.manifest_sha256, target, tuple((row[0], row[1]) for row in values))


def zoo_points(session: Session, zoos: ZooStore, submission_id: int, zoo_name: str) -> ZooPoints | None:
    """Return values and targets for one zoo.

    Returns
    -------
    ZooPoints or None
        None if the submission is not scored there, or the truth is not public.

    Raises
    ------
    ZooError
        If the store cannot read the truth.
    """
    found = zoo_values(session, submission_id, zoo_name)
    if found is None:
        return None
    truth = zoos.truth(found.zoo_sha256)
    targets = truth.target(found.target)
    return ZooPoints(
        zoo_name=found.zoo_name,
        zoo_title=found.zoo_title,
        target=found.target,
        axes=tuple(axis.name for axis in truth.axes),
        points=tuple(
            Point(network_id, value, targets[network_id], truth.networks[network_id].hyperparameters)
            for network_id, value in found.values
        ),
    )
