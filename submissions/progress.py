"""What pages tell about one submission: state, progress, scores, values beside a public truth.

Read models only, built in a fixed number of queries. Called by the submission pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from model_zoo import ZooTruth, open_zoo
from submissions.leaderboard import SCORE_DIGITS, percent, rounded_tau
from submissions.records import (
    CompetitionRecord,
    EvaluationRecord,
    PhaseRecord,
    SubmissionRecord,
    UserRecord,
    ValueRecord,
    ZooRecord,
)
from submissions.states import SENTENCES, Reason, State

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
class Progress:
    """One submission's current attempt. `detail` is None for readers who may not see it."""

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
    score: float | None
    attempt: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    zoos: tuple[ZooProgress, ...]

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


def progress(session: Session, submission_id: int, *, with_detail: bool) -> Progress:
    """The submission as a page shows it, in two queries. Raises NoResultFound for an unknown id.

    with_detail: whether the reader may see what the measure's failure says (its owner and organizers).
    """
    submission, user_name = session.execute(
        select(SubmissionRecord, UserRecord.name)
        .join(UserRecord, UserRecord.id == SubmissionRecord.user_id)
        .where(SubmissionRecord.id == submission_id)
    ).one()
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
        score=_rounded_score(submission.score),
        attempt=submission.attempt,
        created_at=submission.created_at,
        started_at=submission.started_at,
        finished_at=submission.finished_at,
        zoos=_zoos(session, submission.id, submission.attempt),
    )


def _zoos(session: Session, submission_id: int, attempt: int) -> tuple[ZooProgress, ...]:
    rows = session.execute(
        select(
            ZooRecord.name,
            ZooRecord.title,
            EvaluationRecord.state,
            EvaluationRecord.networks,
            func.count(ValueRecord.network_id),
            EvaluationRecord.cmi,
            EvaluationRecord.kendall_tau,
            func.avg(ValueRecord.wall_s),
            func.max(ValueRecord.wall_s),
            func.max(ValueRecord.peak_bytes),
            ZooRecord.truth_public,
        )
        .select_from(EvaluationRecord)
        .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
        .outerjoin(ValueRecord, ValueRecord.evaluation_id == EvaluationRecord.id)
        .where(EvaluationRecord.submission_id == submission_id, EvaluationRecord.attempt == attempt)
        .group_by(EvaluationRecord.id, ZooRecord.id)
        .order_by(EvaluationRecord.position)
    )
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
        for name, title, state, networks, done, cmi, tau, mean, longest, peak, public in rows
    )


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


def _rounded_score(score: float | None) -> float | None:
    return None if score is None else round(score, SCORE_DIGITS)
