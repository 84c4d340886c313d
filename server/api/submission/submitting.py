"""Submitting measures: the rest of the quota, a check that stores nothing, and the submission itself."""

from typing import Any

from flask import request, url_for
from pydantic import ConfigDict, Field

from server.api.fields import Answer, Body, Id, Line, Paragraphs, Query
from server.api.routes import JSON, Created, Routes, checked, read_body
from server.api.submission.submissions import Submission, told
from server.auth.access import Who, the_phase
from server.auth.login import the_account
from server.config import services
from server.forms.submit_form import Upload, own_submission, read_upload, submit_here
from server.problems import FieldError, Problem, faulty
from submissions.intake.bundle import Bundle, BundleError
from submissions.intake.bundle_store import StoreError
from submissions.intake.details import details_of
from submissions.intake.quota import quota_of, refusal
from submissions.intake.submit import SentBefore
from submissions.intake.upload_reader import RETRY_AFTER_S, ReadingFailed
from submissions.people.tokens import Scope
from submissions.storage.site_records import utc_now
from submissions.storage.submission_head import SubmissionHead
from worker.hints import send_hint

routes = Routes(30, "submitting", "Submitting", "Measures: check and submit.")

_MULTIPART = "multipart/form-data"
_SOURCE_NAME = "complexity.py"
_CONFIRMED = "Whether to submit what you or your team sent to the phase before; without it, that is an error 409"


class Quota(Answer):
    """What may still be submitted to a phase: by your team, or by you alone."""

    daily: int
    spent: int
    held: int = Field(description="Reserved by submissions that have not started")
    remaining: int
    refusal: str | None = Field(description="Why you cannot submit now")


class CheckedMeasure(Answer):
    """A measure that can be submitted, as far as its code shows."""

    filename: str
    sha256: str
    files: list[str]
    track: str
    needs: list[str] = Field(description="What it needs from zoos of the extended track")


class Said(Body):
    """What an author says of a submission."""

    name: Line = Field(description="Its name on leaderboards")
    description: Paragraphs = ""
    link: Line = Field("", description="A web address, such as of a paper")
    alias: Line = Field("", description="Public pages show it instead of your name")
    parent: Id | None = Field(None, description="Your submission that this one is based on")
    confirmed: bool = Field(False, description=_CONFIRMED)


class MeasureSource(Body):
    """A measure as source text."""

    source: str = Field(max_length=400_000, description="A Python file with complexity()")
    filename: Line = _SOURCE_NAME


class SubmissionWanted(Said):
    """A measure as source text, or, with a parent alone, the parent's code once more."""

    source: str | None = Field(None, max_length=400_000, description="The measure: a Python file with complexity()")
    filename: Line = _SOURCE_NAME


def _with_file(schema: dict[str, Any]) -> None:
    schema.setdefault("properties", {})["file"] = {
        "type": "string",
        "format": "binary",
        "description": "A .py or a .zip file",
    }
    schema["required"] = [*schema.get("required", []), "file"]


class MeasureFile(Query):
    """A measure as a file: the field `file`, a .py or a .zip."""

    model_config = ConfigDict(json_schema_extra=_with_file)


class SubmissionForm(Query):
    """A measure as a file: its field `file`, a .py or a .zip."""

    model_config = ConfigDict(json_schema_extra=_with_file)

    name: Line = Field(description="Its name on leaderboards")
    description: Paragraphs = ""
    link: Line = ""
    alias: Line = ""
    parent: Id | None = None
    confirmed: bool = Field(False, description=_CONFIRMED)


_PHASE = "/competitions/<competition:competition_slug>/phases/<phase:phase_slug>"


@routes.get(f"{_PHASE}/quota", Who.PARTICIPANT)
def show_quota() -> Quota:
    """How many submissions are left for you in a phase"""
    now, phase, user_id = utc_now(), the_phase(), the_account().id
    with services().db.read() as session:
        quota = quota_of(session, phase, user_id, now)
        needed = services().settings.verified_mail_needed
        why_not = refusal(session, phase, user_id, now, verified_mail_needed=needed)
    return Quota.of(quota, refusal=why_not)


@routes.post(
    f"{_PHASE}/submissions",
    Who.PARTICIPANT,
    Scope.SUBMIT,
    takes={JSON: SubmissionWanted, _MULTIPART: SubmissionForm},
    conflicts=True,
    may_lack=True,
    can_resume=True,
)
def create() -> Created[Submission]:
    """Submit a measure

    As JSON with its source text, or as a form with a file. The answer comes as soon as it is queued; look at it again
    until its state is final."""
    submission_id = _submitted(*_sent())
    send_hint(services().settings, submission_id)
    return Created(told(submission_id), url_for("api_submissions.show", submission_id=submission_id))


@routes.post(
    f"{_PHASE}/submissions/check",
    Who.PARTICIPANT,
    Scope.SUBMIT,
    takes={JSON: MeasureSource, _MULTIPART: MeasureFile},
    may_lack=True,
)
def check() -> CheckedMeasure:
    """Read a measure as submitting it would, and store nothing"""
    if request.mimetype == _MULTIPART:
        checked(lambda: MeasureFile.model_validate(dict(request.form)))
        bundle = _read(_file(), "file")
    else:
        sent = read_body(MeasureSource)
        bundle = _read(Upload(sent.filename, sent.source.encode()), "source")
    return CheckedMeasure.of(bundle, files=sorted(bundle.files))


def _file() -> Upload:
    """The file in a form, read no further than one may be long."""
    file = request.files.get("file")
    if file is None or not file.filename:
        raise faulty({"file": "Send a .py or a .zip file."})
    return Upload(file.filename, file.stream.read(services().bundle_limits.upload_bytes + 1))


def _sent() -> tuple[SubmissionWanted | SubmissionForm, Upload]:
    """What the request says of the measure, and its file. Raises Problem."""
    if request.mimetype == _MULTIPART:
        fields = {name: value for name, value in request.form.items() if value}
        form = checked(lambda: SubmissionForm.model_validate(fields))
        return form, _file()
    wanted = read_body(SubmissionWanted)
    if wanted.source is not None:
        return wanted, Upload(wanted.filename, wanted.source.encode())
    if wanted.parent is None:
        raise faulty({"source": "Send the measure's source text, or name a parent to submit its code again."})
    parent = _own(wanted.parent)
    try:
        content = services().store.get(parent.bundle_sha256)
    except StoreError:
        raise faulty({"parent": "Its code is not in the store any more."}) from None
    return wanted, Upload(parent.filename, content, parent.bundle_sha256)


def _submitted(wanted: SubmissionWanted | SubmissionForm, sent: Upload) -> int:
    """The id of the new submission. Raises Problem."""
    parent_id = None if wanted.parent is None else _own(wanted.parent).id
    said = details_of(wanted.name, wanted.description, wanted.link, wanted.alias)
    bundle = _read(sent, "source" if isinstance(wanted, SubmissionWanted) else "file")
    try:
        return submit_here(said, bundle, parent_id, is_confirmed=wanted.confirmed)
    except SentBefore as error:
        question = FieldError(field="confirmed", message=str(error))
        raise Problem(409, f"{error} Send it with confirmed = true to submit it once more.", [question]) from None


def _read(sent: Upload, field: str) -> Bundle:
    """Check and unpack an upload, which came in this field of the request. Raises Problem."""
    try:
        return read_upload(sent)
    except BundleError as error:
        raise faulty({field: str(error)}) from None
    except ReadingFailed as error:
        raise Problem(503, str(error), retry_after=RETRY_AFTER_S) from None


def _own(submission_id: int) -> SubmissionHead:
    if (found := own_submission(submission_id)) is None:
        raise faulty({"parent": "You have no submission with this number."})
    return found
