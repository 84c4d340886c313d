"""The progress of one submission for its pages: state, smoke run, values so far, scores, failure, repeats.

Read-only models, built in a fixed number of queries. `submissions.results.values_and_targets` returns the values of
zoos with public truth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import Session, aliased, contains_eager

from scoring import METRICS
from submissions.evaluation.failure_disclosure import (
    FailureText,
    failure_told,
    has_failed,
    seen_detail,
    seen_states,
    tells_all,
)
from submissions.results.disclosure import Disclosure, Reader, Sight, disclosure, told_score
from submissions.storage.records import (
    EvaluationRecord,
    FailureRecord,
    PhaseRecord,
    PhaseZooRecord,
    Purpose,
    RunRecord,
    SubmissionRecord,
    TeamRecord,
    UserRecord,
    ValueRecord,
    ZooRecord,
    copied,
)
from submissions.storage.roles import Permission
from submissions.storage.states import SENTENCES, Reason, State
from submissions.zoos.tracks import in_words

_METRICS = ("cmi", "kendall_tau")


@dataclass(frozen=True)
class ZooProgress:
    """The progress of one evaluation: `done` of `networks` have a value. Seconds are wall time per network.

    cmi, kendall_tau, mean_wall_s, longest_wall_s, peak_bytes: None also if the reader may not be told. If the measure
    failed on a hidden zoo in a phase without logs, `done` is 0 on such zoos.
    """

    name: str
    title: str
    state: State
    networks: int
    done: int
    cmi: float | None
    kendall_tau: float | None
    mean_wall_s: float | None
    longest_wall_s: float | None
    peak_bytes: int | None
    truth_public: bool


@dataclass(frozen=True)
class SmokeProgress:
    """The progress of the smoke run; it is `scored` once every network has a value."""

    zoo_title: str
    state: State
    networks: int
    done: int

    @property
    def is_open(self) -> bool:
        """Whether the smoke run has not ended."""
        return not self.state.is_final


@dataclass(frozen=True)
class FailureView:
    """Where and how the measure failed, for its author.

    Attributes
    ----------
    zoo_title : str or None
        None, as for `ordinal` and `networks`, where only the reason of a failure is told (`failure_disclosure`).
    ordinal : int or None
        The position of the network in the order of evaluation; its id stays hidden.
    message, log : str or None
        None where only the reason is told.
    """

    is_smoke: bool
    zoo_title: str | None
    ordinal: int | None
    networks: int | None
    detail: str
    message: str | None
    log: str | None


@dataclass(frozen=True)
class RepeatProgress:
    """Networks evaluated again after the score: `differing` of the `done` gave a different value, or none."""

    networks: int
    done: int
    differing: int


@dataclass(frozen=True)
class Progress:
    """The current attempt of a submission, as one reader may see it: None stands for what they may not see.

    Attributes
    ----------
    user_name : str
        For the owners the person who submitted it; for others the alias or the team's name, if there is one.
    alias : str or None
        For the owners, who appear under it.
    score : float or None
        As `sees` says, the submission's own score or the released one.
    layers : Mapping[str, bool]
        Sandbox layer → whether it was active in all sandboxes of the attempt.
    """

    submission_id: int
    name: str
    filename: str
    user_id: int
    user_name: str
    is_baseline: bool
    is_hidden: bool
    is_disqualified: bool
    state: State
    reason: Reason | None
    detail: str | None
    failure: FailureView | None
    score: float | None
    spends_quota: bool
    attempt: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    smoke: SmokeProgress | None
    zoos: tuple[ZooProgress, ...]
    repeats: RepeatProgress | None
    needs: str  # of the extended track, in words
    sees: Sight
    score_digits: int
    alias: str | None
    team_name: str | None
    description: str
    link: str
    track: str
    parent_id: int | None
    layers: Mapping[str, bool]

    @property
    def is_in_smoke(self) -> bool:
        """Whether the smoke run has not ended, so that nothing else has begun."""
        return not self.state.is_final and self.smoke is not None and self.smoke.is_open

    @property
    def waits_after_smoke(self) -> bool:
        """Whether the smoke run has passed and no scored network has begun yet."""
        is_through = self.smoke is not None and not self.smoke.is_open
        return not self.state.is_final and is_through and all(zoo.state is State.QUEUED for zoo in self.zoos)

    @property
    def done(self) -> int:
        """The number of networks with a value."""
        return sum(zoo.done for zoo in self.zoos)

    @property
    def networks(self) -> int:
        """The number of networks on all zoos of the phase."""
        return sum(zoo.networks for zoo in self.zoos)

    @property
    def sentence(self) -> str | None:
        """Why the measure failed, in one sentence."""
        return None if self.reason is None else SENTENCES[self.reason]


def progress(session: Session, submission_id: int, reader: Reader) -> Progress:
    """Return the progress of a submission as this reader may see it, in two to four queries.

    Raises
    ------
    NoResultFound
        If there is no such submission.
    """
    with_detail = reader.is_owner or Permission.SEE_SUBMISSIONS in reader.permissions
    submission, user_name, team_name = session.execute(
        select(SubmissionRecord, UserRecord.name, TeamRecord.name)
        .join(UserRecord, UserRecord.id == SubmissionRecord.user_id)
        .outerjoin(TeamRecord, TeamRecord.id == SubmissionRecord.team_id)
        .join(SubmissionRecord.phase)
        .options(contains_eager(SubmissionRecord.phase))
        .where(SubmissionRecord.id == submission_id)
    ).one()
    evaluations = _evaluations(session, submission)
    has_repeats = any(row.purpose is Purpose.REPEAT for row in evaluations)
    fails = with_detail and submission.state is State.FAILED
    told = disclosure(submission.phase, submission, reader)
    return copied(
        Progress,
        submission,
        submission_id=submission.id,
        user_name=user_name if with_detail else submission.alias or team_name or user_name,
        detail=seen_detail(session, submission, reader) if with_detail else None,
        failure=_failure(session, submission) if fails else None,
        score=told_score(submission, told),
        finished_at=told.moment(submission.finished_at),
        smoke=_smoke(evaluations),
        zoos=_zoos(evaluations, told, submission.phase),
        repeats=_repeats(session, submission.id, submission.attempt) if has_repeats and not told.is_coarse else None,
        needs=in_words(submission.needs),
        sees=told.sight,
        score_digits=told.digits,
        alias=submission.alias if with_detail else None,
        team_name=team_name if with_detail or submission.alias is None else None,
        parent_id=submission.parent_id if with_detail else None,
        layers=_layers(evaluations),
    )


def _evaluations(session: Session, submission: SubmissionRecord) -> Sequence[Any]:
    """Return every evaluation of the current attempt with its progress. in_phase: whether the phase has its zoo now."""
    in_phase = exists().where(
        PhaseZooRecord.phase_id == submission.phase_id, PhaseZooRecord.zoo_id == EvaluationRecord.zoo_id
    )
    return session.execute(
        select(
            EvaluationRecord.purpose,
            EvaluationRecord.state,
            EvaluationRecord.networks,
            EvaluationRecord.layers,
            EvaluationRecord.cmi,
            EvaluationRecord.kendall_tau,
            ZooRecord.name,
            ZooRecord.title,
            ZooRecord.truth_public,
            in_phase.label("in_phase"),
            func.count(ValueRecord.network_id).label("done"),
            func.avg(ValueRecord.wall_s).label("mean_wall_s"),
            func.max(ValueRecord.wall_s).label("longest_wall_s"),
            func.max(ValueRecord.peak_bytes).label("peak_bytes"),
        )
        .select_from(EvaluationRecord)
        .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
        .outerjoin(ValueRecord, ValueRecord.evaluation_id == EvaluationRecord.id)
        .where(EvaluationRecord.submission_id == submission.id, EvaluationRecord.attempt == submission.attempt)
        .group_by(EvaluationRecord.id, ZooRecord.id)
        .order_by(EvaluationRecord.position)
    ).all()


def _smoke(evaluations: Sequence[Any]) -> SmokeProgress | None:
    for row in evaluations:
        if row.purpose is Purpose.SMOKE:
            return copied(SmokeProgress, row, zoo_title=row.title)
    return None


def _zoos(evaluations: Sequence[Any], told: Disclosure, phase: PhaseRecord) -> tuple[ZooProgress, ...]:
    are_told = [tells_all(phase, truth_public=row.truth_public) for row in evaluations]
    states = seen_states([(row.state, is_told) for row, is_told in zip(evaluations, are_told, strict=True)])
    has_failed = State.FAILED in states
    return tuple(
        _zoo(row, told, state, is_told=is_told or not has_failed)
        for row, is_told, state in zip(evaluations, are_told, states, strict=True)
        if row.purpose is Purpose.SCORE
    )


def _zoo(row: Any, told: Disclosure, state: State, *, is_told: bool) -> ZooProgress:
    """Return the progress on one zoo. is_told: whether it may be told how far the measure came there."""
    public = row.truth_public
    told = told if row.in_phase else told.of_the_past
    numbers: dict[str, Any] = {"done": 0, "cmi": None, "kendall_tau": None}
    if is_told:
        numbers = {key: told.metric(METRICS[key], getattr(row, key), truth_public=public) for key in _METRICS}
        numbers["done"] = told.done(row.done, row.networks, truth_public=public)
    if not (is_told and told.tells_costs(truth_public=public)):  # a measure decides how long it takes
        numbers |= dict.fromkeys(("mean_wall_s", "longest_wall_s", "peak_bytes"))
    return copied(ZooProgress, row, state=state, **numbers)


def _layers(evaluations: Sequence[Any]) -> dict[str, bool]:
    """Return the layers of the sandboxes of an attempt; a layer counts as active if it was active in all of them."""
    vectors = [row.layers for row in evaluations if row.layers]
    return {name: all(vector.get(name, False) for vector in vectors) for vector in vectors for name in vector}


def _failure(session: Session, submission: SubmissionRecord) -> FailureView | None:
    found = session.execute(
        select(
            EvaluationRecord.purpose,
            ZooRecord.title,
            ZooRecord.truth_public,
            RunRecord.position,
            EvaluationRecord.networks,
            FailureRecord,
        )
        .join(RunRecord, RunRecord.id == FailureRecord.run_id)
        .join(EvaluationRecord, EvaluationRecord.id == RunRecord.evaluation_id)
        .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
        .where(has_failed(submission))
    ).first()
    if found is None:
        return None
    purpose, title, truth_public, position, networks, failure = found
    text = failure_told(
        FailureText(failure.detail, failure.message, failure.log),
        failure.reason,
        submission.phase,
        truth_public=truth_public,
    )
    is_told = tells_all(submission.phase, truth_public=truth_public)
    return FailureView(
        is_smoke=purpose is Purpose.SMOKE,
        zoo_title=title if is_told else None,
        ordinal=position + 1 if is_told else None,
        networks=networks if is_told else None,
        detail=text.detail,
        message=text.message,
        log=text.log,
    )


def _repeats(session: Session, submission_id: int, attempt: int) -> RepeatProgress:
    scored, first, again = aliased(EvaluationRecord), aliased(ValueRecord), aliased(ValueRecord)
    repeat = and_(
        EvaluationRecord.submission_id == submission_id,
        EvaluationRecord.attempt == attempt,
        EvaluationRecord.purpose == Purpose.REPEAT,
    )
    networks = session.scalar(select(func.sum(EvaluationRecord.networks)).where(repeat)) or 0
    failed = session.scalar(
        select(func.count())
        .select_from(RunRecord)
        .join(EvaluationRecord, EvaluationRecord.id == RunRecord.evaluation_id)
        .where(repeat, RunRecord.state == "failed")
    )
    done = session.execute(
        select(first.value, again.value)
        .select_from(EvaluationRecord)
        .join(
            scored,
            and_(
                scored.submission_id == EvaluationRecord.submission_id,
                scored.attempt == EvaluationRecord.attempt,
                scored.zoo_id == EvaluationRecord.zoo_id,
                scored.purpose == Purpose.SCORE,
            ),
        )
        .join(again, again.evaluation_id == EvaluationRecord.id)
        .join(first, and_(first.evaluation_id == scored.id, first.network_id == again.network_id))
        .where(repeat)
    ).all()
    differing = sum(before != after for before, after in done)
    return RepeatProgress(networks=networks, done=len(done) + (failed or 0), differing=differing + (failed or 0))
