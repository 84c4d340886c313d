"""Every route against every kind of person, held to one table; what is hidden stays hidden; changes need a token."""

import re
from collections.abc import Callable

import pytest
from flask import Flask

from server.auth.access import Allowed, OwnerOr, UndeclaredRouteError, Who, allow, check_routes
from server.auth.parameters import KINDS, kinds_in
from submissions.people.tokens import Scope
from submissions.storage.roles import Permission
from tests.server.auth.walk import LOGIN, MOVED, Walk, make_walk
from tests.server.site import Site

OK, NO, GONE = 200, 403, 404

# For each route what visitor, participant (the submission's owner), other participant and organizer get.
TABLE: dict[tuple[str, str], tuple[int | str, ...]] = {
    ("GET", "home.home"): (OK, OK, OK, OK),
    ("GET", "api.browse"): (OK, OK, OK, OK),
    ("GET", "api.openapi_json"): (OK, OK, OK, OK),
    ("GET", "health.healthz"): (OK, OK, OK, OK),
    ("GET", "static.file"): (OK, OK, OK, OK),
    ("GET", "accounts.register_form"): (OK, OK, OK, OK),
    ("POST", "accounts.register_account"): (422, 422, 422, 422),
    ("GET", "accounts.log_in_form"): (OK, MOVED, MOVED, MOVED),
    ("POST", "accounts.log_in"): (422, 422, 422, 422),
    ("POST", "accounts.log_out"): (LOGIN, MOVED, MOVED, MOVED),
    ("GET", "account.show"): (LOGIN, OK, OK, OK),
    ("POST", "account.change_name"): (LOGIN, 422, 422, 422),
    ("POST", "account.change_email"): (LOGIN, 422, 422, 422),
    ("POST", "account.change_password"): (LOGIN, 422, 422, 422),
    ("POST", "account.set_wants_mail"): (LOGIN, MOVED, MOVED, MOVED),
    ("POST", "account.ask_to_verify"): (LOGIN, MOVED, MOVED, MOVED),
    ("GET", "account.export"): (LOGIN, OK, OK, OK),
    ("GET", "account.delete_form"): (LOGIN, OK, OK, OK),
    ("POST", "account.delete"): (LOGIN, 422, 422, 422),
    ("GET", "links.verify_form"): (GONE, GONE, GONE, GONE),  # of a link that does not hold
    ("POST", "links.verify"): (GONE, GONE, GONE, GONE),
    ("GET", "links.ask_form"): (OK, OK, OK, OK),
    ("POST", "links.ask_to_reset"): (MOVED, MOVED, MOVED, MOVED),
    ("GET", "links.reset_form"): (GONE, GONE, GONE, GONE),
    ("POST", "links.reset"): (GONE, GONE, GONE, GONE),
    ("GET", "tokens.overview"): (LOGIN, OK, OK, OK),
    ("POST", "tokens.create"): (LOGIN, 422, 422, 422),
    ("POST", "tokens.revoke"): (LOGIN, MOVED, GONE, GONE),
    ("GET", "notices.overview"): (LOGIN, OK, OK, OK),
    ("POST", "notices.read_all"): (LOGIN, MOVED, MOVED, MOVED),
    ("POST", "notices.read"): (
        LOGIN,
        MOVED,
        MOVED,
        MOVED,
    ),  # another's stays unread, tested elsewhere
    ("GET", "teams.mine"): (LOGIN, OK, OK, OK),
    ("GET", "teams.show"): (LOGIN, OK, OK, OK),
    ("POST", "teams.create"): (LOGIN, 422, 422, 422),
    ("POST", "teams.renew_invitation"): (LOGIN, MOVED, MOVED, MOVED),
    ("POST", "teams.leave"): (LOGIN, MOVED, MOVED, MOVED),
    ("GET", "teams.invitation"): (LOGIN, OK, OK, OK),
    ("POST", "teams.join"): (LOGIN, MOVED, MOVED, MOVED),
    ("GET", "sessions.overview"): (LOGIN, OK, OK, OK),
    ("POST", "sessions.end"): (LOGIN, MOVED, GONE, GONE),
    ("POST", "sessions.end_others"): (LOGIN, MOVED, MOVED, MOVED),
    ("GET", "competitions.show"): (OK, OK, OK, OK),
    ("GET", "kit.download"): (OK, OK, OK, OK),
    ("GET", "help.index"): (OK, OK, OK, OK),
    ("GET", "help.page"): (OK, OK, OK, OK),
    ("GET", "help.image"): (OK, OK, OK, OK),
    ("GET", "competition_form.show"): (LOGIN, NO, NO, OK),
    ("POST", "competition_form.change"): (LOGIN, NO, NO, 422),
    ("POST", "competition_form.add_announcement"): (LOGIN, NO, NO, 422),
    ("POST", "competition_form.withdraw_announcement"): (LOGIN, NO, NO, MOVED),
    ("GET", "leaderboard.show"): (OK, OK, OK, OK),
    ("GET", "leaderboard.mine"): (LOGIN, MOVED, MOVED, MOVED),
    ("GET", "board_exports.as_csv"): (OK, OK, OK, OK),
    ("GET", "board_exports.as_json"): (OK, OK, OK, OK),
    ("GET", "board_exports.citation"): (OK, OK, OK, OK),
    ("GET", "board_exports.courses"): (OK, OK, OK, OK),
    ("GET", "board_exports.chart"): (OK, OK, OK, OK),
    ("GET", "board_exports.badge_of"): (OK, OK, OK, OK),
    ("GET", "board_pictures.show"): (OK, OK, OK, OK),
    ("GET", "board_pictures.chart"): (OK, OK, OK, OK),
    ("GET", "measures.overview"): (OK, OK, OK, OK),
    ("GET", "measures.show"): (OK, OK, OK, OK),
    ("GET", "measures.chart"): (GONE, GONE, GONE, GONE),  # no baseline is evaluated here
    ("GET", "measures.code"): (OK, OK, OK, OK),
    ("GET", "public_zoos.overview"): (OK, OK, OK, OK),
    ("GET", "public_zoos.show"): (OK, OK, OK, OK),
    ("GET", "public_zoos.axes_chart"): (OK, OK, OK, OK),
    ("GET", "public_zoos.costs_chart"): (GONE, GONE, GONE, GONE),
    ("GET", "public_zoos.agreement_chart"): (GONE, GONE, GONE, GONE),
    ("GET", "public_zoos.agreement_table"): (GONE, GONE, GONE, GONE),
    ("POST", "moderation.choose"): (LOGIN, MOVED, NO, MOVED),
    ("POST", "moderation.moderate"): (LOGIN, NO, NO, 422),
    ("POST", "phases.unfreeze_board"): (LOGIN, NO, NO, MOVED),
    ("GET", "submit.form"): (LOGIN, OK, OK, OK),
    ("POST", "submit.upload"): (LOGIN, 422, 422, 422),
    ("POST", "submit.check"): (LOGIN, OK, OK, OK),
    ("GET", "submissions.show"): (OK, OK, OK, OK),
    ("GET", "submissions.status"): (OK, OK, OK, OK),
    ("GET", "results.as_json"): (OK, OK, OK, OK),
    ("GET", "results.as_table"): (OK, OK, OK, OK),
    ("GET", "results.drawing_spec"): (OK, OK, OK, OK),
    ("GET", "results.drawing_data"): (OK, OK, OK, OK),
    ("GET", "results.drawing_table"): (OK, OK, OK, OK),
    ("GET", "results.networks"): (OK, OK, OK, OK),
    ("GET", "compare.show"): (OK, OK, OK, OK),
    ("GET", "compare.chart"): (GONE, GONE, GONE, GONE),  # without the two that are to be compared
    ("POST", "submissions.cancel_submission"): (LOGIN, MOVED, NO, MOVED),
    ("GET", "my_submissions.show"): (LOGIN, OK, OK, OK),
    ("GET", "my_submissions.compare"): (LOGIN, MOVED, MOVED, MOVED),
    ("GET", "code.show"): (LOGIN, OK, NO, OK),
    ("GET", "code.download"): (LOGIN, GONE, NO, GONE),  # nothing was uploaded
    ("GET", "organizer.overview"): (LOGIN, NO, NO, OK),
    ("GET", "zoos.overview"): (LOGIN, NO, NO, OK),
    ("POST", "zoos.add_folder"): (LOGIN, NO, NO, 422),
    ("POST", "zoos.add_pgdl"): (LOGIN, NO, NO, 422),
    ("POST", "zoos.add_recipe"): (LOGIN, NO, NO, 422),
    ("GET", "zoos.job"): (LOGIN, NO, NO, OK),
    ("GET", "zoos.job_progress"): (LOGIN, NO, NO, OK),
    ("POST", "zoo_uploads.begin"): (LOGIN, NO, NO, 422),
    ("POST", "zoo_uploads.append_piece"): (LOGIN, NO, NO, 422),
    ("POST", "zoo_uploads.finish"): (LOGIN, NO, NO, 422),
    ("GET", "zoo_page.show"): (LOGIN, NO, NO, OK),
    ("GET", "zoo_page.chart"): (LOGIN, NO, NO, OK),
    ("GET", "zoo_page.public_part"): (LOGIN, NO, NO, OK),
    ("POST", "zoo_page.check_again"): (LOGIN, NO, NO, MOVED),
    ("POST", "zoo_page.attach"): (LOGIN, NO, NO, 422),
    ("POST", "zoo_page.detach"): (LOGIN, NO, NO, 422),
    ("POST", "zoo_page.replace"): (LOGIN, NO, NO, 422),
    ("GET", "phases.overview"): (LOGIN, NO, NO, OK),
    ("GET", "phases.form"): (LOGIN, NO, NO, OK),
    ("POST", "phases.open_new"): (LOGIN, NO, NO, 422),
    ("GET", "phases.show"): (LOGIN, NO, NO, OK),
    ("POST", "phases.change"): (LOGIN, NO, NO, 422),
}


@pytest.fixture
def walk(site: Site) -> Callable[..., Walk]:
    def make(*, hidden_phase: bool = False, hidden_submission: bool = False) -> Walk:
        return make_walk(site, hidden_phase=hidden_phase, hidden_submission=hidden_submission)

    return make


def test_the_table_names_every_route(site: Site) -> None:
    routes = {
        (method, rule.endpoint)
        for rule in site.app.url_map.iter_rules()
        if not rule.endpoint.startswith("api_")  # api/test_api_access.py walks those
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes == TABLE.keys()


def test_every_parameter_of_every_route_names_something_of_a_known_kind(site: Site) -> None:
    rules = list(site.app.url_map.iter_rules())
    assert [rule.rule for rule in rules if rule.arguments != kinds_in(rule.rule).keys()] == []
    assert {kind for rule in rules for kind in kinds_in(rule.rule).values()} == KINDS.keys()


@pytest.mark.parametrize(
    ("rule", "allowed", "fault"),
    [
        ("/new", None, "does not declare who may use it"),
        ("/new/<submission:number>", None, "does not declare who may use it"),
        ("/new/<int:submission_id>", Who.VISITOR, "does not declare what submission_id names"),
        ("/new/<submission_id>", Permission.MODERATE, "does not declare what submission_id names"),
        ("/new/<int(max=9):zoo_id>", Permission.MANAGE_ZOOS, "does not declare what zoo_id names"),
        ("/new/<submission:one>/<string:other>", Who.VISITOR, "does not declare what other names"),
        ("/new/<phase:slug>", Who.VISITOR, "names a phase without its competition"),
        (
            "/new/<competition:one>/<competition:other>",
            Who.VISITOR,
            "names two competitions or phases, of which only one would be loaded",
        ),
        ("/new/<api_token:number>", Who.VISITOR, "names a person's api_token and allows visitors"),
        ("/new/<zoo:number>", Who.PARTICIPANT, "names a zoo and asks for none of: manage_phases, manage_zoos"),
        ("/new/<zoo:number>", Permission.MONITOR, "names a zoo and asks for none of: manage_phases, manage_zoos"),
        ("/new/<zoo:number>", OwnerOr(Permission.MANAGE_ZOOS), "allows an owner and names no submission"),
        (
            "/new/<competition:one>/<phase:first>/<phase:second>",
            Who.VISITOR,
            "names two competitions or phases, of which only one would be loaded",
        ),
        ("/api/v1/new", Who.VISITOR, "is of the API and names no scope, or names one and is not of the API"),
    ],
)
@pytest.mark.changes_app
def test_a_route_that_leaves_something_open_keeps_the_application_from_starting(
    site: Site, rule: str, allowed: Allowed | None, fault: str
) -> None:
    def view(**_named: object) -> str:
        return "secret"

    check_routes(site.app)
    site.app.add_url_rule(rule, "new", view if allowed is None else allow(allowed)(view))
    with pytest.raises(UndeclaredRouteError) as error:
        check_routes(site.app)
    assert str(error.value) == f"The route new ({rule}) {fault}."
    path = re.sub(r"<[^>]*>", "1", rule)
    for person in (None, "ann", "olga"):
        assert site.browser(person).get(path).status_code == NO


@pytest.mark.changes_app
def test_a_scope_is_for_routes_of_the_api_alone(site: Site) -> None:
    site.app.add_url_rule("/new", "new", allow(Who.VISITOR, Scope.READ)(lambda: "secret"))
    with pytest.raises(UndeclaredRouteError, match="names one and is not of the API"):
        check_routes(site.app)
    assert site.browser().get("/new").status_code == NO


@pytest.mark.changes_app
def test_what_a_parameter_is_called_does_not_matter(site: Site) -> None:
    def view(**_named: object) -> str:
        return "for those who may see it"

    site.app.add_url_rule("/new/<submission:watched>", "new", allow(Who.VISITOR)(view))
    secret = site.submission(site.phase(hidden=True), site.ann)
    for person, expected in ((None, GONE), ("ann", GONE), ("olga", OK)):
        assert site.browser(person).get(f"/new/{secret}").status_code == expected


@pytest.mark.parametrize(("method", "endpoint"), TABLE)
def test_each_person_gets_what_the_table_says(walk: Callable[..., Walk], method: str, endpoint: str) -> None:
    assert walk().answers(method, endpoint) == TABLE[method, endpoint]


def test_a_hidden_phase_exists_for_organizers_alone(walk: Callable[..., Walk]) -> None:
    made = walk(hidden_phase=True)
    routes = [route for route in TABLE if made.kinds(route[1]) & {"competition", "submission"}]
    expected = {route: (GONE, GONE, GONE, TABLE[route][3]) for route in routes}
    assert {route: made.answers(*route) for route in routes} == expected


def test_a_hidden_submission_exists_for_its_owner_and_organizers(walk: Callable[..., Walk]) -> None:
    made = walk(hidden_submission=True)
    routes = [route for route in TABLE if "submission" in made.kinds(route[1])]
    expected = {route: (GONE, TABLE[route][1], GONE, TABLE[route][3]) for route in routes}
    expected["GET", "board_exports.badge_of"] = (GONE, GONE, GONE, GONE)  # it is on no board
    assert {route: made.answers(*route) for route in routes} == expected


def test_a_hidden_phase_is_on_no_list(walk: Callable[..., Walk]) -> None:
    made = walk(hidden_phase=True)
    made.site.phase("open", competition="other")
    for person, browser in made.browsers.items():
        home = browser.get("/").text
        assert "/competitions/other/open/" in home
        assert ("/competitions/demo" in home) == (person == "organizer")


def test_a_hidden_phase_of_a_public_competition_is_not_on_its_page(site: Site) -> None:
    site.phase("open")
    site.phase("secret", hidden=True, zoos=("hidden-mlp",))
    shown = site.browser().get("/competitions/demo").text
    assert "Open phase" in shown
    assert "Secret phase" not in shown
    assert "Hidden mlp" not in shown


@pytest.mark.parametrize(("method", "endpoint"), [route for route in TABLE if route[0] == "POST"])
def test_no_change_without_a_csrf_token(walk: Callable[..., Walk], method: str, endpoint: str) -> None:
    made = walk()
    path = made.path(endpoint)
    answer = made.browsers["organizer"].client.post(path)
    assert answer.status_code == 400
    assert "This form has expired" in answer.text
    assert made.browsers["organizer"].get("/my/submissions").status_code == 200


def test_a_token_of_another_session_is_refused(site: Site) -> None:
    ann, bob = site.browser("ann"), site.browser("bob")
    assert ann.client.post("/logout", data={"csrf_token": bob.token()}).status_code == 400


@pytest.fixture
def bare_app(site: Site) -> Flask:
    """The application with three routes more, one of which does not say who may use it."""
    site.app.add_url_rule("/undeclared", "undeclared", lambda: "secret")
    site.app.add_url_rule("/organizers", "organizers", allow(Permission.MONITOR)(lambda: "for organizers"))
    return site.app


@pytest.mark.changes_app
def test_a_route_without_a_declaration_is_closed_to_everybody(bare_app: Flask, site: Site) -> None:
    for name in (None, "ann", "olga"):
        assert site.browser(name).get("/undeclared").status_code == 403


@pytest.mark.changes_app
def test_a_route_for_organizers_is_closed_to_participants(bare_app: Flask, site: Site) -> None:
    answers = [site.browser(name).get("/organizers").status_code for name in (None, "ann", "olga")]
    assert answers == [302, 403, 200]


@pytest.mark.parametrize(
    "path",
    [
        "/submissions/0",
        "/submissions/99999",
        "/submissions/99999999999999999999",
        "/submissions/-1",
        "/competitions/none",
        "/competitions/demo/none/leaderboard",
        "/competitions/a%00b/main/leaderboard",
        "/competitions/%C3%A9/main/leaderboard",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/none.css",
        "/nothing",
    ],
)
def test_what_does_not_exist_is_a_friendly_404(site: Site, path: str) -> None:
    site.phase()
    answer = site.browser("ann").get(path)
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.text
