"""Submissions: made, listed, watched with all that is known of them, cancelled, chosen; their code; moderation."""

import io
from datetime import datetime
from typing import Any

from flask import Response, request, send_file, url_for
from pydantic import ConfigDict, Field

from server.access import Who, is_owner_or_organizer, the_phase, the_submission
from server.api.fields import Answer, Body, Id, Line, Listing, Paging, Paragraphs, Query
from server.api.routes import JSON, Created, Routes, checked, read_body
from server.auth import current_account, the_account
from server.config import services
from server.pages.submit import ONE_AT_A_TIME
from server.problems import Problem, faulty
from submissions.bundle import BundleError, read_bundle
from submissions.details import DetailsError, details_of
from submissions.lifecycle import SubmissionRefused, cancel, submit
from submissions.listing import Listed, own_submissions
from submissions.moderation import disqualify, hide, run_again
from submissions.progress import progress
from submissions.quota import quota_of, refusal
from submissions.records import SubmissionRecord, utc_now
from submissions.standings import ChoiceRefused, choose
from submissions.states import Reason, State
from submissions.store import StoreError
from submissions.tokens import Scope
from submissions.visibility import Sight
from worker.hints import send_hint

routes = Routes("submissions", "Submissions", "Measures: submitted, watched, cancelled.")

_MULTIPART = "multipart/form-data"
_SOURCE_NAME = "complexity.py"


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
    """Where and how the measure failed, for its author."""

    is_smoke: bool
    zoo_title: str
    ordinal: int = Field(description="The how-manieth network that its sandbox saw")
    networks: int
    detail: str
    message: str | None = Field(description="Null in phases that do not show logs")
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
    author: str = Field(description="Whose it is; on public pages the alias or the team")
    team: str | None
    alias: str | None
    description: str
    link: str
    track: str
    needs: list[str] = Field(description="What it needs of zoos of the extended track")
    sentence: str | None = Field(description="Why it failed")
    detail: str | None = Field(description="More of that, for its author")
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
    done: int = Field(description="How many of them have their value")
    layers: dict[str, bool] = Field(description="Which layers of the sandbox held wherever it ran")
    smoke: Smoke | None
    zoos: list[ZooOfSubmission]
    repeats: Repeats | None


class Submissions(Listing):
    items: list[SubmissionSummary]


class Quota(Answer):
    """What may still be submitted to a phase: by your team, or by you alone."""

    daily: int
    spent: int
    held: int = Field(description="By submissions that have not begun")
    remaining: int
    refusal: str | None = Field(description="Why nothing can be submitted now")


class Said(Body):
    """What an author says of a submission."""

    name: Line = Field(description="How it is called on boards")
    description: Paragraphs = ""
    link: Line = Field("", description="A web address, such as of a paper")
    alias: Line = Field("", description="Stands on public pages in place of your name")
    parent: Id | None = Field(None, description="Your submission that this one goes on from")


class SubmissionWanted(Said):
    """A measure as source text, or, with a parent alone, the parent's code once more."""

    source: str | None = Field(None, max_length=400_000, description="The measure: a Python file with complexity()")
    filename: Line = _SOURCE_NAME


def _with_file(schema: dict[str, Any]) -> None:
    schema["properties"]["file"] = {"type": "string", "format": "binary", "description": "A .py or a .zip file"}
    schema["required"] = [*schema.get("required", []), "file"]


class SubmissionForm(Query):
    """A measure as a file: its field `file`, a .py or a .zip."""

    model_config = ConfigDict(json_schema_extra=_with_file)

    name: Line = Field(description="How it is called on boards")
    description: Paragraphs = ""
    link: Line = ""
    alias: Line = ""
    parent: Id | None = None


class Why(Body):
    reason: Line = Field("", description="Kept with the act, for organizers")


_PHASE = "/competitions/<slug:competition_slug>/phases/<slug:phase_slug>"
_SUBMISSION = "/submissions/<id:submission_id>"


@routes.get(f"{_PHASE}/quota", Who.PARTICIPANT)
def show_quota() -> Quota:
    """How many submissions are left for you in a phase"""
    now, phase, user_id = utc_now(), the_phase(), the_account().id
    with services().db.read() as session:
        quota = quota_of(session, phase, user_id, now)
        needed = services().settings.verified_mail_needed
        why_not = refusal(session, phase, user_id, now, verified_mail_needed=needed)
    return Quota(daily=quota.daily, spent=quota.spent, held=quota.held, remaining=quota.remaining, refusal=why_not)


@routes.post(
    f"{_PHASE}/submissions",
    Who.PARTICIPANT,
    Scope.SUBMIT,
    takes={JSON: SubmissionWanted, _MULTIPART: SubmissionForm},
    conflicts=True,
)
def create() -> Created[Submission]:
    """Submit a measure

    As JSON with its source text, or as a form with a file. The answer comes as soon as it is queued; look at it again
    until its state is final."""
    with ONE_AT_A_TIME:
        wanted, filename, content = _sent()
        submission_id = _submitted(wanted, filename, content)
    send_hint(services().settings)
    return Created(told(submission_id), url_for("api_submissions.show", submission_id=submission_id))


@routes.get("/submissions", Who.PARTICIPANT)
def list_own(query: Paging) -> Submissions:
    """Your submissions and those of your teams, the newest first"""
    account = the_account()
    with services().db.read() as session:
        listed = own_submissions(
            session, account.id, is_organizer=account.is_organizer, page=query.page, per_page=query.per_page
        )
    items = [_summary(one) for one in listed.items]
    return Submissions(items=items, total=listed.total, page=query.page, per_page=query.per_page)


@routes.get(_SUBMISSION, Who.VISITOR)
def show(submission_id: int) -> Submission:
    """A submission with its progress, scores and failure, as far as you may see them"""
    return told(submission_id)


@routes.get(f"{_SUBMISSION}/source", Who.OWNER, download="application/octet-stream")
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


@routes.post(f"{_SUBMISSION}/cancel", Who.OWNER, Scope.SUBMIT, conflicts=True)
def cancel_submission(submission_id: int) -> Submission:
    """Cancel a submission that has not ended"""
    if not cancel(services().db, submission_id):
        raise Problem(409, "It had ended already, so there was nothing to cancel.")
    return told(submission_id)


@routes.post(f"{_SUBMISSION}/choose", Who.OWNER, Scope.SUBMIT, conflicts=True)
def choose_submission(submission_id: int) -> Submission:
    """Let this one of your submissions count, in a phase where teams choose"""
    try:
        choose(services().db, submission_id)
    except ChoiceRefused as error:
        raise Problem(409, str(error)) from None
    return told(submission_id)


@routes.put(f"{_SUBMISSION}/hidden", Who.ORGANIZER, Scope.ORGANIZE)
def hide_it(submission_id: int, body: Why) -> Submission:
    """Let only its owners and organizers see a submission"""
    hide(services().db, submission_id, True, user_id=the_account().id, reason=body.reason)
    return told(submission_id)


@routes.delete(f"{_SUBMISSION}/hidden", Who.ORGANIZER, Scope.ORGANIZE)
def show_again(submission_id: int) -> Submission:
    """Let everybody see a submission again"""
    hide(services().db, submission_id, False, user_id=the_account().id)
    return told(submission_id)


@routes.put(f"{_SUBMISSION}/disqualified", Who.ORGANIZER, Scope.ORGANIZE)
def disqualify_it(submission_id: int, body: Why) -> Submission:
    """Let a submission count no more"""
    disqualify(services().db, submission_id, True, user_id=the_account().id, reason=body.reason)
    return told(submission_id)


@routes.delete(f"{_SUBMISSION}/disqualified", Who.ORGANIZER, Scope.ORGANIZE)
def requalify_it(submission_id: int) -> Submission:
    """Let a disqualified submission count again"""
    disqualify(services().db, submission_id, False, user_id=the_account().id)
    return told(submission_id)


@routes.post(f"{_SUBMISSION}/rerun", Who.ORGANIZER, Scope.ORGANIZE, conflicts=True)
def rerun(submission_id: int, body: Why) -> Submission:
    """Evaluate a submission that has ended once more, as a new attempt"""
    if not run_again(services().db, submission_id, user_id=the_account().id, reason=body.reason):
        raise Problem(409, "It has not ended yet, or was cancelled: there is nothing to run again.")
    send_hint(services().settings)
    return told(submission_id)


def told(submission_id: int) -> Submission:
    """A submission as this request's reader may see it."""
    account = current_account()
    with services().db.read() as session:
        record = session.get_one(SubmissionRecord, submission_id)
        now = progress(
            session,
            submission_id,
            with_detail=is_owner_or_organizer(account, record),
            is_organizer=account is not None and account.is_organizer,
        )
        address = {"competition": record.phase.competition.slug, "phase": record.phase.slug}
    values = {name: getattr(now, name) for name in Submission.model_fields if hasattr(now, name)}
    changed = {"id": submission_id, "author": now.user_name, "team": now.team_name, "parent": now.parent_id}
    own = {"needs": record.needs, "is_chosen": record.is_chosen}
    return Submission.model_validate(values | changed | own | address)


def _summary(one: Listed) -> SubmissionSummary:
    return SubmissionSummary(
        id=one.submission_id,
        name=one.name,
        competition=one.competition_slug,
        phase=one.phase_slug,
        state=one.state,
        reason=one.reason,
        score=one.score,
        sees=one.sees,
        created_at=one.created_at,
    )


def _sent() -> tuple[SubmissionWanted | SubmissionForm, str, bytes]:
    """What the request says of the measure, its file's name and content. Raises Problem."""
    if request.mimetype == _MULTIPART:
        fields = {name: value for name, value in request.form.items() if value}
        form = checked(lambda: SubmissionForm.model_validate(fields))
        file = request.files.get("file")
        if file is None or not file.filename:
            raise faulty({"file": "Send a .py or a .zip file."})
        return form, file.filename, file.stream.read(services().bundle_limits.upload_bytes + 1)
    wanted = read_body(SubmissionWanted)
    if wanted.source is not None:
        return wanted, wanted.filename, wanted.source.encode()
    if wanted.parent is None:
        raise faulty({"source": "Send the measure's source text, or name a parent whose code is to run once more."})
    parent = _own(wanted.parent)
    try:
        return wanted, parent.filename, services().store.get(parent.bundle_sha256)
    except StoreError:
        raise faulty({"parent": "Its code is not in the store any more."}) from None


def _submitted(wanted: SubmissionWanted | SubmissionForm, filename: str, content: bytes) -> int:
    """The id of the new submission. Raises Problem."""
    parent_id = None if wanted.parent is None else _own(wanted.parent).id
    try:
        said = details_of(wanted.name, wanted.description, wanted.link, wanted.alias)
        return submit(
            services().db,
            services().store,
            phase_id=the_phase().id,
            user_id=the_account().id,
            name=said.name,
            bundle=read_bundle(filename, content, services().bundle_limits),
            description=said.description,
            link=said.link,
            alias=said.alias,
            parent_id=parent_id,
            verified_mail_needed=services().settings.verified_mail_needed,
        )
    except DetailsError as error:
        raise faulty(error.messages) from None
    except BundleError as error:
        raise faulty({"source" if isinstance(wanted, SubmissionWanted) else "file": str(error)}) from None
    except SubmissionRefused as error:
        raise Problem(409, str(error)) from None


def _own(submission_id: int) -> SubmissionRecord:
    with services().db.read() as session:
        found = session.get(SubmissionRecord, submission_id)
    if found is None or not is_owner_or_organizer(current_account(), found):
        raise faulty({"parent": "You have no submission of this number."})
    return found
