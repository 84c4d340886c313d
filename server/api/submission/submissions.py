"""Submissions: listed, watched with all that is known of them, cancelled, chosen; their code."""

import io
from datetime import datetime

from flask import Response, send_file
from pydantic import Field
from sqlalchemy.orm import Session

from server.api.fields import Answer, Listing, Paging, Slug
from server.api.routes import Routes
from server.auth.access import OwnerOr, Who, the_submission
from server.auth.login import may, the_account
from server.auth.result_access import reader_of
from server.config import services
from server.problems import Problem, faulty
from submissions.competitions.competitions import find_phase
from submissions.evaluation.outcomes import cancel
from submissions.evaluation.submission_progress import progress
from submissions.intake.bundle_store import StoreError
from submissions.intake.listing import Listed, own_submissions
from submissions.leaderboard.standings import choose
from submissions.people.tokens import Scope
from submissions.results.disclosure import Sight
from submissions.storage.roles import Permission
from submissions.storage.states import Reason, State
from submissions.storage.submission_head import submission_head

routes = Routes(40, "submissions", "Submissions", "Submissions: list, watch, cancel.")


class Smoke(Answer):
    """The try on a public zoo before anything else."""

    zoo_title: str
    state: State
    networks: int
    done: int


class ZooOfSubmission(Answer):
    """How far a submission is on one zoo, and its scores there, as far as the reader may see them."""

    name: str
    title: str
    state: State
    networks: int
    done: int
    cmi: float | None = Field(description="From 0 to 100")
    kendall_tau: float | None
    mean_wall_s: float | None = Field(description="Seconds per network")
    longest_wall_s: float | None
    peak_bytes: int | None


class Failure(Answer):
    """Where and how the measure failed, for its author. On hidden zoos only in phases that show logs."""

    is_smoke: bool
    zoo_title: str | None = Field(description="Null, as ordinal and networks, where only the reason is shown")
    ordinal: int | None = Field(description="Position of the network in the order of evaluation")
    networks: int | None
    detail: str
    message: str | None = Field(description="Null where only the reason is shown")
    log: str | None


class Repeats(Answer):
    """Networks evaluated once more after the score."""

    networks: int
    done: int
    differing: int


class SubmissionSummary(Answer):
    """A submission in a list."""

    id: int
    name: str
    competition: str
    phase: str
    state: State
    reason: Reason | None
    score: float | None = Field(description="From 0 to 100, as far as you may see it")
    sees: Sight = Field(description="How much of its scores you see")
    created_at: datetime


class Submission(SubmissionSummary):
    author: str = Field(description="The author; on public pages the alias or the team")
    team: str | None
    alias: str | None
    description: str
    link: str
    track: str
    needs: list[str] = Field(description="What it needs from zoos of the extended track")
    sentence: str | None = Field(description="Why it failed")
    detail: str | None = Field(description="Details of the reason, for its author")
    failure: Failure | None
    attempt: int
    spends_quota: bool
    is_baseline: bool
    is_hidden: bool
    is_disqualified: bool
    is_chosen: bool
    parent: int | None = Field(description="The submission that it was resubmitted from")
    started_at: datetime | None
    finished_at: datetime | None
    networks: int = Field(description="Networks of all zoos")
    done: int = Field(description="Number of networks with a value")
    layers: dict[str, bool] = Field(description="Which layers of the sandbox were active wherever it ran")
    smoke: Smoke | None
    zoos: list[ZooOfSubmission]
    repeats: Repeats | None


class Submissions(Listing):
    items: list[SubmissionSummary]


class OwnQuery(Paging):
    competition: Slug | None = Field(None, description="Submissions of this competition's `phase` alone")
    phase: Slug | None = Field(None, description="Goes with `competition`")


_SUBMISSION = "/submissions/<submission:submission_id>"


@routes.get("/submissions", Who.PARTICIPANT)
def list_own(query: OwnQuery) -> Submissions:
    """Your submissions and those of your teams, the newest first"""
    account = the_account()
    with services().db.read() as session:
        listed = own_submissions(
            session,
            account.id,
            permissions=account.permissions,
            phase_id=_phase_id(session, query),
            page=query.page,
            per_page=query.per_page,
        )
    items = [_summary(one) for one in listed.items]
    return Submissions(items=items, total=listed.total, page=query.page, per_page=query.per_page)


@routes.get(_SUBMISSION, Who.VISITOR)
def show(submission_id: int) -> Submission:
    """A submission with its progress, scores and failure, as far as you may see them"""
    return told(submission_id)


@routes.get(f"{_SUBMISSION}/source", OwnerOr(Permission.SEE_SUBMISSIONS), download="application/octet-stream")
def source() -> Response:
    """The code of your submission, as it was uploaded"""
    record = the_submission()
    try:
        content = services().store.get(record.bundle_sha256)
    except StoreError:
        raise Problem(404, "The code of this submission is not in the store any more.") from None
    answer = send_file(
        io.BytesIO(content),
        mimetype="application/octet-stream",
        as_attachment=True,
        download_name=record.filename,
        etag=record.bundle_sha256,
    )
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


@routes.post(f"{_SUBMISSION}/cancel", OwnerOr(Permission.MODERATE), Scope.SUBMIT, conflicts=True)
def cancel_submission(submission_id: int) -> Submission:
    """Cancel a submission that has not ended"""
    if not cancel(services().db, submission_id):
        raise Problem(409, "It had already ended, so it cannot be cancelled.")
    return told(submission_id)


@routes.post(f"{_SUBMISSION}/choose", OwnerOr(Permission.MODERATE), Scope.SUBMIT, conflicts=True)
def choose_submission(submission_id: int) -> Submission:
    """Let this one of your submissions count, in a phase where teams choose"""
    choose(services().db, submission_id)
    return told(submission_id)


def told(submission_id: int) -> Submission:
    """A submission as this request's reader may see it."""
    with services().db.read() as session:
        record = submission_head(session, submission_id)
        assert record is not None  # the request has named it
        now = progress(session, submission_id, reader_of(record))
        address = {"competition": record.phase.competition.slug, "phase": record.phase.slug}
    changed = {"id": submission_id, "author": now.user_name, "team": now.team_name, "parent": now.parent_id}
    own = {"needs": record.needs, "is_chosen": record.is_chosen}
    return Submission.of(now, **changed, **own, **address)


def _summary(one: Listed) -> SubmissionSummary:
    return SubmissionSummary.of(one, id=one.submission_id, competition=one.competition_slug, phase=one.phase_slug)


def _phase_id(session: Session, query: OwnQuery) -> int | None:
    """The phase that the query names, None where it names none. Hidden ones are for those who may see them."""
    if query.competition is None and query.phase is None:
        return None
    if query.competition is None or query.phase is None:
        missing = "competition" if query.competition is None else "phase"
        raise faulty({missing: "Name a competition and its phase together."})
    phase = find_phase(session, query.competition, query.phase)
    if phase is None or (phase.hidden and not may(Permission.SEE_HIDDEN)):
        raise faulty({"phase": "There is no such phase."})
    return phase.id
