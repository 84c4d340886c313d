"""What holds for every route of the API: problem details, strict requests, pages, ETags, no cookies, no CORS."""

import json

import pytest
from flask import Flask
from flask_openapi3.blueprint import APIBlueprint
from werkzeug.test import TestResponse

from server.auth.access import Who, allow
from submissions.people.tokens import Scope
from tests.server.api.clients import ROOT, fields, script
from tests.server.site import Site


def _problem(answer: TestResponse, status: int) -> None:
    assert (answer.status_code, fields(answer)) == (status, set())


@pytest.mark.parametrize("path", ["/nothing", "/competitions/none", "/competitions/%C3%A9", "/api/v2/x", "/api/"])
def test_what_does_not_exist_is_a_problem(site: Site, path: str) -> None:
    _problem(script(site).get(path), 404)


def test_a_method_that_an_address_does_not_take_is_a_problem(site: Site) -> None:
    answer = script(site).delete("/competitions")
    _problem(answer, 405)
    assert "GET" in answer.headers["Allow"]


@pytest.mark.changes_app
def test_our_own_fault_is_a_problem_without_a_traceback(site: Site) -> None:
    site.app.config["PROPAGATE_EXCEPTIONS"] = False

    def broken() -> str:
        raise RuntimeError("a secret")

    from_routes = allow(Who.VISITOR, Scope.READ)(broken)
    site.app.add_url_rule(f"{ROOT}/broken", "api_broken", from_routes)
    answer = script(site).get("/broken")
    _problem(answer, 500)
    assert "secret" not in answer.text


@pytest.mark.changes_app
def test_a_route_of_the_api_without_a_scope_is_closed_to_everybody(site: Site) -> None:
    site.app.add_url_rule(f"{ROOT}/undeclared", "api_undeclared", allow(Who.VISITOR)(lambda: "secret"))
    for name in (None, "ann", "olga"):
        _problem(script(site, name).get("/undeclared"), 403)


def test_a_page_takes_no_token(site: Site) -> None:
    answer = script(site, "ann").get("http://localhost/my/submissions")
    assert answer.status_code == 302
    assert "/login" in answer.location


def test_a_session_cookie_counts_for_nothing(site: Site) -> None:
    site.phase()
    site.phase("secret", competition="hidden", hidden=True)
    olga = site.browser("olga").client
    assert olga.get("/competitions/hidden").status_code == 200
    assert olga.get(f"{ROOT}/competitions/hidden").status_code == 404
    assert olga.get(f"{ROOT}/tokens").status_code == 401
    assert olga.post(f"{ROOT}/tokens", json={"name": "a", "scopes": ["read"]}).status_code == 401
    assert olga.delete(f"{ROOT}/tokens/current").status_code == 401


def test_the_token_counts_and_not_the_cookie_beside_it(site: Site) -> None:
    browser = site.browser("olga").client
    token = script(site, "ann").token
    answer = browser.get(f"{ROOT}/tokens", headers={"Authorization": f"Bearer {token}"})
    assert len(answer.get_json()["items"]) == 1
    site.phase("secret", competition="hidden", hidden=True)
    hidden = browser.get(f"{ROOT}/competitions/hidden", headers={"Authorization": f"Bearer {token}"})
    assert hidden.status_code == 404


def test_no_other_site_reads_or_posts_through_a_browser(site: Site) -> None:
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    client = site.app.test_client()
    for answer in (
        client.options(f"{ROOT}/competitions", headers=headers),
        client.get(f"{ROOT}/competitions", headers=headers),
    ):
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", None, 415),
        (b"{}", "text/plain", 415),
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[]", "application/json", 422),
        (b'"{\\"name\\": \\"a\\", \\"scopes\\": [\\"read\\"]}"', "application/json", 422),
    ],
)
def test_a_body_that_is_not_the_json_wanted(site: Site, content: bytes, kind: str | None, status: int) -> None:
    token = script(site, "ann").token
    answer = site.app.test_client().post(
        f"{ROOT}/tokens", data=content, content_type=kind, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == status
    fields(answer)


@pytest.mark.parametrize(
    ("query", "faulty"),
    [
        *(("page=0", "page"), ("page=x", "page"), ("page=", "page"), ("page=1&page=2", "page")),
        *(("per_page=1000", "per_page"), ("x=1", "x")),
    ],
)
def test_a_query_that_makes_no_sense(site: Site, query: str, faulty: str) -> None:
    answer = script(site).get(f"/competitions?{query}")
    assert (answer.status_code, fields(answer)) == (422, {faulty})


def test_a_list_comes_in_pages_that_name_their_neighbours(site: Site) -> None:
    for number in range(5):
        site.phase(competition=f"c{number}", zoos=("digits-mlp",))
    visitor = script(site)
    seen, path = [], "/competitions?per_page=2"
    while path:
        answer = visitor.get(path)
        told = answer.get_json()
        assert told["total"] == 5
        seen += [one["slug"] for one in told["items"]]
        links = {
            part.split(";")[1].strip()[5:-1]: part.split(";")[0].strip("<> ")
            for part in answer.headers["Link"].split(",")
        }
        assert {"first", "last"} <= links.keys()
        path = links.get("next", "")
    assert seen == ["c4", "c3", "c2", "c1", "c0"]
    beyond = visitor.get("/competitions?per_page=2&page=9").get_json()
    assert (beyond["items"], beyond["total"]) == ([], 5)


def test_what_has_not_changed_is_not_sent_again(site: Site) -> None:
    site.phase()
    visitor, path = script(site), "/competitions/demo"
    first = visitor.get(path)
    etag = first.headers["ETag"]
    again = visitor.get(path, If_None_Match=etag)
    assert (again.status_code, again.data) == (304, b"")
    site.phase("second")
    changed = visitor.get(path, If_None_Match=etag)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert "Authorization" in first.headers["Vary"]


def test_the_document_names_every_route_of_the_api(site: Site) -> None:
    told = site.app.test_client().get(f"{ROOT}/openapi.json").get_json()
    assert told["openapi"].startswith("3.1")
    documented = {(method.upper(), path) for path, methods in told["paths"].items() for method in methods}
    assert documented == {route for route in routes(site.app) if not route[1].endswith("/openapi.json")}


def test_the_document_needs_nothing_from_elsewhere(site: Site) -> None:
    text = site.app.test_client().get(f"{ROOT}/openapi.json").text
    names = set(json.loads(text)["components"]["schemas"])
    wanted = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert wanted <= names


def test_no_two_models_have_one_name_in_the_document(site: Site) -> None:
    known: dict[str, tuple[str, object]] = {}
    parts = [part for part in site.app.blueprints.values() if isinstance(part, APIBlueprint)]
    assert len(parts) > 1
    for part in parts:
        for name, schema in part.components_schemas.items():
            where, other = known.setdefault(name, (part.name, schema))
            assert schema == other, f"{where} and {part.name} both have a {name}: rename one"


def routes(app: Flask) -> set[tuple[str, str]]:
    """Every method and path of the API, in the document's words."""
    return {
        (method, _as_documented(str(rule)))
        for rule in app.url_map.iter_rules()
        if str(rule).startswith(ROOT)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def _as_documented(rule: str) -> str:
    parts = [f"{{{part[1:-1].split(':')[-1]}}}" if part.startswith("<") else part for part in rule.split("/")]
    return "/".join(parts)
