"""How alike measures order the networks of a public zoo: Spearman's ρ between their values.

Measures are compared with the shipped ones only, of which everybody may know the values. What a submission is compared
by is told to readers who are told its values anyway (`similar_measures`). On a large zoo the networks are a sample, the
same for all measures.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from scoring import rank_correlations
from submissions.baselines import Baseline
from submissions.results.known_measures import KnownResult, ZooResults
from submissions.results.submission_result import Result
from submissions.storage.queries import as_dict, enters_score, parts
from submissions.storage.records import EvaluationRecord, SubmissionRecord, ValueRecord, ZooNetworkRecord
from submissions.storage.states import State

MOST_NETWORKS = 500
REFERENCES = "references"  # a group of baselines


@dataclass(frozen=True)
class KnownValues:
    """The values of shipped measures on the networks of one zoo. values: of each measure one per network."""

    network_ids: tuple[str, ...]
    measures: tuple[Baseline, ...]
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Similar:
    """A shipped measure and Spearman's ρ with it, from −1 to 1."""

    measure: Baseline
    rho: float


@dataclass(frozen=True)
class Agreement:
    """Spearman's ρ of every two measures, in an order that puts similar ones beside each other.

    rho: a row for each measure; None where the values of one of the two are all equal.
    """

    networks: int
    measures: tuple[Baseline, ...]
    rho: tuple[tuple[float | None, ...], ...]

    def similar_to(self, measure: Baseline) -> tuple[Similar, ...]:
        """Return the other measures, the most similar ones first, whether in the same or in the reverse order."""
        if measure not in self.measures:
            return ()
        row = self.rho[self.measures.index(measure)]
        others = zip(self.measures, row, strict=True)
        return _ordered(Similar(other, rho) for other, rho in others if other != measure and rho is not None)


def results_on(listed: Iterable[ZooResults], zoo_id: int) -> tuple[KnownResult, ...]:
    """Return one result of each measure on a zoo, whatever the target: the values are the same.

    Random numbers and constants resemble others only by chance, so the reference measures are left out.
    """
    found: dict[str, KnownResult] = {}
    for one in listed:
        for result in one.results if one.zoo.zoo_id == zoo_id else ():
            if result.measure.group != REFERENCES:
                found.setdefault(result.measure.name, result)
    return tuple(found[name] for name in sorted(found))


def known_values(session: Session, zoo_id: int, results: Sequence[KnownResult]) -> KnownValues:
    """Return the values of these results on the networks of the zoo, or on a sample of them."""
    of_zoo = select(ZooNetworkRecord.network_id).where(ZooNetworkRecord.zoo_id == zoo_id)
    every = session.scalars(of_zoo.order_by(ZooNetworkRecord.network_id)).all()
    ids = every if len(every) <= MOST_NETWORKS else every[:: math.ceil(len(every) / MOST_NETWORKS)]
    values: dict[int, dict[str, float]] = {result.evaluation_id: {} for result in results}
    for part in parts(ids):
        for evaluation_id, network_id, value in session.execute(
            select(ValueRecord.evaluation_id, ValueRecord.network_id, ValueRecord.value).where(
                ValueRecord.evaluation_id.in_(values), ValueRecord.network_id.in_(part)
            )
        ):
            values[evaluation_id][network_id] = value
    whole = [result for result in results if len(values[result.evaluation_id]) == len(ids)]
    return KnownValues(
        network_ids=tuple(ids),
        measures=tuple(result.measure for result in whole),
        values=tuple(tuple(values[result.evaluation_id][one] for one in ids) for result in whole),
    )


def agreement(known: KnownValues) -> Agreement:
    """Return the rank correlations of every two measures."""
    rho = _correlations(known.values, len(known.network_ids))
    order = _beside_similar(np.abs(np.nan_to_num(rho)))
    return Agreement(
        networks=len(known.network_ids),
        measures=tuple(known.measures[place] for place in order),
        rho=tuple(tuple(_number(rho[row, column]) for column in order) for row in order),
    )


def similar_measures(
    session: Session, result: Result, zoo_name: str, known: KnownValues, *, itself: str | None = None
) -> tuple[Similar, ...]:
    """Return the shipped measures by their similarity to a submission on one zoo, the most similar ones first.

    Parameters
    ----------
    result : Result
        As its reader may see it.
    known : KnownValues
        On the same version of the zoo.
    itself : str or None, optional
        The name of the shipped measure that the submission is, which is left out.

    Returns
    -------
    tuple[Similar, ...]
        Empty where the reader is not told the values on the zoo.
    """
    zoo = result.zoo(zoo_name)
    if zoo is None or not zoo.truth_public or zoo.in_steps:
        return ()
    own: Mapping[str, float] = {}
    for part in parts(known.network_ids):
        query = (
            select(ValueRecord.network_id, ValueRecord.value)
            .join(EvaluationRecord, EvaluationRecord.id == ValueRecord.evaluation_id)
            .join(SubmissionRecord, enters_score())
            .where(
                SubmissionRecord.id == result.submission_id,
                EvaluationRecord.zoo_id == zoo.zoo_id,
                EvaluationRecord.state == State.SCORED,
                ValueRecord.network_id.in_(part),
            )
        )
        own = {**own, **as_dict(session, query)}
    if len(own) < len(known.network_ids):
        return ()
    row = tuple(own[network_id] for network_id in known.network_ids)
    rho = _correlations((row, *known.values), len(row))[0, 1:]
    pairs = zip(known.measures, map(_number, rho), strict=True)
    return _ordered(Similar(measure, one) for measure, one in pairs if one is not None and measure.name != itself)


def _correlations(rows: Sequence[Sequence[float]], networks: int) -> np.ndarray:
    return rank_correlations(np.array(rows, dtype=np.float64).reshape(len(rows), networks))


def _ordered(found: Iterable[Similar]) -> tuple[Similar, ...]:
    return tuple(sorted(found, key=lambda one: (-abs(one.rho), one.measure.name)))


def _number(rho: float) -> float | None:
    return None if math.isnan(rho) else float(rho)


def _beside_similar(closeness: np.ndarray) -> list[int]:
    """Return an order of the rows in which each is followed by the one that is closest to it among those left."""
    left = set(range(len(closeness)))
    if not left:
        return []
    order = [int(closeness.sum(axis=1).argmax())]
    left.remove(order[0])
    while left:
        order.append(max(left, key=lambda place: (closeness[order[-1], place], -place)))
        left.remove(order[-1])
    return order
