"""Organizers' routes for competitions and phases: open and change them, choose their zoos, publish announcements."""

from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from datetime import datetime
from typing import Annotated, Any, get_type_hints

from flask import url_for
from pydantic import Field, create_model

from server.api.competition import competitions
from server.api.competition.competitions import Announcement, Competition, Phase
from server.api.fields import Answer, Body, Count, Id, Line, Listing, Moment, Paging, Paragraphs, Query
from server.api.routes import Created, Routes
from server.auth.access import the_competition, the_phase
from server.auth.login import the_account
from server.config import services
from server.problems import Problem
from submissions.competitions import phases
from submissions.competitions.announcements import announce, announcements_of, withdraw
from submissions.competitions.competitions import CompetitionError, CompetitionTexts, change_competition
from submissions.competitions.phase_zoos import attach_zoo, detach_zoo, replace_zoo
from submissions.competitions.phases import (
    HELP,
    NewCompetition,
    PhasePlan,
    change_phase,
    open_phase,
    phase_list,
    plan_of,
    unfreeze,
)
from submissions.people.tokens import Scope
from submissions.storage.limits import LIMITS, Limits
from submissions.storage.roles import Permission
from submissions.storage.site_records import PhaseRecord
from worker.hints import send_hint

routes = Routes(100, "phases", "Organizing competitions", "Competitions and phases, which organizers open and change.")

_STRICT = {str: Line, int: Count, datetime: Moment}


def _without_default(schema: dict[str, Any]) -> None:
    """What a request leaves out stays as it is: the document names no default."""
    schema.pop("default", None)


def _plan_fields(*, all_optional: bool) -> dict[str, Any]:
    """The settings of a phase's plan, as pydantic wants them: whatever is added to the plan can be set here as well."""
    hints = get_type_hints(PhasePlan) | get_type_hints(Limits)
    helps = {limit.name: limit.help for limit in LIMITS}
    helps |= {field.name: field.metadata[HELP] for field in fields(PhasePlan) if HELP in field.metadata}
    found: dict[str, Any] = {}
    for name, default in _defaults().items():
        kind = hints[name]
        kind = _STRICT.get(kind, kind)
        kind = Count | None if kind == int | None else Moment | None if kind == datetime | None else kind
        if all_optional:
            default = Field(default=None, description=helps.get(name), json_schema_extra=_without_default)
        else:
            default = Field(default=... if default is MISSING else default, description=helps.get(name))
        found[name] = (kind, default)
    return found


def _defaults() -> dict[str, Any]:
    """The names of a plan's settings with their defaults, MISSING where a new phase must name a value."""
    limits = dict(Limits().of_phase())
    of_plan = {field.name: field.default for field in fields(PhasePlan) if field.name != "limits"}
    return of_plan | limits


PhaseSettings = create_model(
    "PhaseSettings", __base__=Body, __doc__="The changes of a phase.", **_plan_fields(all_optional=True)
)
PhasePlanned = create_model("PhasePlanned", __base__=Body, __doc__="A new phase.", **_plan_fields(all_optional=False))


Confirmed = Annotated[
    bool,
    Field(description="Whether you have confirmed what becomes visible; without it, error 422 names it, if anything"),
]


class PhaseChange(PhaseSettings):
    """The changes of a phase."""

    confirmed: Confirmed = False


class Confirmation(Query):
    confirmed: Confirmed = False


class PhaseWanted(PhasePlanned):
    """A new phase over zoos that passed their check."""

    confirmed: Confirmed = False
    slug: Line
    zoos: list[Id] = Field(max_length=100, description="Numbers of the zoos' versions")


class CompetitionWanted(Body):
    """A new competition with its first phase."""

    slug: Line
    title: Line
    text: Paragraphs = ""
    phase: PhaseWanted


class CompetitionChange(Body):
    """The changes of a competition."""

    title: Line | None = None
    text: Paragraphs | None = None
    rules: Paragraphs | None = None
    team_members: Count | None = Field(None, description="Maximum number of members of a team")


class AnnouncementWanted(Body):
    title: Line
    text: Paragraphs = ""


class Replacement(Body):
    by: Id = Field(description="The number of the version that replaces it")
    confirmed: Confirmed = False


class Again(Answer):
    """The result of a change of a phase's zoos."""

    evaluated_again: int = Field(description="Number of submissions that are evaluated again")


class ListedPhase(Answer):
    id: int
    competition: str
    slug: str
    title: str
    opens_at: datetime
    closes_at: datetime | None
    is_hidden: bool
    zoos: list[str] = Field(description="Its zoos, each NAME@VERSION")
    submissions: int


class ListedPhases(Listing):
    items: list[ListedPhase]


_COMPETITION = "/competitions/<competition:competition_slug>"
_PHASE = f"{_COMPETITION}/phases/<phase:phase_slug>"


@routes.get("/phases", Permission.MANAGE_PHASES, Scope.ORGANIZE)
def list_phases(query: Paging) -> ListedPhases:
    """Every phase of every competition, hidden ones as well, the newest first"""
    with services().db.read() as session:
        listed = phase_list(session)
    return ListedPhases.cut(listed, query, _listed)


@routes.post("/competitions", Permission.MANAGE_PHASES, Scope.ORGANIZE)
def open_competition(body: CompetitionWanted) -> Created[Phase]:
    """Create a competition with its first phase"""
    return _opened(body.slug, body.phase, NewCompetition(body.title, body.text))


@routes.patch(_COMPETITION, Permission.MANAGE_PHASES, Scope.ORGANIZE)
def change(body: CompetitionChange) -> Competition:
    """Change a competition's texts and the size of its teams"""
    found = the_competition()
    texts = CompetitionTexts(found.title, found.text, found.rules, found.team_members)
    changes = body.model_dump(exclude_none=True)
    change_competition(services().db, found.id, replace(texts, **changes))
    for name, value in changes.items():
        setattr(found, name, value)
    return competitions.told(found)


@routes.post(f"{_COMPETITION}/phases", Permission.MANAGE_PHASES, Scope.ORGANIZE)
def open_another(body: PhaseWanted) -> Created[Phase]:
    """Open another phase of a competition"""
    return _opened(the_competition().slug, body, None)


@routes.patch(_PHASE, Permission.MANAGE_PHASES, Scope.ORGANIZE)
def change_one(body: PhaseChange) -> Phase:
    """Change a phase's dates, limits, rules and visibility"""
    changes = {name: getattr(body, name) for name in body.model_fields_set if name != "confirmed"}
    phase_id, plan = the_phase().id, plan_of(the_phase()).changed(changes)
    change_phase(services().db, phase_id, plan, user_id=the_account().id, confirmed=body.confirmed)
    return _told(phase_id)


@routes.post(f"{_PHASE}/unfreeze", Permission.MANAGE_PHASES, Scope.ORGANIZE, conflicts=True)
def unfreeze_board(query: Confirmation) -> Phase:
    """Let a frozen leaderboard show every score again"""
    phase_id = the_phase().id
    if not unfreeze(services().db, phase_id, user_id=the_account().id, confirmed=query.confirmed):
        raise Problem(409, "The leaderboard is not frozen.")
    return _told(phase_id)


@routes.put(f"{_PHASE}/zoos/<zoo:zoo_id>", Permission.MANAGE_PHASES, Scope.ORGANIZE, conflicts=True)
def attach(zoo_id: int, query: Confirmation) -> Again:
    """Add a zoo to a phase; its submissions are evaluated again"""
    return _change_zoos(
        lambda phase_id, user_id: attach_zoo(services().db, phase_id, zoo_id, user_id, confirmed=query.confirmed)
    )


@routes.delete(f"{_PHASE}/zoos/<zoo:zoo_id>", Permission.MANAGE_PHASES, Scope.ORGANIZE, conflicts=True)
def detach(zoo_id: int) -> Again:
    """Remove a zoo from a phase; its submissions are evaluated again"""
    return _change_zoos(lambda phase_id, user_id: detach_zoo(services().db, phase_id, zoo_id, user_id))


@routes.post(f"{_PHASE}/zoos/<zoo:zoo_id>/replacement", Permission.MANAGE_PHASES, Scope.ORGANIZE, conflicts=True)
def replace_by(zoo_id: int, body: Replacement) -> Again:
    """Replace a zoo of a phase by another version; its submissions are evaluated again"""
    return _change_zoos(
        lambda phase_id, user_id: replace_zoo(
            services().db, phase_id, zoo_id, body.by, user_id, confirmed=body.confirmed
        )
    )


@routes.post(f"{_COMPETITION}/announcements", Permission.MANAGE_PHASES, Scope.ORGANIZE)
def make_announcement(body: AnnouncementWanted) -> Created[Announcement]:
    """Announce something on a competition's page"""
    db, competition = services().db, the_competition()
    made = announce(db, competition.id, body.title, body.text, user_id=the_account().id)
    with db.read() as session:
        told = next(one for one in announcements_of(session, competition.id) if one.id == made)
    where = url_for("api_competitions.list_announcements", competition_slug=competition.slug)
    return Created(Announcement.of(told), where)


@routes.delete(f"{_COMPETITION}/announcements/<announcement:announcement_id>", Permission.MANAGE_PHASES, Scope.ORGANIZE)
def withdraw_announcement(announcement_id: int) -> None:
    """Take an announcement off a competition's page"""
    if not withdraw(services().db, the_competition().id, announcement_id, user_id=the_account().id):
        raise Problem(404, "The competition has no announcement with this number.")


def _opened(competition_slug: str, wanted: PhaseWanted, new: NewCompetition | None) -> Created[Phase]:
    settings = {name: getattr(wanted, name) for name in _defaults()}
    plan = PhasePlan(settings["title"], settings["opens_at"]).changed(settings)
    phase_id = open_phase(
        services().db,
        competition_slug=competition_slug,
        phase_slug=wanted.slug,
        plan=plan,
        zoo_ids=wanted.zoos,
        user_id=the_account().id,
        new_competition=new,
        confirmed=wanted.confirmed,
    )
    where = url_for("api_competitions.show_phase", competition_slug=competition_slug, phase_slug=wanted.slug)
    return Created(_told(phase_id), where)


def _listed(one: phases.ListedPhase) -> ListedPhase:
    zoos = [zoo.label for zoo in one.zoos]
    of_others = {"competition": one.competition.slug, "zoos": zoos, "submissions": one.submissions}
    return ListedPhase.of(one.phase, is_hidden=one.phase.hidden, **of_others)


def _told(phase_id: int) -> Phase:
    with services().db.read() as session:
        return competitions.told_phase(session, session.get_one(PhaseRecord, phase_id))


def _change_zoos(act: Callable[[int, int], int]) -> Again:
    try:
        again = act(the_phase().id, the_account().id)
    except CompetitionError as error:
        raise Problem(409, f"Not possible: {error}.") from None
    if again:
        send_hint(services().settings)
    return Again(evaluated_again=again)
