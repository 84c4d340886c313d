"""Resumable uploads of zoos by organizers: begin, append pieces, finish."""

from flask import request, url_for
from pydantic import Field

from server.api.fields import Answer, Body, Count, Line, Query
from server.api.organizer.zoos import Job, begun_job
from server.api.routes import Created, Routes
from server.auth.login import the_account
from server.config import services
from server.forms.zoo_fields import PIECE_BYTES
from server.problems import Problem
from submissions.people.tokens import Scope
from submissions.storage.roles import Permission
from submissions.zoos.uploads import UnknownUpload, UploadError, append, begin_upload, finish_upload, received
from worker.hints import send_zoo_hint

routes = Routes(130, "uploads", "Uploading zoos", f"Packed zoos in pieces of at most {PIECE_BYTES} bytes.")

_BYTES = "application/octet-stream"
_UPLOAD = "/zoo-uploads/<upload:upload_id>"


class UploadWanted(Body):
    """A file that is to come."""

    filename: Line
    bytes: Count
    head_sha256: Line | None = Field(None, description="Of its first piece; lets an unfinished upload continue")


class Upload(Answer):
    """How far an upload is."""

    upload_id: str = Field(description="Secret: together with your account it lets you continue the upload")
    received: int = Field(description="Number of bytes received: the offset of the next piece")


class Offset(Query):
    offset: Count


@routes.post("/zoo-uploads", Permission.MANAGE_ZOOS, Scope.ORGANIZE)
def begin(body: UploadWanted) -> Created[Upload]:
    """Begin an upload, or go on with the same one"""
    db, settings, user_id = services().db, services().settings, the_account().id
    upload_id = begin_upload(db, settings, body.filename, body.bytes, user_id, head_sha256=body.head_sha256)
    return Created(_so_far(upload_id), url_for("api_uploads.show", upload_id=upload_id))


@routes.get(_UPLOAD, Permission.MANAGE_ZOOS, Scope.ORGANIZE)
def show(upload_id: str) -> Upload:
    """How far an upload is"""
    return _so_far(upload_id)


@routes.put(
    _UPLOAD,
    Permission.MANAGE_ZOOS,
    Scope.ORGANIZE,
    takes={_BYTES: {"type": "string", "format": "binary"}},
    conflicts=True,
)
def append_piece(upload_id: str, query: Offset) -> Upload:
    """Append a piece

    409 where another offset is wanted: ask how far the upload is."""
    request.max_content_length = PIECE_BYTES
    if request.mimetype != _BYTES:
        raise Problem(415, f"Send the piece as {_BYTES}.")
    piece = request.get_data(cache=False)
    db, settings = services().db, services().settings
    so_far = append(db, settings, upload_id, the_account().id, query.offset, piece)
    return Upload(upload_id=upload_id, received=so_far)


@routes.post(f"{_UPLOAD}/finish", Permission.MANAGE_ZOOS, Scope.ORGANIZE, conflicts=True)
def finish(upload_id: str) -> Created[Job]:
    """Hand the complete upload to a worker"""
    try:
        job_id = finish_upload(services().db, upload_id, the_account().id)
    except UnknownUpload:
        raise
    except UploadError as error:
        raise Problem(409, str(error)) from None
    send_zoo_hint(services().settings, job_id)
    return begun_job(job_id)


def _so_far(upload_id: str) -> Upload:
    with services().db.read() as session:
        return Upload(upload_id=upload_id, received=received(session, upload_id, the_account().id))
