"""What everybody may be told of the shipped measures: their results on public zoos, as this server has recorded them.

Only phases that everybody sees are read, only zoos with public truth that such a phase uses, and of each submission of
a baseline only what `submissions.results.disclosure` tells everybody. No other person's submission is read, and the
cost does not depend on how many there are. Called by the pages and the API of measures and zoos.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, joinedload

from submissions.baselines import BASELINES, Baseline
from submissions.results.disclosure import EVERYBODY, disclosure
from submissions.storage.queries import as_dict, enters_score, parts
from submissions.storage.records import (
    EvaluationRecord,
    PhaseRecord,
    PhaseZooRecord,
    SubmissionRecord,
    ValueRecord,
    ZooRecord,
    ZooState,
    utc_now,
)
from submissions.storage.states import State
from submissions.zoos import tracks

_PERCENT = 100.0
_of_phase_today = and_(  # not a zoo that the phase has left
    PhaseZooRecord.phase_id == SubmissionRecord.phase_id, PhaseZooRecord.zoo_id == EvaluationRecord.zoo_id
)
_BY_NAME = {baseline.name: baseline for baseline in BASELINES}


@dataclass(frozen=True)
class Chance:
    """Scores from 0 to 100 on one zoo: mean and 95th percentile of random measures, and the hyperparameters alone."""

    random_floor: float
    percentile_95: float
    hyperparameter_oracle: float


@dataclass(frozen=True)
class PublicZoo:
    """A version of a zoo with public truth, and one target that a phase predicts on it. The phases are visible to all.

    chance: None until the zoo is checked or a shipped measure is scored on it.
    """

    zoo_id: int
    name: str
    version: int
    title: str
    networks: int
    manifest_sha256: str
    target: str
    phase_ids: tuple[int, ...]
    chance: Chance | None


@dataclass(frozen=True)
class KnownResult:
    """What a shipped measure got on a public zoo.

    Attributes
    ----------
    measure : Baseline
    is_current : bool
        Whether its code was the code that ships now.
    score, standard_error : float
        From 0 to 100.
    """

    measure: Baseline
    submission_id: int
    evaluation_id: int
    is_current: bool
    score: float
    standard_error: float | None
    kendall_tau: float | None
    tau_error: float | None
    psi: float | None


@dataclass(frozen=True)
class ZooResults:
    """A public zoo and the results of the shipped measures on it, best first; a measure occurs once at most."""

    zoo: PublicZoo
    results: tuple[KnownResult, ...]

    def of(self, measure: Baseline) -> KnownResult | None:
        """Return the result of one measure, if it has one."""
        return next((one for one in self.results if one.measure == measure), None)


def known_results(session: Session) -> tuple[ZooResults, ...]:
    """Return all public zoos with the results on them, in three queries.

    A zoo is listed once for each target, and each of its versions that a phase uses; by name, the newest first.
    """
    of_everybody = select(PhaseRecord).where(PhaseRecord.hidden.is_(False))
    phases = {phase.id: phase for phase in session.scalars(of_everybody.options(joinedload(PhaseRecord.competition)))}
    zoos = _public_zoos(session, phases)
    found: dict[tuple[int, str], list[KnownResult]] = defaultdict(list)
    chances: dict[tuple[int, str], Chance] = {}
    for phase_id, result, zoo_id, references in _told(session, phases, zoos):
        key = zoo_id, phases[phase_id].target
        if all(one.measure != result.measure for one in found[key]):
            found[key].append(result)
        if references:
            chances.setdefault(key, _of_report(references))
    listed = []
    for zoo in zoos:
        key = zoo.zoo_id, zoo.target
        results = sorted(found[key], key=lambda one: (-one.score, one.measure.name))
        listed.append(ZooResults(replace(zoo, chance=zoo.chance or chances.get(key)), tuple(results)))
    return tuple(listed)


def newest(listed: Iterable[ZooResults]) -> tuple[ZooResults, ...]:
    """Return those of the newest version of each zoo."""
    listed = tuple(listed)
    last: dict[str, int] = {}
    for one in listed:
        last[one.zoo.name] = max(last.get(one.zoo.name, 0), one.zoo.version)
    return tuple(one for one in listed if one.zoo.version == last[one.zoo.name])


def mean_seconds(session: Session, evaluation_ids: Sequence[int]) -> Mapping[int, float]:
    """Return the mean wall time of a network in seconds, by evaluation; of results that a reader is told in full."""
    found: dict[int, float] = {}
    for part in parts(evaluation_ids):
        query = select(ValueRecord.evaluation_id, func.avg(ValueRecord.wall_s))
        found |= as_dict(session, query.where(ValueRecord.evaluation_id.in_(part)).group_by(ValueRecord.evaluation_id))
    return found


def phases_for(session: Session, measure: Baseline) -> tuple[PhaseRecord, ...]:
    """Return the open phases that everybody sees and whose zoos offer what the measure needs, with competitions."""
    now = utc_now()
    is_open = PhaseRecord.opens_at <= now, or_(PhaseRecord.closes_at.is_(None), PhaseRecord.closes_at > now)
    query = select(PhaseRecord).where(PhaseRecord.hidden.is_(False), *is_open).order_by(PhaseRecord.id)
    phases = session.scalars(query.options(joinedload(PhaseRecord.competition))).all()
    offers: dict[int, list[tuple[str, list[str]]]] = defaultdict(list)
    for phase_id, title, offered in session.execute(
        select(PhaseZooRecord.phase_id, ZooRecord.title, ZooRecord.offers)
        .join(ZooRecord, ZooRecord.id == PhaseZooRecord.zoo_id)
        .where(PhaseZooRecord.phase_id.in_([phase.id for phase in phases]))
    ):
        offers[phase_id].append((title, offered))
    return tuple(phase for phase in phases if tracks.refusal(measure.needs, offers[phase.id]) is None)


def _public_zoos(session: Session, phases: Mapping[int, PhaseRecord]) -> list[PublicZoo]:
    zoo = ZooRecord
    columns: Any = (zoo.id, zoo.name, zoo.version, zoo.title, zoo.networks, zoo.manifest_sha256)
    rows: Sequence[Any] = session.execute(
        select(*columns, zoo.report["numbers"]["references"], PhaseZooRecord.phase_id)
        .join(PhaseZooRecord, PhaseZooRecord.zoo_id == zoo.id)
        .where(PhaseZooRecord.phase_id.in_(phases), zoo.truth_public.is_(True), zoo.state == ZooState.READY)
        .order_by(zoo.name, zoo.version.desc(), PhaseZooRecord.phase_id)
    ).all()
    listed: dict[tuple[int, str], PublicZoo] = {}
    for zoo_id, name, version, title, networks, manifest_sha256, references, phase_id in rows:
        target = phases[phase_id].target
        chance = _of_check(references, target)
        new = PublicZoo(zoo_id, name, version, title, networks, manifest_sha256, target, (), chance)
        known = listed.setdefault((zoo_id, target), new)
        listed[zoo_id, target] = replace(known, phase_ids=(*known.phase_ids, phase_id))
    return sorted(listed.values(), key=lambda one: (one.name, -one.version, one.target != "gap", one.target))


def _told(
    session: Session, phases: Mapping[int, PhaseRecord], zoos: Sequence[PublicZoo]
) -> Iterable[tuple[int, KnownResult, int, Any]]:
    """Yield phase, result, zoo and references of what may be told; results of today's code first, then newer ones."""
    evaluation, report = EvaluationRecord, EvaluationRecord.report
    rows = session.execute(
        select(
            SubmissionRecord,
            *(evaluation.id, evaluation.zoo_id, evaluation.cmi, evaluation.standard_error),
            *(evaluation.kendall_tau, report["kendall"]["standard_error_a"].as_float(), evaluation.granulated_kendall),
            report["references"],
        )
        .join(evaluation, enters_score())
        .join(PhaseZooRecord, _of_phase_today)
        .where(
            SubmissionRecord.phase_id.in_({phase_id for zoo in zoos for phase_id in zoo.phase_ids}),
            SubmissionRecord.entrant.between("b", "c"),  # baselines alone, by the index
            SubmissionRecord.is_baseline.is_(True),
            SubmissionRecord.state == State.SCORED,
            SubmissionRecord.is_hidden.is_(False),
            SubmissionRecord.is_disqualified.is_(False),
            evaluation.state == State.SCORED,
            evaluation.zoo_id.in_({zoo.zoo_id for zoo in zoos}),
        )
        .order_by(SubmissionRecord.id.desc())
    ).all()
    told = []
    for submission, evaluation_id, zoo_id, cmi, error, tau, tau_error, psi, references in rows:
        measure = _BY_NAME.get(submission.name)
        disclosed = disclosure(phases[submission.phase_id], submission, EVERYBODY)
        if measure is None or not disclosed.tells_all_of(truth_public=True):
            continue
        is_current = submission.bundle_sha256 == _digest(measure)
        numbers = _PERCENT * cmi, None if error is None else _PERCENT * error, tau, tau_error, psi
        result = KnownResult(measure, submission.id, evaluation_id, is_current, *numbers)
        told.append((submission.phase_id, result, zoo_id, references))
    return sorted(told, key=lambda one: not one[1].is_current)


@cache
def _digest(measure: Baseline) -> str:
    return sha256(measure.path.read_bytes()).hexdigest()


def _of_check(rows: list[dict[str, Any]] | None, target: str) -> Chance | None:
    names = ("random_floor", "random_floor_percentile_95", "hyperparameter_oracle")
    return next((Chance(*(row[name] for name in names)) for row in rows or () if row["target"] == target), None)


def _of_report(content: dict[str, Any]) -> Chance:
    floor = content["random_floor"]
    numbers = floor["mean"], floor["percentile_95"], content["hyperparameter_oracle"]
    return Chance(*(_PERCENT * number for number in numbers))
