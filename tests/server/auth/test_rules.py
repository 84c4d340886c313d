"""The rules of access on routes made for it: owners, what a query names, what is hidden, and where visitors go."""

from collections.abc import Callable

import pytest
from flask import request
from sqlalchemy import event

from server.auth.access import (
    Allowed,
    Declaration,
    OwnerOr,
    Who,
    allow,
    declared,
    is_owner,
    is_owner_or_may,
    may_open,
    submission_named,
    the_competition,
    the_phase,
    the_submission,
    visible_competitions,
)
from server.auth.result_access import seen_result, told_of
from server.config import services
from submissions.people.accounts import register
from submissions.people.teams import leave_team
from submissions.people.tokens import Scope
from submissions.storage.records import PhaseRecord, SubmissionRecord, TeamMemberRecord
from submissions.storage.roles import NOTHING, Permission
from submissions.storage.submission_head import SubmissionHead, submission_head
from tests.records import PASSWORD, START
from tests.server.api.clients import script
from tests.server.site import Site

pytestmark = pytest.mark.changes_app
PEOPLE = (None, "ann", "bob", "eve", "olga")  # ann and bob are a team
OK, NO, GONE = 200, 403, 404


@pytest.fixture
def phase(site: Site) -> int:
    register(site.db, "eve", "eve@example.org", PASSWORD)
    made = site.phase()
    site.team("gaps", site.ann, site.bob)
    return made


@pytest.fixture
def teams(site: Site, phase: int) -> int:
    """A submission that ann made for the team."""
    with site.db.read() as session:
        team = session.query(TeamMemberRecord.team_id).distinct().scalar()
    return site.submission(phase, site.ann, cmi=(0.1, 0.2), entrant=f"t{team}", team_id=team)


@pytest.fixture
def anns(site: Site, phase: int) -> int:
    """A submission that ann made for herself."""
    return site.submission(phase, site.ann, cmi=(0.1, 0.2))


def serve(site: Site, rule: str, shown: Callable[[], object], allowed: Allowed = Who.VISITOR, *query: str) -> None:
    """Add a route that answers with what a function returns."""
    view = allow(allowed, submissions_in_query=query)(lambda **_named: str(shown()))
    site.app.add_url_rule(rule, rule, view, methods=["GET", "POST"])


def answers(site: Site, path: str) -> list[str | int]:
    """What each person reads there, or the status if it is another than 200."""
    told = [site.browser(person).get(path) for person in PEOPLE]
    return [answer.text if answer.status_code == OK else answer.status_code for answer in told]


def loaded() -> SubmissionHead:
    """A submission that access knows nothing of."""
    with services().db.read() as session:
        found = submission_head(session, int(request.args["number"]))
    assert found is not None
    return found


def test_owners_are_the_author_and_the_team_that_it_was_made_for(site: Site, teams: int, anns: int) -> None:
    serve(site, "/named/<submission:number>", lambda: is_owner(the_submission()))
    serve(site, "/loaded", lambda: is_owner(loaded()))
    for path in ("/named/", "/loaded?number="):
        assert answers(site, f"{path}{teams}") == ["False", "True", "True", "False", "False"]
        assert answers(site, f"{path}{anns}") == ["False", "True", "False", "False", "False"]


def test_whether_the_reader_owns_what_a_url_names_is_asked_once(site: Site, teams: int) -> None:
    asked: list[str] = []

    def shown() -> list[str]:
        asked.clear()
        is_owner(the_submission())
        return list(asked)

    serve(site, "/named/<submission:number>", shown)
    event.listen(site.db.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    assert answers(site, f"/named/{teams}") == ["[]"] * 5


def test_an_author_who_left_the_team_still_owns_what_they_made(site: Site, phase: int, teams: int) -> None:
    serve(site, "/named/<submission:number>", lambda: is_owner(the_submission()))
    with site.db.read() as session:
        competition_id = session.get_one(PhaseRecord, phase).competition_id
    for user in (site.ann, site.bob):
        leave_team(site.db, competition_id, user)
    assert answers(site, f"/named/{teams}") == ["False", "True", "False", "False", "False"]


def test_a_permission_serves_where_one_is_no_owner(site: Site, anns: int) -> None:
    serve(site, "/either/<submission:number>", lambda: is_owner_or_may(the_submission(), Permission.MODERATE))
    serve(site, "/for/<submission:number>", lambda: "shown", OwnerOr(Permission.MODERATE))
    assert answers(site, f"/either/{anns}") == ["False", "True", "False", "False", "True"]
    visitor, *others = answers(site, f"/for/{anns}")
    assert (visitor, others) == (302, ["shown", NO, NO, "shown"])


def test_how_much_of_a_score_is_shown_depends_on_who_reads(site: Site, phase: int, teams: int) -> None:
    with site.db.write() as session:
        session.get_one(PhaseRecord, phase).freezes_at = START
    serve(site, "/sight/<submission:number>", lambda: told_of(the_submission()).sight)
    assert answers(site, f"/sight/{teams}") == ["nothing", "all", "all", "nothing", "all"]
    with site.db.write() as session:
        session.get_one(PhaseRecord, phase).uses_ladder = True
    assert answers(site, f"/sight/{teams}") == ["nothing", "shown_score", "shown_score", "nothing", "all"]


def test_a_result_is_as_much_as_the_reader_may_see(site: Site) -> None:
    register(site.db, "eve", "eve@example.org", PASSWORD)
    phase = site.phase(zoos=("secret-mlp",), truth_public=False, freezes_at=START)
    scored = site.submission(phase, site.ann, cmi=(0.1,))
    queued = site.submission(phase, site.ann)

    def shown() -> object:
        found = seen_result(the_submission())
        return found and (found.sight.value, [zoo.names_axes for zoo in found.zoos])

    serve(site, "/result/<submission:number>", shown)
    nothing, own, all_of_it = str(("nothing", [])), str(("steps", [False])), str(("all", [True]))
    assert answers(site, f"/result/{scored}") == [nothing, own, nothing, nothing, all_of_it]
    assert answers(site, f"/result/{queued}") == ["None"] * 5


def test_what_is_hidden_exists_for_its_owners_and_organizers(site: Site, phase: int, teams: int, anns: int) -> None:
    serve(site, "/named/<submission:number>", lambda: "shown")
    with site.db.write() as session:
        for submission in (teams, anns):
            session.get_one(SubmissionRecord, submission).is_hidden = True
    assert answers(site, f"/named/{teams}") == [GONE, "shown", "shown", GONE, "shown"]
    assert answers(site, f"/named/{anns}") == [GONE, "shown", GONE, GONE, "shown"]
    with site.db.write() as session:
        session.get_one(PhaseRecord, phase).hidden = True
    for submission in (teams, anns):
        assert answers(site, f"/named/{submission}") == [GONE, GONE, GONE, GONE, "shown"]


def test_a_query_may_name_a_submission(site: Site, phase: int, anns: int) -> None:
    hidden = site.submission(phase, site.bob, is_hidden=True)
    serve(site, "/query", lambda: [named("one"), named("other")], Who.VISITOR, "one", "other")
    eve = site.browser("eve")
    for query, expected in (
        ("", [None, None]),
        (f"one=&unnamed={hidden}", [None, None]),
        (f"one={anns}", [anns, None]),
        (f"other={anns}", [None, anns]),
    ):
        assert eve.get(f"/query?{query}").text == str(expected)
    for query in ("one=first", "one=0", "one=99999", f"one={anns}&other={hidden}"):
        assert eve.get(f"/query?{query}").status_code == GONE
    assert site.browser("bob").get(f"/query?one={anns}&other={hidden}").text == str([anns, hidden])


def test_of_two_submissions_that_a_url_names_the_first_is_the_submission(site: Site, phase: int, anns: int) -> None:
    other = site.submission(phase, site.bob)
    rule = "/of/<submission:number>/and/<submission:another>"
    serve(site, rule, lambda: [the_submission().id, *(named(name) for name in ("number", "another"))])
    assert answers(site, f"/of/{other}/and/{anns}") == [str([other, other, anns])] * 5
    assert answers(site, f"/of/{anns}/and/99999") == [GONE] * 5


def named(name: str) -> int | None:
    found = submission_named(name)
    return None if found is None else found.id


def test_what_a_url_names_is_at_hand_with_what_it_belongs_to(site: Site, phase: int, anns: int) -> None:
    site.phase("second", opens_at=START)
    site.phase("main", competition="other")
    serve(
        site,
        "/s/<submission:number>",
        lambda: [the_submission().id, the_submission().phase.slug, the_submission().phase.competition.slug],
    )
    serve(
        site,
        "/p/<competition:one>/<phase:two>",
        lambda: [the_phase().id, the_phase().slug, the_phase().competition.slug],
    )
    serve(
        site, "/c/<competition:one>", lambda: [the_competition().slug, [one.slug for one in the_competition().phases]]
    )
    eve = site.browser("eve")
    assert eve.get(f"/s/{anns}").text == str([anns, "main", "demo"])
    assert eve.get("/p/demo/main").text == str([phase, "main", "demo"])
    assert eve.get("/c/other").text == str(["other", ["main"]])
    for path in ("/p/demo/other", "/p/other/second", "/c/none"):
        assert eve.get(path).status_code == GONE


def test_competitions_are_listed_newest_first_with_the_phases_one_may_see_by_their_opening(site: Site) -> None:
    def shown() -> list[tuple[str, list[str]]]:
        with services().db.read() as session:
            found = session.scalars(visible_competitions()).unique().all()
        return [(one.slug, [phase.slug for phase in one.phases]) for one in found]

    for hours, (slug, competition, hidden) in enumerate(
        [("b", "old", False), ("a", "old", True), ("c", "new", False), ("secret", "newest", True)]
    ):
        site.phase(slug, competition=competition, hidden=hidden, opens_at=START.replace(hour=12 - hours))
    site.phase("first", competition="old", opens_at=START.replace(hour=1))
    serve(site, "/listed", shown)
    assert site.browser("ann").get("/listed").text == str([("new", ["c"]), ("old", ["first", "b"])])
    assert site.browser("olga").get("/listed").text == str(
        [("newest", ["secret"]), ("new", ["c"]), ("old", ["first", "a", "b"])]
    )


def test_a_route_may_be_opened_by_those_who_have_all_its_permissions(site: Site, phase: int) -> None:
    serve(site, "/for-nobody-special", lambda: "", Who.PARTICIPANT)
    serve(site, "/monitor", lambda: "", Permission.MONITOR)
    serve(site, "/several", lambda: "several", frozenset({Permission.MONITOR, Permission.MANAGE_ZOOS}))
    site.app.add_url_rule("/undeclared", "/undeclared", lambda: "")
    named = ("/for-nobody-special", "/monitor", "/several", "/undeclared")
    serve(site, "/open", lambda: [may_open(endpoint) for endpoint in named])
    everybody, organizers = str([True, False, False, False]), str([True, True, True, False])
    assert answers(site, "/open") == [str([False] * 4), everybody, everybody, everybody, organizers]
    assert answers(site, "/several") == [302, NO, NO, NO, "several"]


@pytest.mark.parametrize(
    ("allowed", "needed"),
    [
        (Who.VISITOR, NOTHING),
        (OwnerOr(Permission.MODERATE), NOTHING),
        (Permission.MONITOR, {Permission.MONITOR}),
        (frozenset({Permission.MONITOR, Permission.MODERATE}), {Permission.MONITOR, Permission.MODERATE}),
    ],
)
def test_a_view_is_marked_with_what_it_declares(allowed: Allowed, needed: set[Permission]) -> None:
    def view() -> str:
        return "shown"

    assert declared(view) is None
    assert allow(allowed)(view) is view
    assert declared(view) == Declaration(allowed, None, ())
    allow(allowed, Scope.READ, submissions_in_query=["a", "b"])(view)
    found = declared(view)
    assert found == Declaration(allowed, Scope.READ, ("a", "b"))
    assert found.needed == needed


@pytest.mark.parametrize(
    ("path", "following"),
    [
        ("/inside", "/inside"),
        ("/inside?", "/inside"),
        ("/inside?a=1&b=X", "/inside?a=1&b=X"),
        ("/inside?q=who?", "/inside?q=who?"),
    ],
)
def test_a_visitor_is_sent_to_log_in_and_back_to_the_page(site: Site, path: str, following: str) -> None:
    serve(site, "/inside", lambda: "shown", Who.PARTICIPANT)
    answer = site.browser().get(path)
    assert answer.status_code == 302
    assert answer.request.path == "/inside"
    with site.app.test_request_context():
        assert answer.location == site.app.url_for("accounts.log_in_form", next=following)


def test_a_visitor_who_sent_a_form_comes_back_to_the_home_page(site: Site) -> None:
    view = allow(Who.PARTICIPANT)(lambda: "done")
    site.app.add_url_rule("/act", "act", view, methods=["POST"])
    answer = site.browser().post("/act")
    assert (answer.status_code, answer.location) == (302, "/login?next=/")
    assert site.browser("ann").post("/act").text == "done"


def test_the_api_asks_for_a_token_with_the_scope_of_the_route(site: Site) -> None:
    for scope, allowed in ((Scope.READ, Who.PARTICIPANT), (Scope.SUBMIT, Who.VISITOR)):
        view = allow(allowed, scope)(lambda: "shown")
        site.app.add_url_rule(f"/api/v1/{scope.value}-it", scope.value, view)
    reader, submitter, nobody = script(site, "ann", [Scope.READ]), script(site, "ann", [Scope.SUBMIT]), script(site)
    answered = {
        (name, path): sender.get(path).status_code
        for name, sender in (("reader", reader), ("submitter", submitter), ("nobody", nobody))
        for path in ("/read-it", "/submit-it")
    }
    assert answered == {
        ("reader", "/read-it"): OK,
        ("reader", "/submit-it"): NO,
        ("submitter", "/read-it"): NO,
        ("submitter", "/submit-it"): OK,
        ("nobody", "/read-it"): 401,
        ("nobody", "/submit-it"): OK,
    }
    assert site.browser("ann").get("/api/v1/read-it").status_code == 401
