"""Requests that are sent twice have one effect: the API's header Idempotency-Key, and the hidden field of forms.

`server.api.routes` puts every route that creates something through `answered_once`; the views of forms are marked with
`once`, and their templates have `once_key()`. Where a form is sent again with another content, that is another request;
in the API a key belongs to one request.
"""

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from flask import Flask, Response, abort, current_app, flash, g, make_response, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from server.auth.login import current_account
from server.config import services
from server.problems import Problem, faulty
from submissions.storage import idempotency
from submissions.storage.idempotency import Answer, KeyReused, Unanswered

HEADER = "Idempotency-Key"
PATTERN = r"^[!-~]{1,200}$"
FIELD = "once"
_NOT_COMPARED = frozenset({FIELD, "csrf_token"})
_FORMS = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})
_JSON = "application/json"
_UNANSWERED = (
    "The same request was sent before and has no answer: it is still being carried out, or it was interrupted. "
    "Look whether it took effect before you send it once more"
)
_SENT_TWICE = "This form was sent twice. It was carried out once."
_NOT_SHOWN_AGAIN = "What the first response showed is not kept."

_EXTENSION = "gengap_waiting"

View = Callable[..., ResponseReturnValue]


class _WaitingRoom:
    """Whose requests wait for the answer of an earlier one: one of each person, since each holds a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[str] = set()

    @contextmanager
    def waiting(self, owner: str) -> Iterator[None]:
        """Wait in this block. Raises Unanswered if another request of this person waits already."""
        with self._lock:
            if owner in self._waiting:
                raise Unanswered
            self._waiting.add(owner)
        try:
            yield
        finally:
            with self._lock:
                self._waiting.discard(owner)


def init_app(app: Flask) -> None:
    app.extensions[_EXTENSION] = _WaitingRoom()
    app.jinja_env.globals["once_key"] = lambda: secrets.token_urlsafe(16)


def reserved_key() -> str | None:
    """The digest of this request's key, for the transaction that makes what it asks for; None without a key."""
    key: str | None = g.get("idempotency_key")
    return key


def answered_once(carry_out: Callable[[], Response], *, can_resume: bool, keeps_body: bool) -> Response:
    """Answer a request of the API; if it carries a key that was used before, as it was answered then.

    can_resume: as in `submissions.storage.idempotency.begin`. keeps_body: False where the answer has a secret in it.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return carry_out()
    if not re.fullmatch(PATTERN, key):
        raise faulty({HEADER: "Send 1 to 200 printable ASCII characters without spaces."})
    asked = _digest(*_content())
    reserved = _digest("api", _owner(), key)
    try:
        earlier = _begin(reserved, asked, can_resume)
    except KeyReused:
        raise faulty({HEADER: "This key was sent with another request. Make a new key for each request."}) from None
    except Unanswered:
        raise Problem(409, f"{_UNANSWERED} with another {HEADER}.") from None
    if earlier is not None:
        return _repeated(earlier)
    try:
        response = carry_out()
    except HTTPException:
        idempotency.release(services().db, reserved)
        raise
    body = response.get_data(as_text=True) if keeps_body else None
    idempotency.keep(services().db, reserved, Answer(response.status_code, response.location, body))
    return response


def once(*, can_resume: bool = False, on_repeat: Callable[[], None] | None = None) -> Callable[[View], View]:
    """Mark the view of a form: it is called once for sends of the same page with the same content.

    The others are redirected to where the first one was, or to the form's address if that one was answered with a
    page; a form that was refused may be sent again.

    Parameters
    ----------
    can_resume : bool, optional
        As in `submissions.storage.idempotency.begin`.
    on_repeat : callable, optional
        Called before a repetition is redirected, for what the first response gave its browser in cookies: a browser
        that sends a form twice keeps the last response.
    """

    def marked(view: View) -> View:
        @wraps(view)
        def carried_out(**named: Any) -> ResponseReturnValue:
            key = request.form.get(FIELD, "")
            if not re.fullmatch(PATTERN, key):
                return view(**named)  # of a page that was open before the form had a key
            asked = _digest(*_content())
            reserved = _digest("form", _owner(), key, asked)
            try:
                earlier = _begin(reserved, asked, can_resume)
            except Unanswered:
                abort(409, f"{_UNANSWERED}.")
            if earlier is not None:
                if on_repeat is not None:
                    on_repeat()
                flash(_SENT_TWICE if earlier.location else f"{_SENT_TWICE} {_NOT_SHOWN_AGAIN}")
                return redirect(earlier.location or request.path)
            try:
                response = make_response(view(**named))
            except HTTPException:
                idempotency.release(services().db, reserved)
                raise
            if response.status_code >= 400:
                idempotency.release(services().db, reserved)
            else:
                idempotency.keep(services().db, reserved, Answer(response.status_code, response.location))
            return response

        return carried_out

    return marked


def _begin(reserved: str, asked: str, can_resume: bool) -> Answer | None:
    account = current_account()
    user_id = None if account is None else account.id
    try:
        earlier = idempotency.begin(services().db, reserved, asked, user_id=user_id, wait_s=0)
    except Unanswered:
        room: _WaitingRoom = current_app.extensions[_EXTENSION]
        with room.waiting(_owner()):
            earlier = idempotency.begin(services().db, reserved, asked, user_id=user_id, can_resume=can_resume)
    g.idempotency_key = reserved
    return earlier


def _repeated(earlier: Answer) -> Response:
    if earlier.body is None:
        raise Problem(
            409,
            "An earlier request with this key was carried out. Its answer had a secret in it, so it was not kept. "
            f"If you lost it, send the request once more with another {HEADER}.",
        )
    response = Response(earlier.body, earlier.status, mimetype=_JSON)
    if earlier.location is not None:
        response.headers["Location"] = earlier.location
    return response


def _owner() -> str:
    account = current_account()
    return "visitor" if account is None else f"account {account.id}"


def _content() -> list[str]:
    """What the request asks for: its address and its body, of forms without what differs at every send."""
    address = [request.method, request.full_path, request.mimetype]
    if request.mimetype not in _FORMS:
        return [*address, hashlib.sha256(request.get_data(cache=True)).hexdigest()]
    fields = [
        part for name, value in request.form.items(multi=True) if name not in _NOT_COMPARED for part in (name, value)
    ]
    files = []
    for name, file in request.files.items(multi=True):
        files += [name, file.filename or "", hashlib.file_digest(file.stream, "sha256").hexdigest()]  # type: ignore[arg-type]
        file.stream.seek(0)
    return [*address, *fields, "", *files]


def _digest(*parts: str) -> str:
    """A keyed digest: passwords are among what is sent, and the database must not help to guess them."""
    told = "".join(f"{len(part)}:{part}" for part in parts)
    secret = str(current_app.secret_key).encode()
    return hmac.new(secret, told.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()
