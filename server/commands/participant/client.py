"""The client of the API: requests to a server's /api/v1 and the types of its responses. Used by participants' commands.

It imports neither Flask nor torch, because these commands are started often and do little. Errors are click exceptions
with one sentence and an exit status: 2 if the server refuses, 3 if it cannot be reached or has an error.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypedDict, cast

import click
import httpx

from server.commands.errors import InputError
from server.commands.participant.stored_logins import Login

TIMEOUT_S = 30.0
MOST_WAITS = 5
REPEAT_AFTER_S = (1.0, 3.0)  # if the server did not answer to an upload
LONGEST_WAIT_S = 120


class Refused(InputError):  # noqa: N818  (an answer, not a malfunction)
    """The server refuses the request: one sentence, exit status 2."""


class Unconfirmed(Refused):
    """The server carries the request out only with `confirmed`: the sentence says what is to be confirmed."""


class Unreachable(click.ClickException):
    """There is no server, or it has an error: one sentence, exit status 3."""

    exit_code = 3


class Smoke(TypedDict):
    """As the classes below: a part of the API's answers, with the fields that commands use."""

    zoo_title: str
    state: str
    networks: int
    done: int


class ZooDetail(TypedDict):
    title: str
    networks: int
    done: int
    cmi: float | None


class Failure(TypedDict):
    is_smoke: bool
    zoo_title: str | None
    ordinal: int | None
    networks: int | None
    detail: str
    message: str | None
    log: str | None


class SubmissionListed(TypedDict):
    id: int
    name: str
    competition: str
    phase: str
    state: str
    reason: str | None
    score: float | None
    created_at: str


class SubmissionDetail(SubmissionListed):
    """A submission as GET /submissions/{id} returns it."""

    sentence: str | None
    failure: Failure | None
    smoke: Smoke | None
    zoos: list[ZooDetail]


class Client:
    """A connection to one server, with a token or as a visitor."""

    def __init__(self, login: Login) -> None:
        headers = {} if login.token is None else {"Authorization": f"Bearer {login.token}"}
        self.url = login.url
        try:
            self._http = httpx.Client(
                base_url=f"{login.url}/api/v1", headers=headers, timeout=TIMEOUT_S, follow_redirects=False
            )
        except (httpx.InvalidURL, ValueError, UnicodeError) as error:
            raise Refused(f"{login.url} is not the address of a server, or the token is invalid: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def get(self, path: str, **parameters: str | int | None) -> Any:
        """Return the response's JSON. Raises Refused or Unreachable, as all of these methods do."""
        named = {name: value for name, value in parameters.items() if value is not None}
        return self._json(lambda: self._http.get(path, params=named))

    def post(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        return self._json(lambda: self._http.post(path, json=body) if body is not None else self._http.post(path))

    def delete(self, path: str) -> None:
        self._answer(lambda: self._http.delete(path))

    def submit(self, phase: str, path: Path, said: Mapping[str, str]) -> SubmissionDetail:
        """Upload a measure to COMPETITION/PHASE; repeated if the answer gets lost, which makes one submission."""
        competition, _, slug = phase.partition("/")
        address = f"/competitions/{competition}/phases/{slug}/submissions"
        files = {"file": (path.name, path.read_bytes())}
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        for pause_s in (*REPEAT_AFTER_S, None):
            try:
                sent = self._json(lambda: self._http.post(address, data=dict(said), files=files, headers=headers))
                return cast(SubmissionDetail, sent)
            except Unreachable:
                if pause_s is None:
                    raise
                time.sleep(pause_s)
        raise AssertionError

    def changes(self, submission_id: int, wait: Callable[[SubmissionDetail], float]) -> Iterator[SubmissionDetail]:
        """Yield the submission now and after every change.

        If the server does not answer for a moment, the request is repeated.

        Parameters
        ----------
        wait : Callable[[SubmissionDetail], float]
            returns the seconds to the next request.
        """
        etag, latest, misses = "", None, 0
        while True:
            try:
                answer = self._look(submission_id, etag)
            except Unreachable:
                misses += 1
                if misses > MOST_WAITS:
                    raise
            else:
                misses = 0
                if answer.status_code != httpx.codes.NOT_MODIFIED:
                    etag, latest = answer.headers.get("ETag", ""), cast(SubmissionDetail, answer.json())
                    yield latest
            time.sleep(wait(latest) if latest is not None else 1.0)

    def _look(self, submission_id: int, etag: str) -> httpx.Response:
        headers = {"If-None-Match": etag} if etag else {}
        return self._answer(lambda: self._http.get(f"/submissions/{submission_id}", headers=headers))

    @contextmanager
    def stream(self, path: str) -> Iterator[httpx.Response]:
        """Open a download: the response, whose body has not been read yet."""
        with _reachable(self.url), self._http.stream("GET", path) as answer:
            if answer.is_error:
                answer.read()
                raise _refusal(self.url, answer)
            yield answer

    def _json(self, send: Callable[[], httpx.Response]) -> Any:
        answer = self._answer(send)
        try:
            return answer.json()
        except json.JSONDecodeError:
            raise Unreachable(f"{self.url} answers, but it is not a Gengap server.") from None

    def _answer(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """Send a request; after a 429, wait as long as the server says and send it again."""
        for _ in range(MOST_WAITS):
            with _reachable(self.url):
                answer = send()
            wait_s = answer.headers.get("Retry-After", "")
            is_short = wait_s.isdecimal() and int(wait_s) <= LONGEST_WAIT_S
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS or not is_short:
                break
            time.sleep(int(wait_s))
        if answer.is_error or answer.has_redirect_location:
            raise _refusal(self.url, answer)
        return answer


@contextmanager
def _reachable(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException:
        raise Unreachable(f"{url} has not answered within {TIMEOUT_S:.0f} seconds.") from None
    except httpx.TransportError as error:
        raise Unreachable(f"{url} cannot be reached: {error}") from None
    except (httpx.InvalidURL, UnicodeError) as error:
        raise Refused(f"This is not a valid address at {url}: {error}") from None


def _refusal(url: str, answer: httpx.Response) -> click.ClickException:
    """Return the exception for an error response, with one sentence for each error."""
    try:
        problem = answer.json()
        detail = str(problem["detail"])
        faults = [f"{error['field']}: {error['message']}" for error in problem["errors"]]
        to_confirm = [str(error["message"]) for error in problem["errors"] if error["field"] == "confirmed"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return Unreachable(f"{url} answers {answer.status_code}, but not like a Gengap server.")
    if answer.is_server_error:
        return Unreachable(f"{url}: {detail}")
    if to_confirm:
        return Unconfirmed(to_confirm[0])
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        detail = f"{detail} Log in first: gengap login {url}" if "gengap login" not in detail else detail
    return Refused("\n".join(faults) if faults else detail)
