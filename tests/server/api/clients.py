"""Scripts that speak to the API of a test's site, each with a token of its own or none."""

from collections.abc import Collection
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from submissions.tokens import Scope, create_token
from tests.server.site import Site

ROOT = "/api/v1"


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
        sent: dict[str, Any] = {} if body is None else {"json": body}
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


def fields(answer: TestResponse) -> set[str]:
    """The faulty fields that a problem names."""
    assert answer.content_type == "application/problem+json", answer.text
    told = answer.get_json()
    assert told["status"] == answer.status_code
    return {error["field"] for error in told["errors"]}
