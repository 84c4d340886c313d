"""The content of the submit form: read from the request, or taken from a submission that is resubmitted.

Called by `server.pages.submission.submit`. Everything is kept as it was typed, so that it survives every error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from flask import abort, request
from werkzeug.datastructures import FileStorage

from server.auth.access import is_owner_or_may, the_phase
from server.auth.login import the_account
from server.config import services
from server.forms.fields import id_field, paragraph_field, text_field
from server.http.idempotency import reserved_key
from submissions.baselines import Baseline
from submissions.baselines.descriptions import description
from submissions.intake.bundle import Bundle, BundleError
from submissions.intake.bundle_store import StoreError
from submissions.intake.details import ALIAS_LENGTH, DESCRIPTION_LENGTH, LINK_LENGTH, NAME_LENGTH, Details
from submissions.intake.own_code import as_text, stored_files
from submissions.intake.submit import submit
from submissions.intake.upload_reader import stored_bundle
from submissions.storage.roles import Permission
from submissions.storage.submission_head import SubmissionHead, submission_head

DEFAULT_FILENAME = "complexity.py"
TRACKS = ("", "standard", "extended")
_CODE_LENGTH = 400_000  # more than a source may have, so that its author gets an error instead of a cut text


@dataclass(frozen=True)
class Parent:
    """A submission whose upload is sent once more. is_archive: a zip, which is sent unchanged unless replaced."""

    id: int
    name: str
    filename: str
    sha256: str

    @property
    def is_archive(self) -> bool:
        return not self.filename.lower().endswith(".py")


@dataclass(frozen=True)
class Draft:
    """The content of the form.

    filename: the name for the code in the editor; track: "" for what the code says; sent_before: the submission of the
    same upload, which is sent once more if that is confirmed.
    """

    name: str = ""
    description: str = ""
    link: str = ""
    alias: str = ""
    track: str = ""
    code: str = ""
    filename: str = DEFAULT_FILENAME
    parent: Parent | None = None
    sent_before: Parent | None = None

    @property
    def archive(self) -> Parent | None:
        """The submission whose archive is sent if nothing else is."""
        return next((old for old in (self.sent_before, self.parent) if old is not None and old.is_archive), None)

    @property
    def has_more(self) -> bool:
        """Whether something beside name and code is filled in."""
        return any((self.description, self.link, self.alias, self.track))


@dataclass(frozen=True)
class Upload:
    """The submitted measure: a file, else the text of the editor, else an old submission's archive.

    sha256: of an archive that is in the store, and so has been read.
    """

    filename: str
    content: bytes
    sha256: str | None = None


def posted_draft() -> Draft:
    """Return the typed texts. They may be one character too long, so that the error can be reported."""
    track = request.form.get("track", "")
    return Draft(
        name=text_field("name", NAME_LENGTH + 1),
        description=paragraph_field("description", DESCRIPTION_LENGTH + 1),
        link=text_field("link", LINK_LENGTH + 1),
        alias=text_field("alias", ALIAS_LENGTH + 1),
        track=track if track in TRACKS else "",
        code=_code(),
        filename=_filename(text_field("filename", 255)),
        parent=_own_parent("parent"),
        sent_before=_own_parent("confirmed"),
    )


def with_sent_before(draft: Draft, submission_id: int) -> Draft:
    """Return the form with the question whether to send the upload of this own submission once more."""
    old = own_submission(submission_id)
    return draft if old is None else replace(draft, sent_before=_parent(old))


def draft_of(submission_id: int) -> Draft:
    """Return a form with the texts of the reader's old submission, and with its code if that is a single file."""
    old = own_submission(submission_id) or abort(404)
    draft = Draft(name=old.name, description=old.description, link=old.link, alias=old.alias or "", parent=_parent(old))
    if draft.parent is None or draft.parent.is_archive:
        return draft
    try:
        code = as_text(services().store.get(old.bundle_sha256))
    except StoreError:
        code = None
    return replace(draft, code=code or "", filename=old.filename)


def draft_of_shipped(measure: Baseline) -> Draft:
    """Return a form with the code of a measure that ships with Gengap."""
    summary = description(measure).summary
    code = measure.path.read_text(encoding="utf-8")
    return Draft(name=measure.name, description=summary, code=code, filename=measure.filename)


def posted_upload(draft: Draft) -> tuple[Upload | None, Draft]:
    """What was sent as the measure, None for nothing; and the draft with a file's text in its editor.

    So an error in a file can be fixed on the form. Raises BundleError if an old archive cannot be read.
    """
    file = request.files.get("file")
    if file is not None and file.filename:
        upload = Upload(file.filename, _read(file))
        text = as_text(upload.content) if upload.filename.lower().endswith(".py") else None
        return upload, draft if text is None else replace(draft, code=text, filename=_filename(upload.filename))
    if draft.code.strip():
        return Upload(draft.filename, draft.code.encode(errors="replace")), draft
    if (old := draft.archive) is not None:
        try:
            content = services().store.get(old.sha256)
        except StoreError as error:
            raise BundleError(f"{old.filename} cannot be read any more; choose the file again.") from error
        return Upload(old.filename, content, old.sha256), draft
    return None, draft


def read_upload(sent: Upload) -> Bundle:
    """Check and unpack what the reader sent. Raises BundleError or ReadingFailed."""
    read = partial(services().uploads.read, whose=the_account().id)
    if sent.sha256 is not None:
        return stored_bundle(services().store, sent.filename, sent.sha256, read)
    return read(sent.filename, sent.content)


def uploaded_files(submission: SubmissionHead) -> Mapping[str, bytes]:
    """The files of a submission's upload by path. Raises CodeUnavailable."""
    read = partial(services().uploads.read, whose=submission.bundle_sha256)
    return stored_files(services().store, submission.filename, submission.bundle_sha256, read)


def submit_here(said: Details, bundle: Bundle, parent_id: int | None, *, is_confirmed: bool) -> int:
    """Submit a measure of the reader to the phase that the URL names; the id.

    Raises SentBefore if it was sent before and is not confirmed, and SubmissionRefused.
    """
    return submit(
        services().db,
        services().store,
        phase_id=the_phase().id,
        user_id=the_account().id,
        bundle=bundle,
        **vars(said),
        parent_id=parent_id,
        is_confirmed=is_confirmed,
        verified_mail_needed=services().settings.verified_mail_needed,
        key_sha256=reserved_key(),
    )


def own_submission(submission_id: int) -> SubmissionHead | None:
    """The submission, if it is the reader's, or they see the code of all; None otherwise."""
    with services().db.read() as session:
        found = submission_head(session, submission_id)
    return found if found is not None and is_owner_or_may(found, Permission.SEE_SUBMISSIONS) else None


def _own_parent(field: str) -> Parent | None:
    """The reader's submission that a field names; None if it names none."""
    submission_id = id_field(field)
    old = None if submission_id is None else own_submission(submission_id)
    return None if old is None else _parent(old)


def _parent(old: SubmissionHead) -> Parent:
    return Parent(old.id, old.name, old.filename, old.bundle_sha256)


def _code() -> str:
    """The editor's text with plain line ends, and one at its end."""
    text = request.form.get("code", "")[:_CODE_LENGTH].replace("\r\n", "\n").replace("\r", "\n")
    return text if not text.strip() or text.endswith("\n") else f"{text}\n"


def _filename(name: str) -> str:
    last = name.replace("\\", "/").rpartition("/")[2]
    return last if last.lower().endswith(".py") and last.isprintable() else DEFAULT_FILENAME


def _read(file: FileStorage) -> bytes:
    return file.stream.read(services().bundle_limits.upload_bytes + 1)
