"""Tokens through the API: exchanged for a password, made with another token, listed, revoked; what they are worth."""

import pytest
from sqlalchemy import select

from submissions.people.tokens import Scope
from submissions.storage.records import ApiTokenRecord, UserRecord, utc_now
from tests.records import PASSWORD
from tests.server.api.clients import Script, fields, script
from tests.server.site import Site

LOG_IN = {"user": "ann", "password": PASSWORD, "name": "laptop", "scopes": ["read", "submit"]}


def test_a_password_is_exchanged_for_a_token(site: Site) -> None:
    answer = script(site).post("/log-in", LOG_IN)
    assert answer.status_code == 201
    made = Script(site, answer.get_json()["text"])
    (listed,) = made.get("/tokens").get_json()["items"]
    assert (listed["name"], listed["scopes"]) == ("laptop", ["read", "submit"])
    assert listed == answer.get_json()["token"] | {"last_used_at": listed["last_used_at"]}


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"user": "nobody"}, {"password": ""}])
def test_a_wrong_password_gives_no_token(site: Site, change: dict[str, str]) -> None:
    answer = script(site).post("/log-in", LOG_IN | change)
    assert (answer.status_code, fields(answer)) == (401, set())
    with site.db.read() as session:
        assert session.scalars(select(ApiTokenRecord)).all() == []


def test_a_token_makes_only_tokens_that_may_do_no_more(site: Site) -> None:
    weak = script(site, "ann", {Scope.ACCOUNT, Scope.READ})
    assert weak.post("/tokens", {"name": "a", "scopes": ["read"]}).status_code == 201
    refused = weak.post("/tokens", {"name": "a", "scopes": ["read", "submit"]})
    assert (refused.status_code, fields(refused)) == (422, {"scopes"})


def test_what_is_wrong_is_told_per_field(site: Site) -> None:
    ann = script(site, "ann")
    assert fields(ann.post("/tokens", {"name": "\x1b[2J", "scopes": [], "expires_at": "today"})) == {
        "name",
        "scopes",
        "expires_at",
    }
    assert fields(ann.post("/tokens", {"name": " ", "scopes": ["read"]})) == {"name"}
    past = {"name": "a", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}
    assert fields(ann.post("/tokens", past)) == {"expires_at"}


def test_a_revoked_token_opens_nothing_any_more(site: Site) -> None:
    ann, bob = script(site, "ann"), script(site, "bob")
    (listed,) = ann.get("/tokens").get_json()["items"]
    assert bob.delete(f"/tokens/{listed['id']}").status_code == 404
    assert ann.delete(f"/tokens/{listed['id']}").status_code == 204
    assert ann.get("/tokens").status_code == 401


def test_a_token_revokes_itself(site: Site) -> None:
    ann, other = script(site, "ann", {Scope.READ}), script(site, "ann")
    assert ann.delete("/tokens/current").status_code == 204
    assert ann.get("/tokens").status_code == 401
    assert len(other.get("/tokens").get_json()["items"]) == 1


def test_a_deleted_accounts_token_opens_nothing(site: Site) -> None:
    ann = script(site, "ann")
    with site.db.write() as session:
        session.get_one(UserRecord, site.ann).deleted_at = utc_now()
    assert ann.get("/tokens").status_code == 401


@pytest.mark.parametrize("header", ["gengap_x", "Bearer", "Bearer gengap_" + "x" * 43, "Basic YW5uOnB3", "bearer \xff"])
def test_a_wrong_token_is_told_even_where_none_is_needed(site: Site, header: str) -> None:
    answer = script(site).get("/competitions", Authorization=header)
    assert (answer.status_code, fields(answer)) == (401, set())
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="gengap", error="invalid_token"'
