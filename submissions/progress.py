"""What pages tell about one submission: state, smoke run, progress, scores, failure, repeats.

Read models only, built in a fixed number of queries. Called by the submission pages. Values beside a public truth are
`submissions.points`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, aliased

from submissions.leaderboard import SCORE_DIGITS, percent, rounded_tau
from submissions.records import (
    CompetitionRecord,
    EvaluationRecord,
    FailureRecord,
    PhaseRecord,
    Purpose,
    RunRecord,
    SubmissionRecord,
    UserRecord,
    ValueRecord,
    ZooRecord,
)
from submissions.states import SENTENCES, Reason, State
from submissions.tracks import in_words

LISTED = 200


@dataclass(frozen=True)
class ZooProgress:
    """One evaluation: `done` of `networks` have their value. Seconds are wall time per network."""

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
    """The try on a public zoo before anything else: `scored` once every network has its value."""

    zoo_title: str
    state: State
    networks: int
    done: int

    @property
    def is_open(self) -> bool:
        return not self.state.is_final


@dataclass(frozen=True)
class FailureTold:
    """Where and how the measure failed, for its author: the how-manieth network a sandbox saw, never which.

    The message and the log are None in phases that do not show logs.
    """

    is_smoke: bool
    zoo_title: str
    ordinal: int
    networks: int
    detail: str
    message: str | None
    log: str | None


@dataclass(frozen=True)
class RepeatProgress:
    """Networks evaluated once more after the score: `differing` of the `done` gave another value, or none."""

    networks: int
    done: int
    differing: int


@dataclass(frozen=True)
class Progress:
    """One submission's current attempt. `detail` and `failure` are None for readers who may not see them."""

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
    failure: FailureTold | None
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

    @property
    def is_in_smoke(self) -> bool:
        """Whether the smoke run is still to come or going on, so that nothing else has begun."""
        return not self.state.is_final and self.smoke is not None and self.smoke.is_open

    @property
    def waits_after_smoke(self) -> bool:
        """Whether the smoke run has passed and no scored network has been begun yet."""
        is_through = self.smoke is not None and not self.smoke.is_open
        return not self.state.is_final and is_through and all(zoo.state is State.QUEUED for zoo in self.zoos)

    @property
    def done(self) -> int:
        return sum(zoo.done for zoo in self.zoos)

    @property
    def networks(self) -> int:
        return sum(zoo.networks for zoo in self.zoos)

    @property
    def sentence(self) -> str | None:
        """Why the measure failed, in one sentence."""
        return None if self.reason is None else SENTENCES[self.reason]


@dataclass(frozen=True)
class Listed:
    """One line in a user's own list of submissions."""

    submission_id: int
    name: str
    competition_title: str
    competition_slug: str
    phase_title: str
    phase_slug: str
    state: State
    reason: Reason | None
    score: float | None
    created_at: datetime


def progress(session: Session, submission_id: int, *, with_detail: bool) -> Progress:
    """The submission as a page shows it, in two to four queries. Raises NoResultFound for an unknown id.

    with_detail: whether the reader may see what the measure's failure says (its owner and organizers).
    """
    submission, user_name = session.execute(
        select(SubmissionRecord, UserRecord.name)
        .join(UserRecord, UserRecord.id == SubmissionRecord.user_id)
        .where(SubmissionRecord.id == submission_id)
    ).one()
    evaluations = _evaluations(session, submission.id, submission.attempt)
    has_repeats = any(purpose is Purpose.REPEAT for purpose, *_ in evaluations)
    fails = with_detail and submission.state is State.FAILED
    return Progress(
        submission_id=submission.id,
        name=submission.name,
        filename=submission.filename,
        user_id=submission.user_id,
        user_name=user_name,
        is_baseline=submission.is_baseline,
        is_hidden=submission.is_hidden,
        is_disqualified=submission.is_disqualified,
        state=submission.state,
        reason=submission.reason,
        detail=submission.detail if with_detail else None,
        failure=_failure(session, submission.id, submission.attempt) if fails else None,
        score=_rounded_score(submission.score),
        spends_quota=submission.spends_quota,
        attempt=submission.attempt,
        created_at=submission.created_at,
        started_at=submission.started_at,
        finished_at=submission.finished_at,
        smoke=_smoke(evaluations),
        zoos=_zoos(evaluations),
        repeats=_repeats(session, submission.id, submission.attempt) if has_repeats else None,
        needs=in_words(submission.needs),
    )


def _evaluations(session: Session, submission_id: int, attempt: int) -> Sequence[Any]:
    """Every evaluation of an attempt with its progress; the columns are as `_smoke` and `_zoos` unpack them."""
    return session.execute(
        select(
            EvaluationRecord.purpose,
            EvaluationRecord.state,
            EvaluationRecord.networks,
            func.count(ValueRecord.network_id),
            ZooRecord.title,
            ZooRecord.name,
            ZooRecord.truth_public,
            EvaluationRecord.cmi,
            EvaluationRecord.kendall_tau,
            func.avg(ValueRecord.wall_s),
            func.max(ValueRecord.wall_s),
            func.max(ValueRecord.peak_bytes),
        )
        .select_from(EvaluationRecord)
        .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
        .outerjoin(ValueRecord, ValueRecord.evaluation_id == EvaluationRecord.id)
        .where(EvaluationRecord.submission_id == submission_id, EvaluationRecord.attempt == attempt)
        .group_by(EvaluationRecord.id, ZooRecord.id)
        .order_by(EvaluationRecord.position)
    ).all()


def _smoke(evaluations: Sequence[Any]) -> SmokeProgress | None:
    for purpose, state, networks, done, title, *_ in evaluations:
        if purpose is Purpose.SMOKE:
            return SmokeProgress(zoo_title=title, state=state, networks=networks, done=done)
    return None


def _zoos(evaluations: Sequence[Any]) -> tuple[ZooProgress, ...]:
    return tuple(
        ZooProgress(
            name=name,
            title=title,
            state=state,
            networks=networks,
            done=done,
            cmi=percent(cmi),
            kendall_tau=rounded_tau(tau),
            mean_wall_s=mean,
            longest_wall_s=longest,
            peak_bytes=peak,
            truth_public=public,
        )
        for purpose, state, networks, done, title, name, public, cmi, tau, mean, longest, peak in evaluations
        if purpose is Purpose.SCORE
    )


def _failure(session: Session, submission_id: int, attempt: int) -> FailureTold | None:
    found = session.execute(
        select(EvaluationRecord.purpose, ZooRecord.title, RunRecord.position, EvaluationRecord.networks, FailureRecord)
        .join(RunRecord, RunRecord.id == FailureRecord.run_id)
        .join(EvaluationRecord, EvaluationRecord.id == RunRecord.evaluation_id)
        .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
        .where(
            EvaluationRecord.submission_id == submission_id,
            EvaluationRecord.attempt == attempt,
            EvaluationRecord.state == State.FAILED,
        )
    ).first()
    if found is None:
        return None
    purpose, title, position, networks, failure = found
    return FailureTold(
        is_smoke=purpose is Purpose.SMOKE,
        zoo_title=title,
        ordinal=position + 1,
        networks=networks,
        detail=failure.detail,
        message=failure.message,
        log=failure.log,
    )


def _repeats(session: Session, submission_id: int, attempt: int) -> RepeatProgress:
    first, again, scored = aliased(ValueRecord), aliased(ValueRecord), aliased(EvaluationRecord)
    runs = session.execute(
        select(RunRecord.state, first.value, again.value)
        .join(EvaluationRecord, EvaluationRecord.id == RunRecord.evaluation_id)
        .join(
            scored,
            and_(
                scored.submission_id == EvaluationRecord.submission_id,
                scored.attempt == EvaluationRecord.attempt,
                scored.zoo_id == EvaluationRecord.zoo_id,
                scored.purpose == Purpose.SCORE,
            ),
        )
        .join(first, and_(first.evaluation_id == scored.id, first.network_id == RunRecord.network_id))
        .outerjoin(again, and_(again.evaluation_id == EvaluationRecord.id, again.network_id == RunRecord.network_id))
        .where(
            EvaluationRecord.submission_id == submission_id,
            EvaluationRecord.attempt == attempt,
            EvaluationRecord.purpose == Purpose.REPEAT,
        )
    ).all()
    done = [(before, after) for state, before, after in runs if state == "done"]
    differing = sum(before != after for before, after in done)
    return RepeatProgress(networks=len(runs), done=len(done), differing=differing)


def submissions_of(session: Session, user_id: int) -> tuple[Listed, ...]:
    """A user's newest submissions (at most 200), newest first."""
    rows = session.execute(
        select(SubmissionRecord, PhaseRecord, CompetitionRecord)
        .join(PhaseRecord, PhaseRecord.id == SubmissionRecord.phase_id)
        .join(CompetitionRecord, CompetitionRecord.id == PhaseRecord.competition_id)
        .where(SubmissionRecord.user_id == user_id)
        .order_by(SubmissionRecord.id.desc())
        .limit(LISTED)
    )
    return tuple(
        Listed(
            submission_id=submission.id,
            name=submission.name,
            competition_title=competition.title,
            competition_slug=competition.slug,
            phase_title=phase.title,
            phase_slug=phase.slug,
            state=submission.state,
            reason=submission.reason,
            score=_rounded_score(submission.score),
            created_at=submission.created_at,
        )
        for submission, phase, competition in rows
    )


def _rounded_score(score: float | None) -> float | None:
    return None if score is None else round(score, SCORE_DIGITS)
