"""Every route of the API against every kind of person and every scope, held to one table; what is hidden stays hidden.

Whoever is let through to a route that wants a body, and sends none, is told 415: nothing is changed by the walk there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from server.auth.access import declared
from server.auth.parameters import kinds_in
from submissions.people.tokens import Scope
from submissions.storage.records import JobKind
from submissions.zoos.jobs import enqueue
from submissions.zoos.uploads import begin_upload
from tests.server.api.clients import ROOT, UNLIMITED, Script, give_code, make_team, script
from tests.server.site import GOOD_MEASURE, Site

PEOPLE = (None, "ann", "bob", "olga")
OK, MADE, LATER, DONE, LOGIN, NO, GONE, CONFLICT, BODY = 200, 201, 202, 204, 401, 403, 404, 409, 415
EVERYBODY, ORGANIZERS = (OK, OK, OK, OK), (LOGIN, NO, NO, OK)

# For each route what a visitor, the submission's author, another participant and an organizer get, with all scopes.
TABLE: dict[tuple[str, str], tuple[int, ...]] = {
    ("GET", "api_competitions.list_competitions"): EVERYBODY,
    ("GET", "api_competitions.show"): EVERYBODY,
    ("GET", "api_competitions.list_announcements"): EVERYBODY,
    ("GET", "api_competitions.show_phase"): EVERYBODY,
    ("GET", "api_competitions.download_kit"): EVERYBODY,
    ("GET", "api_submitting.show_quota"): (LOGIN, OK, OK, OK),
    ("POST", "api_submitting.create"): (LOGIN, BODY, BODY, BODY),
    ("POST", "api_submitting.check"): (LOGIN, BODY, BODY, BODY),
    ("GET", "api_submissions.list_own"): (LOGIN, OK, OK, OK),
    ("GET", "api_submissions.show"): EVERYBODY,
    ("GET", "api_submissions.source"): (LOGIN, OK, NO, OK),
    ("POST", "api_submissions.cancel_submission"): (LOGIN, CONFLICT, NO, CONFLICT),
    ("POST", "api_submissions.choose_submission"): (LOGIN, CONFLICT, NO, CONFLICT),
    ("PUT", "api_moderation.hide_it"): (LOGIN, NO, NO, BODY),
    ("DELETE", "api_moderation.show_again"): ORGANIZERS,
    ("PUT", "api_moderation.disqualify_it"): (LOGIN, NO, NO, BODY),
    ("DELETE", "api_moderation.requalify_it"): ORGANIZERS,
    ("POST", "api_moderation.rerun"): (LOGIN, NO, NO, BODY),
    ("GET", "api_boards.show"): EVERYBODY,
    ("GET", "api_boards.show_history"): EVERYBODY,
    ("GET", "api_boards.show_citation"): EVERYBODY,
    ("GET", "api_boards.show_badge"): EVERYBODY,
    ("GET", "api_measures.list_measures"): EVERYBODY,
    ("GET", "api_measures.show_measure"): EVERYBODY,
    ("GET", "api_measures.list_zoos"): EVERYBODY,
    ("GET", "api_measures.show_zoo"): EVERYBODY,
    ("GET", "api_measures.show_agreement"): EVERYBODY,
    ("GET", "api_measures.show_similar"): EVERYBODY,
    ("GET", "api_measures.show_costs"): EVERYBODY,
    ("GET", "api_results.show"): EVERYBODY,
    ("GET", "api_results.compare"): EVERYBODY,
    ("GET", "api_results.show_forecast"): EVERYBODY,
    ("GET", "api_results.show_values"): EVERYBODY,
    ("POST", "api_account.register"): (BODY, BODY, BODY, BODY),
    ("GET", "api_account.show"): (LOGIN, OK, OK, OK),
    ("PATCH", "api_account.change"): (LOGIN, BODY, BODY, BODY),
    ("PUT", "api_account.change_password"): (LOGIN, BODY, BODY, BODY),
    ("PUT", "api_account.change_email"): (LOGIN, BODY, BODY, BODY),
    ("POST", "api_account.ask_to_verify"): (LOGIN, DONE, DONE, DONE),
    ("GET", "api_account.export"): (LOGIN, OK, OK, OK),
    ("POST", "api_account.delete"): (LOGIN, BODY, BODY, BODY),
    ("GET", "api_account.list_sessions"): (LOGIN, OK, OK, OK),
    ("DELETE", "api_account.end_sessions"): (LOGIN, DONE, DONE, DONE),
    ("DELETE", "api_account.end_session"): (LOGIN, GONE, GONE, GONE),
    ("POST", "api_account.ask_to_reset"): (BODY, BODY, BODY, BODY),
    ("POST", "api_account.reset"): (BODY, BODY, BODY, BODY),
    ("POST", "api_account.verify"): (BODY, BODY, BODY, BODY),
    ("GET", "api_notifications.list_notifications"): (LOGIN, OK, OK, OK),
    ("POST", "api_notifications.read_all"): (LOGIN, DONE, DONE, DONE),
    ("POST", "api_notifications.read_one"): (LOGIN, DONE, DONE, DONE),
    ("GET", "api_teams.list_teams"): (LOGIN, OK, OK, OK),
    ("GET", "api_teams.show"): (LOGIN, OK, GONE, GONE),
    ("POST", "api_teams.create"): (LOGIN, BODY, BODY, BODY),
    ("DELETE", "api_teams.leave"): (LOGIN, DONE, GONE, GONE),
    ("POST", "api_teams.renew_invitation"): (LOGIN, OK, GONE, GONE),
    ("GET", "api_teams.show_invitation"): (LOGIN, OK, OK, OK),
    ("POST", "api_teams.accept_invitation"): (LOGIN, OK, OK, OK),
    ("POST", "api_tokens.log_in"): (BODY, BODY, BODY, BODY),
    ("GET", "api_tokens.list_tokens"): (LOGIN, OK, OK, OK),
    ("POST", "api_tokens.make"): (LOGIN, BODY, BODY, BODY),
    ("DELETE", "api_tokens.revoke_current"): (LOGIN, DONE, DONE, DONE),
    ("DELETE", "api_tokens.revoke"): (LOGIN, GONE, GONE, GONE),
    ("GET", "api_phases.list_phases"): ORGANIZERS,
    ("POST", "api_phases.open_competition"): (LOGIN, NO, NO, BODY),
    ("PATCH", "api_phases.change"): (LOGIN, NO, NO, BODY),
    ("POST", "api_phases.open_another"): (LOGIN, NO, NO, BODY),
    ("PATCH", "api_phases.change_one"): (LOGIN, NO, NO, BODY),
    ("POST", "api_phases.unfreeze_board"): (LOGIN, NO, NO, CONFLICT),
    ("PUT", "api_phases.attach"): (LOGIN, NO, NO, CONFLICT),
    ("DELETE", "api_phases.detach"): ORGANIZERS,
    ("POST", "api_phases.replace_by"): (LOGIN, NO, NO, BODY),
    ("POST", "api_phases.make_announcement"): (LOGIN, NO, NO, BODY),
    ("DELETE", "api_phases.withdraw_announcement"): (LOGIN, NO, NO, GONE),
    ("GET", "api_zoos.list_zoos"): ORGANIZERS,
    ("GET", "api_zoos.show"): ORGANIZERS,
    ("GET", "api_zoos.picture"): ORGANIZERS,
    ("GET", "api_zoos.public_part"): ORGANIZERS,
    ("POST", "api_zoos.check"): (LOGIN, NO, NO, LATER),
    ("GET", "api_zoos.list_jobs"): ORGANIZERS,
    ("GET", "api_zoos.show_job"): ORGANIZERS,
    ("POST", "api_zoos.add_folder"): (LOGIN, NO, NO, BODY),
    ("POST", "api_zoos.add_pgdl"): (LOGIN, NO, NO, BODY),
    ("POST", "api_zoos.add_recipe"): (LOGIN, NO, NO, BODY),
    ("GET", "api_zoos.list_acts"): ORGANIZERS,
    ("GET", "api_zoos.list_workers"): ORGANIZERS,
    ("POST", "api_uploads.begin"): (LOGIN, NO, NO, BODY),
    ("GET", "api_uploads.show"): ORGANIZERS,
    ("PUT", "api_uploads.append_piece"): (LOGIN, NO, NO, BODY),
    ("POST", "api_uploads.finish"): (LOGIN, NO, NO, CONFLICT),
}
ROUTES = sorted(TABLE)
IDLE = [route for route in ROUTES if route[0] == "GET" or BODY in TABLE[route]]  # nothing changes by asking here


@dataclass(frozen=True)
class Walk:
    """A site with one scored submission of ann's, whose team bob is invited to."""

    site: Site
    scripts: dict[str | None, Script]
    names: dict[str, Any]

    def answers(self, method: str, endpoint: str) -> tuple[int, ...]:
        return tuple(self.answer(self.scripts[person], method, endpoint) for person in PEOPLE)

    def answer(self, sender: Script, method: str, endpoint: str) -> int:
        return sender.send(method, self.path(endpoint)).status_code

    def kinds(self, endpoint: str) -> set[str]:
        """What the parameters of a route name."""
        rule = next(rule for rule in self.site.app.url_map.iter_rules() if rule.endpoint == endpoint)
        return set(kinds_in(rule.rule).values())

    def path(self, endpoint: str) -> str:
        rule = next(rule for rule in self.site.app.url_map.iter_rules() if rule.endpoint == endpoint)
        with self.site.app.test_request_context():
            names = {name: self.names[name] for name in rule.arguments}
            path = str(self.site.app.url_for(endpoint, **names))
        return f"{path}?offset=0" if endpoint == "api_uploads.append_piece" else path


@pytest.fixture
def walk(make_site: Callable[..., Site]) -> Callable[..., Walk]:
    site = make_site(**UNLIMITED)

    def make(*, hidden_phase: bool = False, hidden_submission: bool = False) -> Walk:
        phase = site.phase(hidden=hidden_phase)
        submission = site.submission(phase, site.ann, cmi=(0.1, 0.2), is_hidden=hidden_submission)
        give_code(site, submission, GOOD_MEASURE)
        other = site.submission(phase, site.olga, cmi=(0.2, 0.2))
        invite_key = make_team(site, phase, site.ann)
        names = {
            "competition_slug": "demo",
            "phase_slug": "main",
            "submission_id": submission,
            "other_id": other,
            "zoo_name": "digits-mlp",
            "measure_name": "path-norm",
            "zoo_id": site.checked("digits-mlp"),
            "job_id": enqueue(site.db, JobKind.FOLDER, {"address": "/zoos/digits"}, site.olga),
            "upload_id": begin_upload(site.db, site.settings, "digits.zip", 10, site.olga),
            "token_id": 10**6,
            "session_id": 10**6,
            "notification_id": 10**6,
            "announcement_id": 10**6,
            "invite_key": invite_key,
            "picture": "gaps",
        }
        return Walk(site, {person: script(site, person) for person in PEOPLE}, names)

    return make


def test_the_table_names_every_route(site: Site) -> None:
    routes = {
        (method, rule.endpoint)
        for rule in site.app.url_map.iter_rules()
        if str(rule).startswith(f"{ROOT}/") and rule.endpoint != "api.openapi_json"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes == TABLE.keys()


def test_whoever_is_no_organizer_needs_the_scope_organize_nowhere(site: Site) -> None:
    for route, answers in TABLE.items():
        scope = scope_of(site, route[1])
        assert (scope is Scope.ORGANIZE) == (answers[1:3] == (NO, NO)), route


def test_each_person_gets_what_the_table_says_where_nothing_changes(walk: Callable[..., Walk]) -> None:
    made = walk()
    assert {route: made.answers(*route) for route in IDLE} == {route: TABLE[route] for route in IDLE}


@pytest.mark.parametrize(("method", "endpoint"), [route for route in ROUTES if route not in IDLE])
def test_each_person_gets_what_the_table_says_where_something_changes(
    walk: Callable[..., Walk], method: str, endpoint: str
) -> None:
    assert walk().answers(method, endpoint) == TABLE[method, endpoint]


@pytest.mark.parametrize("person", ["ann", "bob", "olga"])
def test_a_token_without_the_scope_of_a_route_is_refused_there(walk: Callable[..., Walk], person: str) -> None:
    made = walk()
    scopes = set(Scope) if person == "olga" else set(Scope) - {Scope.ORGANIZE}
    without = {scope: script(made.site, person, scopes - {scope}) for scope in Scope}
    for method, endpoint in ROUTES:
        scope = scope_of(made.site, endpoint)
        answer = without[scope].send(method, made.path(endpoint))
        assert answer.status_code == NO, endpoint
        assert answer.headers["WWW-Authenticate"] == (
            f'Bearer realm="gengap", error="insufficient_scope", scope="{scope}"'
        )


@pytest.mark.parametrize("scope", Scope)
def test_the_scope_of_a_route_is_enough_for_it(walk: Callable[..., Walk], scope: Scope) -> None:
    made = walk()
    olga = script(made.site, "olga", {scope})
    routes = [route for route in IDLE if scope_of(made.site, route[1]) is scope]
    assert {route: made.answer(olga, *route) for route in routes} == {route: TABLE[route][3] for route in routes}


def test_a_hidden_phase_exists_for_organizers_alone(walk: Callable[..., Walk]) -> None:
    made = walk(hidden_phase=True)
    routes = [route for route in IDLE if made.kinds(route[1]) & {"competition", "submission"}]
    expected = {route: (GONE, *_hidden_from_participants(route), TABLE[route][3]) for route in routes}
    assert {route: made.answers(*route) for route in routes} == expected


def test_a_hidden_submission_exists_for_its_author_and_organizers(walk: Callable[..., Walk]) -> None:
    made = walk(hidden_submission=True)
    routes = [route for route in IDLE if TABLE[route] == EVERYBODY and "submission" in made.kinds(route[1])]
    expected = dict.fromkeys(routes, (GONE, OK, GONE, OK))
    expected["GET", "api_boards.show_badge"] = (GONE, 409, GONE, 409)  # whoever sees it: it is on no board
    assert {route: made.answers(*route) for route in routes} == expected


def scope_of(site: Site, endpoint: str) -> Scope:
    declaration = declared(site.app.view_functions[endpoint])
    assert declaration is not None
    assert declaration.scope is not None
    return declaration.scope


def _hidden_from_participants(route: tuple[str, str]) -> tuple[int, int]:
    """What two participants get: nothing is there; where their tokens lack the scope, that comes first."""
    return (NO, NO) if TABLE[route][1:3] == (NO, NO) else (GONE, GONE)
