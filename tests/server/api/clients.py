"""Scripts that speak to the API of a test's site, each with a token of its own or none."""

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from server.config import EXTENSION, Services
from server.http.rates import Rate
from submissions.people.teams import create_team, team_of
from submissions.people.tokens import Scope, create_token
from submissions.storage.records import PhaseRecord, SubmissionRecord
from tests.server.site import Site

ROOT = "/api/v1"
# Settings under which nobody asks too often.
UNLIMITED: Mapping[str, Any] = {rate.value: "999999/second" for rate in Rate}


@dataclass(frozen=True)
class Form:
    """A form with a file, in place of JSON."""

    values: Mapping[str, str]
    filename: str = ""
    content: bytes = b""

    @property
    def sent(self) -> dict[str, Any]:
        file = {"file": (io.BytesIO(self.content), self.filename)} if self.filename else {}
        return {"data": {**self.values, **file}, "content_type": "multipart/form-data"}


class Script:
    """One script with one token. Paths are below /api/v1."""

    def __init__(self, site: Site, token: str | None) -> None:
        self.client: FlaskClient = site.app.test_client(use_cookies=False)
        self.token = token

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, body: object = None) -> TestResponse:
        return self.send("POST", path, body)

    def put(self, path: str, body: object = None) -> TestResponse:
        return self.send("PUT", path, body)

    def patch(self, path: str, body: object) -> TestResponse:
        return self.send("PATCH", path, body)

    def delete(self, path: str, body: object = None) -> TestResponse:
        return self.send("DELETE", path, body)

    def send(
        self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None
    ) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        if self.token is not None:
            named["Authorization"] = f"Bearer {self.token}"
        sent: dict[str, Any] = {} if body is None else body.sent if isinstance(body, Form) else {"json": body}
        address = path if path.startswith(("/api", "http")) else f"{ROOT}{path}"
        return self.client.open(address, method=method, headers=named, **sent)


def script(site: Site, name: str | None = None, scopes: Collection[Scope] | None = None) -> Script:
    """A script without a token, or with one of `name`'s: with these scopes, or all that they may have."""
    if name is None:
        return Script(site, None)
    user_id = {"ann": site.ann, "bob": site.bob, "olga": site.olga}[name]
    most = set(Scope) if name == "olga" else set(Scope) - {Scope.ORGANIZE}
    _, text = create_token(site.db, user_id, "a script", most if scopes is None else scopes)
    return Script(site, text)


def give_code(site: Site, submission_id: int, content: bytes) -> None:
    """Put a submission's code into the store."""
    services: Services = site.app.extensions[EXTENSION]
    digest = services.store.put(content)
    with site.db.write() as session:
        session.get_one(SubmissionRecord, submission_id).bundle_sha256 = digest


def make_team(site: Site, phase_id: int, user_id: int) -> str:
    """Give a person a team of their own in the phase's competition; the key that invites to it."""
    with site.db.read() as session:
        competition_id = session.get_one(PhaseRecord, phase_id).competition_id
    create_team(site.db, competition_id, user_id, f"Team {user_id}")
    with site.db.read() as session:
        team = team_of(session, competition_id, user_id)
    assert team is not None
    return team.invite_key


def fields(answer: TestResponse) -> set[str]:
    """The faulty fields that a problem names."""
    assert answer.content_type == "application/problem+json", answer.text
    told = answer.get_json()
    assert told["status"] == answer.status_code
    return {error["field"] for error in told["errors"]}
