"""Polls of a submission's live page, most of which are answered before they reach Flask.

A page polls every second or two, usually without news. `Polls` is WSGI middleware in front of Flask: if a poll carries
the ETag that the view would send, it answers 304 itself, which saves two thirds of the processor time. Every other
request goes to the view, `pages.submission.submission.status`, which also uses `look_for`, so that both follow one rule
of who may see what.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.http import parse_etags, quote_etag

from server.auth import login
from server.auth.login import Account
from server.auth.parameters import LARGEST_ID
from server.config import EXTENSION, Services
from server.http.headers import CONDITIONAL, etag_of, on_every_answer
from submissions.evaluation.page_state import Look, look
from submissions.leaderboard.entrants import is_member
from submissions.storage.database import Database
from submissions.storage.records import SubmissionRecord, utc_now
from submissions.storage.roles import Permission

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SMOKE_POLL, POLL = "500ms", "2s"  # how often a page looks: a smoke run takes about a second
SMOKE_PATIENCE_S = 30.0
BEAT_S = 10  # seconds for which an estimate of the time left is reused if nothing else changes
_PATH = re.compile(r"/submissions/([1-9][0-9]{0,9})/status")


@dataclass(frozen=True)
class Poll:
    """The result of a poll. interval: how long the page waits before the next one, in htmx's notation."""

    seen: Look
    interval: str
    etag: str


def look_for(db: Database, account: Account | None, submission_id: int) -> Poll | None:
    """Return the state of the submission, by one small query; None if it does not exist for this reader."""
    seen = look(db, submission_id)
    if seen is None or (seen.phase_is_hidden and not _sees_hidden(account)):
        return None
    if seen.is_hidden and not _may_see_hidden(db, account, seen, submission_id):
        return None
    interval = interval_of(seen.created_at, is_in_smoke=seen.is_in_smoke)
    beat = None if seen.state.is_final else int(utc_now().timestamp()) // BEAT_S
    return Poll(seen, interval, etag_of((account, None), (seen, interval, beat)))


def init_app(app: Flask) -> None:
    """Add the middleware in front of all others, so this must be called last."""
    app.wsgi_app = Polls(app, app.wsgi_app)  # type: ignore[method-assign]


class Polls:
    """WSGI middleware that answers polls without news and passes everything else on.

    behind: the application without this middleware.
    """

    def __init__(self, app: Flask, behind: "WSGIApplication") -> None:
        self._app = app
        self.behind = behind
        services: Services = app.extensions[EXTENSION]
        self._db = services.db
        self._headers = [*on_every_answer(services.settings), *CONDITIONAL, ("Vary", "Cookie")]

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if "HTTP_IF_NONE_MATCH" in environ and environ["REQUEST_METHOD"] == "GET":
            named = _PATH.fullmatch(environ["PATH_INFO"])
            if named is not None and int(named[1]) <= LARGEST_ID:
                etag = self._unchanged(environ, int(named[1]))
                if etag is not None:
                    start_response("304 NOT MODIFIED", [*self._headers, ("ETag", quote_etag(etag))])
                    return ()
        return self.behind(environ, start_response)

    def _unchanged(self, environ: "WSGIEnvironment", submission_id: int) -> str | None:
        """Return the request's ETag if the view would send the same one, else None."""
        try:
            poll = look_for(self._db, login.account_of(self._app, self._db, environ), submission_id)
        except SQLAlchemyError:
            return None  # the view will meet it too, and has a page for it
        if poll is None or not parse_etags(environ["HTTP_IF_NONE_MATCH"]).contains(poll.etag):
            return None
        return poll.etag


def interval_of(created_at: datetime, *, is_in_smoke: bool) -> str:
    """Return how long the page of a submission created at this time waits between two polls, in htmx's notation."""
    waited_s = (utc_now() - created_at).total_seconds()
    return SMOKE_POLL if is_in_smoke and waited_s < SMOKE_PATIENCE_S else POLL


def _sees_hidden(account: Account | None) -> bool:
    return account is not None and Permission.SEE_HIDDEN in account.permissions


def _may_see_hidden(db: Database, account: Account | None, seen: Look, submission_id: int) -> bool:
    if account is None:
        return False
    if _sees_hidden(account) or account.id == seen.user_id:
        return True
    with db.read() as session:
        return is_member(session, session.get_one(SubmissionRecord, submission_id), account.id)
