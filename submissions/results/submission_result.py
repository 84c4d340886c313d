"""The result of a scored submission as a reader may see it: scores with uncertainty, and the data of its pictures.

Pages, charts and downloads get their numbers only from here. What the reader may not be told is removed here, as
`submissions.results.disclosure` decides, and so are the names and values of the axes of zoos with hidden truth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from scoring import METRICS
from submissions.results.disclosure import Disclosure, Reader, Sight, disclosure
from submissions.results.rounded_times import TimeBin, time_bins
from submissions.storage.records import (
    EvaluationRecord,
    PhaseRecord,
    PhaseZooRecord,
    Purpose,
    StandingRecord,
    SubmissionRecord,
    ValueRecord,
    ZooRecord,
    copied,
)
from submissions.storage.states import State

_PERCENT = 100.0
_SURE = 2.0  # standard errors from which a τ has a direction


@dataclass(frozen=True)
class SetCmi:
    """The CMI (0 to 100) given one conditioning set; None if the set determines the target.

    attains: whether it is the minimum, which is the score.
    """

    axes: tuple[str, ...]
    cmi: float | None
    attains: bool  # the minimum, which is the score


@dataclass(frozen=True)
class AxisNumber:
    """A number of one axis; None if it is undefined."""

    axis: str
    number: float | None


@dataclass(frozen=True)
class Change:
    """A change of one axis between two of its values, and how often the measure is wrong about it, from 0 to 1."""

    axis: str
    first: str
    second: str
    pairs: int
    sign_error: float


@dataclass(frozen=True)
class Step:
    """A step of a cumulative distribution: the share of changes with a sign error of at most `sign_error`."""

    sign_error: float
    share: float


@dataclass(frozen=True)
class SignErrors:
    """The robust sign-error over all changes that noise cannot explain: the surviving ones.

    total: the number of all changes. changes: empty, and total None, if the reader may not see the axes' values.
    """

    mean: float | None
    percentile_90: float | None
    maximum: float | None
    surviving: int
    total: int | None
    cdf: tuple[Step, ...]
    by_axis: tuple[AxisNumber, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Report:
    """The results of scoring one evaluation beyond its score. All CMIs are from 0 to 100.

    p_value, noise_*, floor_*, oracle: None if the zoo is too large, or its truth does not record enough.
    """

    p_value: float | None
    draws: int | None
    noise_deviation: float | None
    noise_5: float | None
    noise_95: float | None
    floor_mean: float | None
    floor_95: float | None
    oracle: float | None
    tau_error: float | None
    tau_b: float | None
    spearman: float | None
    pearson: float | None
    r2: float | None
    delta_r2: float | None
    psi_by_axis: tuple[AxisNumber, ...]
    sets: tuple[SetCmi, ...]
    sign_errors: SignErrors | None


@dataclass(frozen=True)
class ZooResult:
    """The result on one zoo.

    Attributes
    ----------
    score, standard_error : float
        From 0 to 100.
    kendall_tau, psi : float or None
        None if undefined, or if the reader may not be told.
    in_steps : bool
        Whether the reader is told only the score, to the nearest step, and perhaps τ and ψ.
    names_axes : bool
        Whether the reader may see the axes' names; otherwise they are "axis A", "axis B", ….
    report : Report or None
        None for scores from before reports were stored, and where the reader may not be told.
    """

    zoo_id: int
    name: str
    title: str
    networks: int
    truth_public: bool
    in_steps: bool
    names_axes: bool
    score: float
    standard_error: float | None
    kendall_tau: float | None
    psi: float | None
    times: tuple[TimeBin, ...]
    report: Report | None

    @property
    def direction(self) -> int:
        """1 if larger values clearly go with larger targets, −1 if with smaller ones, 0 if neither is clear."""
        if self.kendall_tau is None:
            return 0
        error = self.report.tau_error if self.report is not None else None
        if error is not None and abs(self.kendall_tau) <= _SURE * error:
            return 0
        return (self.kendall_tau > 0) - (self.kendall_tau < 0)


@dataclass(frozen=True)
class Result:
    """A scored submission as far as a reader may see it.

    Attributes
    ----------
    sight : Sight
        NOTHING omits everything else, SHOWN_SCORE all but the released score.
    step : float or None
        The distance of the scores that may be told; None where they are told exactly.
    score, standard_error : float or None
        From 0 to 100.
    counts : bool
        Whether the submission is its entrant's on the leaderboard.
    rank_lowest, rank_highest : int or None
        The rank interval; None until it is computed.
    """

    submission_id: int
    name: str
    target: str
    sight: Sight
    step: float | None
    score: float | None
    standard_error: float | None
    counts: bool
    rank_lowest: int | None
    rank_highest: int | None
    zoos: tuple[ZooResult, ...]

    def zoo(self, name: str) -> ZooResult | None:
        """Return the result on the zoo with this name, if any."""
        return next((zoo for zoo in self.zoos if zoo.name == name), None)

    @property
    def floor_mean(self) -> float | None:
        """The mean score of random values, averaged over the zoos."""
        return _mean([zoo.report.floor_mean if zoo.report is not None else None for zoo in self.zoos])

    @property
    def oracle(self) -> float | None:
        """The score of the hyperparameter oracle, averaged over the zoos."""
        return _mean([zoo.report.oracle if zoo.report is not None else None for zoo in self.zoos])


def result(session: Session, submission_id: int, reader: Reader) -> Result | None:
    """Return what this reader may see of the submission's scores, in four queries.

    Returns
    -------
    Result or None
        None if the submission is not scored.

    Raises
    ------
    NoResultFound
        If there is no such submission.
    """
    submission, phase = session.execute(
        select(SubmissionRecord, PhaseRecord)
        .join(PhaseRecord, PhaseRecord.id == SubmissionRecord.phase_id)
        .where(SubmissionRecord.id == submission_id)
    ).one()
    if submission.state is not State.SCORED:
        return None
    told = disclosure(phase, submission, reader)
    sees_all = told.sight is Sight.ALL
    standing = session.scalar(select(StandingRecord).where(StandingRecord.submission_id == submission_id))
    placed = standing if sees_all else None
    return Result(
        submission_id=submission.id,
        name=submission.name,
        target=phase.target,
        sight=told.sight,
        step=phase.score_step if told.sight in (Sight.STEPS, Sight.SHOWN_SCORE) else None,
        score=told.score(submission.score, submission.shown_score),
        standard_error=submission.standard_error if sees_all else None,
        counts=standing is not None and told.sight is not Sight.NOTHING,
        rank_lowest=placed.rank_lowest if placed is not None else None,
        rank_highest=placed.rank_highest if placed is not None else None,
        zoos=_zoos(session, submission, told, reader) if told.sight.tells_zoos else (),
    )


def _zoos(session: Session, submission: SubmissionRecord, told: Disclosure, reader: Reader) -> tuple[ZooResult, ...]:
    in_phase = exists().where(PhaseZooRecord.phase_id == submission.phase_id, PhaseZooRecord.zoo_id == ZooRecord.id)
    found = session.execute(
        select(EvaluationRecord, ZooRecord, in_phase)
        .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
        .where(
            EvaluationRecord.submission_id == submission.id,
            EvaluationRecord.attempt == submission.attempt,
            EvaluationRecord.purpose == Purpose.SCORE,
            EvaluationRecord.state == State.SCORED,
        )
        .order_by(EvaluationRecord.position)
    ).all()
    told_of = {zoo.id: told if is_in_phase else told.of_the_past for _, zoo, is_in_phase in found}
    evaluations = [(evaluation, zoo) for evaluation, zoo, _ in found]
    is_told = {zoo.id: told_of[zoo.id].tells_all_of(truth_public=zoo.truth_public) for _, zoo in evaluations}
    seconds: dict[int, list[float]] = {evaluation.id: [] for evaluation, zoo in evaluations if is_told[zoo.id]}
    for evaluation_id, wall_s in session.execute(
        select(ValueRecord.evaluation_id, ValueRecord.wall_s)
        .where(ValueRecord.evaluation_id.in_(seconds))
        .order_by(ValueRecord.wall_s)
    ):
        seconds[evaluation_id].append(wall_s)
    return tuple(
        _zoo(evaluation, zoo, seconds[evaluation.id], reader)
        if is_told[zoo.id]
        else _zoo_in_steps(evaluation, zoo, told_of[zoo.id])
        for evaluation, zoo in evaluations
    )


def _zoo_in_steps(evaluation: EvaluationRecord, zoo: ZooRecord, told: Disclosure) -> ZooResult:
    """Return what may be told of a result on a zoo whose truth is secret."""
    score, tau, psi = (
        told.metric(METRICS[key], getattr(evaluation, key), truth_public=False)
        for key in ("cmi", "kendall_tau", "granulated_kendall")
    )
    assert score is not None  # it is scored
    return copied(
        ZooResult,
        zoo,
        zoo_id=zoo.id,
        networks=evaluation.networks,
        in_steps=True,
        names_axes=False,
        score=score,
        standard_error=None,
        kendall_tau=tau,
        psi=psi,
        times=(),
        report=None,
    )


def _zoo(evaluation: EvaluationRecord, zoo: ZooRecord, seconds: Sequence[float], reader: Reader) -> ZooResult:
    assert evaluation.cmi is not None  # it is scored
    assert evaluation.kendall_tau is not None
    names_axes = zoo.truth_public or reader.sees_secrets
    content = evaluation.report
    return copied(
        ZooResult,
        zoo,
        zoo_id=zoo.id,
        networks=evaluation.networks,
        in_steps=False,
        names_axes=names_axes,
        score=_PERCENT * evaluation.cmi,
        standard_error=_percent(evaluation.standard_error),
        kendall_tau=evaluation.kendall_tau,
        psi=evaluation.granulated_kendall,
        times=time_bins(seconds),
        report=_report(content, names_axes=names_axes) if content is not None and "cmi" in content else None,
    )


def _report(content: Mapping[str, Any], *, names_axes: bool) -> Report:
    axes = list(content["granulated"]["psi_by_axis"])
    names = {axis: axis if names_axes else _letter(place) for place, axis in enumerate(axes)}
    permutation, noise, references = (content[name] or {} for name in ("permutation", "noise", "references"))
    floor, sign_error, cmi = references.get("random_floor", {}), content["sign_error"], content["cmi"]
    return Report(
        p_value=permutation.get("p_value"),
        draws=permutation.get("draws"),
        noise_deviation=_percent(noise.get("standard_deviation")),
        noise_5=_percent(noise.get("percentile_5")),
        noise_95=_percent(noise.get("percentile_95")),
        floor_mean=_percent(floor.get("mean")),
        floor_95=_percent(floor.get("percentile_95")),
        oracle=_percent(references.get("hyperparameter_oracle")),
        tau_error=content["kendall"]["standard_error_a"],
        tau_b=content["kendall"]["tau_b"],
        spearman=content["correlations"]["spearman"],
        pearson=content["correlations"]["pearson"],
        r2=content["regression"]["r2"],
        delta_r2=content["regression"]["delta_r2"],
        psi_by_axis=_by_axis(content["granulated"]["psi_by_axis"], names),
        sets=tuple(
            SetCmi(
                axes=tuple(names[axis] for axis in entry["axes"]),
                cmi=_percent(entry["value"]),
                attains=entry["axes"] == cmi["attained_by"],
            )
            for entry in cmi["table"]
        ),
        sign_errors=None if sign_error is None else _sign_errors(sign_error, names, names_axes=names_axes),
    )


def _sign_errors(content: Mapping[str, Any], names: Mapping[str, str], *, names_axes: bool) -> SignErrors:
    named = content["environments"] if names_axes else ()
    return SignErrors(
        mean=content["mean"],
        percentile_90=content["percentile_90"],
        maximum=content["maximum"],
        surviving=content["surviving"],
        total=content["total"] if names_axes else None,
        cdf=tuple(Step(step["sign_error"], step["fraction"]) for step in content["cdf"]),
        by_axis=_by_axis(content["by_axis"], names),
        changes=tuple(
            Change(names[one["axis"]], one["first"], one["second"], one["pairs"], one["sign_error"]) for one in named
        ),
    )


def _by_axis(numbers: Mapping[str, float | None], names: Mapping[str, str]) -> tuple[AxisNumber, ...]:
    return tuple(AxisNumber(names[axis], number) for axis, number in numbers.items())


def _percent(number: float | None) -> float | None:
    return None if number is None else _PERCENT * number


def _letter(place: int) -> str:
    """Return the replacement of a hidden axis name."""
    return f"axis {ascii_uppercase[place]}" if place < len(ascii_uppercase) else f"axis {place + 1}"


def _mean(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) / len(known) if known and len(known) == len(numbers) else None
