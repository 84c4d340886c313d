"""Competitions, their phases with zoos and limits, announcements, and the starting kit."""

from datetime import datetime
from typing import Any

from flask import Response
from pydantic import Field, create_model
from sqlalchemy import select
from sqlalchemy.orm import Session

from server.api.fields import Answer, Listing, Paging
from server.api.routes import Routes
from server.auth.access import Who, the_competition, the_phase, visible_competitions
from server.config import services
from server.downloads.starting_kit import starting_kit
from server.presentation.formats import phase_status
from submissions.competitions.announcements import announcements_of
from submissions.evaluation.smoke_run import smoke_zoo
from submissions.storage.limits import LIMITS
from submissions.storage.site_records import (
    CompetitionRecord,
    CountRule,
    PhaseRecord,
    PhaseZooRecord,
    ShowsScores,
    Tells,
    TimeRule,
    ZooRecord,
)

routes = Routes(10, "competitions", "Competitions", "Competitions, their phases and zoos.")


class PhaseSummary(Answer):
    """A phase in a list."""

    slug: str
    title: str
    opens_at: datetime
    closes_at: datetime | None
    is_open: bool = Field(description="Whether it takes submissions now")
    is_hidden: bool = Field(description="Whether only organizers see it")


class Competition(Answer):
    slug: str
    title: str
    text: str
    rules: str
    team_members: int = Field(description="Maximum number of members of a team")
    phases: list[PhaseSummary]


class Competitions(Listing):
    items: list[Competition]


class PhaseZoo(Answer):
    """A zoo as participants see it."""

    name: str
    title: str
    networks: int
    truth_public: bool = Field(description="Whether its truth may be downloaded")


_LIMIT_FIELDS: dict[str, Any] = {
    one.name: (one.kind | None if one.is_optional else one.kind, Field(description=one.help)) for one in LIMITS
}
_NetworkLimits = create_model("_NetworkLimits", __base__=Answer, **_LIMIT_FIELDS)


class PhaseLimits(_NetworkLimits):
    """The limits of a measure. Seconds and bytes are per network, except `wall_s` if `time_rule` is pooled."""

    time_rule: TimeRule
    daily_quota: int
    total_quota: int | None = Field(description="Submissions of a person or team in the whole phase; null: any number")
    upload_bytes: int


class Phase(PhaseSummary):
    competition: str
    target: str = Field(description="The target that measures predict")
    limits: PhaseLimits
    zoos: list[PhaseZoo]
    smoke_zoo: str | None = Field(description="The zoo on which a submission is tried first")
    shows_logs: bool = Field(description="Whether authors see how their measures fail on hidden zoos")
    count_rule: CountRule = Field(description="Which submission of a team counts")
    uses_ladder: bool = Field(description="Whether a new score is shown only if it is better by more than chance")
    shows_scores: ShowsScores = Field(description="Whether scores are shown from the start or after the phase closes")
    freezes_at: datetime | None = Field(description="Submissions scored later do not appear on the leaderboard for now")
    has_secret_truth: bool = Field(description="Whether a zoo's truth is secret, so that results are shown in part")
    score_step: float = Field(description="The steps in which scores are shown where a truth is secret")
    tells: Tells = Field(description="What is shown beyond these scores before the results are revealed")
    is_revealed: bool = Field(description="Whether the results are shown in full, on secret truths too")


class Announcement(Answer):
    id: int
    title: str
    text: str
    at: datetime
    author: str | None


class Announcements(Answer):
    items: list[Announcement]


@routes.get("/competitions", Who.VISITOR)
def list_competitions(query: Paging) -> Competitions:
    """The competitions, the newest first"""
    with services().db.read() as session:
        found = session.scalars(visible_competitions()).unique().all()
    return Competitions.cut(found, query, told)


@routes.get("/competitions/<competition:competition_slug>", Who.VISITOR)
def show() -> Competition:
    """A competition with its phases"""
    return told(the_competition())


@routes.get("/competitions/<competition:competition_slug>/announcements", Who.VISITOR)
def list_announcements() -> Announcements:
    """The announcements, the newest first"""
    with services().db.read() as session:
        found = announcements_of(session, the_competition().id)
    return Announcements(items=[Announcement.of(one) for one in found])


@routes.get("/competitions/<competition:competition_slug>/phases/<phase:phase_slug>", Who.VISITOR)
def show_phase() -> Phase:
    """A phase with its zoos, limits and rules"""
    with services().db.read() as session:
        return told_phase(session, the_phase())


@routes.get("/competitions/<competition:competition_slug>/kit", Who.VISITOR, download="application/zip", may_lack=True)
def download_kit() -> Response:
    """The starting kit: an example measure, baselines, a public zoo, a notebook"""
    return starting_kit()


def told(record: CompetitionRecord) -> Competition:
    return Competition.of(record, phases=[PhaseSummary.of(phase, **_summary(phase)) for phase in record.phases])


def told_phase(session: Session, phase: PhaseRecord) -> Phase:
    zoos = session.scalars(
        select(ZooRecord)
        .join(PhaseZooRecord, PhaseZooRecord.zoo_id == ZooRecord.id)
        .where(PhaseZooRecord.phase_id == phase.id)
        .order_by(PhaseZooRecord.position)
    )
    tried_on = smoke_zoo(session, phase)
    limits = PhaseLimits.of(phase, **phase.limits.of_phase(), upload_bytes=services().settings.upload_bytes)
    return Phase.of(
        phase,
        **_summary(phase),
        competition=phase.competition.slug,
        limits=limits,
        zoos=[PhaseZoo.of(zoo) for zoo in zoos],
        smoke_zoo=tried_on.name if tried_on is not None else None,
    )


def _summary(phase: PhaseRecord) -> dict[str, bool]:
    """What of a summary is no column of the phase."""
    return {"is_open": phase_status(phase) == "open", "is_hidden": phase.hidden}
