"""Uploading a packed zoo in pieces: begin or continue, append, finish. Called by static/upload.js, in JSON.

A piece is at most `PIECE_BYTES`, so that the web process stays small however large a zoo is. An upload belongs to the
user who began it; for anybody else it does not exist.
"""

from flask import Blueprint, Response, jsonify, request, url_for

from server.auth.access import allow
from server.auth.login import the_account
from server.config import services
from server.forms.fields import text_field
from server.forms.zoo_fields import PIECE_BYTES
from submissions.storage.roles import Permission
from submissions.zoos.uploads import (
    FILENAME_LENGTH,
    UploadError,
    WrongOffset,
    append,
    begin_upload,
    finish_upload,
    received,
)
from worker.hints import send_zoo_hint

_NUMBER_DIGITS = 15
_APPEND = "zoo_uploads.append_piece"

pages = Blueprint("zoo_uploads", __name__)
_UPLOAD = "/organizer/zoos/uploads/<upload:upload_id>"
Answer = tuple[Response, int]


@pages.post("/organizer/zoos/uploads")
@allow(Permission.MANAGE_ZOOS)
def begin() -> Answer:
    """Begin an upload, or go on with the same one: where to send pieces, and from which byte on."""
    size = text_field("bytes", _NUMBER_DIGITS + 1)
    if not _is_number(size):
        return _refused("An upload begins with the file's name and size.")
    db, settings, user_id = services().db, services().settings, the_account().id
    head = text_field("head_sha256", 64) or None
    try:
        name = text_field("filename", FILENAME_LENGTH)
        upload_id = begin_upload(db, settings, name, int(size), user_id, head_sha256=head)
        with db.read() as session:
            already = received(session, upload_id, user_id)
    except UploadError as error:
        return _refused(str(error))
    return jsonify(location=url_for(_APPEND, upload_id=upload_id), received=already, piece_bytes=PIECE_BYTES), 200


@pages.post(_UPLOAD)
@allow(Permission.MANAGE_ZOOS)
def append_piece(upload_id: str) -> Answer:
    """Append the body at byte `offset`; a 409 response contains the right offset."""
    offset = request.args.get("offset", "")
    if not _is_number(offset):
        return _refused("A piece comes with its offset.")
    piece = request.get_data(cache=False)
    try:
        so_far = append(services().db, services().settings, upload_id, the_account().id, int(offset), piece)
    except WrongOffset as error:
        return jsonify(received=error.received), 409
    except UploadError as error:
        return _refused(str(error))
    return jsonify(received=so_far), 200


@pages.post(f"{_UPLOAD}/finish")
@allow(Permission.MANAGE_ZOOS)
def finish(upload_id: str) -> Answer:
    """Hand the complete upload to a worker: the address of the page that follows it."""
    try:
        job_id = finish_upload(services().db, upload_id, the_account().id)
    except UploadError as error:
        return _refused(str(error))
    send_zoo_hint(services().settings, job_id)
    return jsonify(location=url_for("zoos.job", job_id=job_id)), 200


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _NUMBER_DIGITS


def _refused(sentence: str) -> Answer:
    return jsonify(error=sentence), 422


@pages.before_app_request
def _bound_the_body() -> None:
    """Before anything reads the body of a piece, also the check of CSRF tokens."""
    if request.endpoint == _APPEND:
        request.max_content_length = PIECE_BYTES
