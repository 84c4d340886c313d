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
from submissions.competitions.announcements import announcements_of
from submissions.evaluation.smoke_run import smoke_zoo
from submissions.storage.limits import LIMITS
from submissions.storage.records import (
    CompetitionRecord,
    CountRule,
    PhaseRecord,
    PhaseZooRecord,
    ShowsScores,
    TimeRule,
    ZooRecord,
    utc_now,
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
    shows_logs: bool = Field(description="Whether authors see what their measures print")
    count_rule: CountRule = Field(description="Which submission of a team counts")
    uses_ladder: bool = Field(description="Whether a new score is shown only if it is better by more than chance")
    score_step: float = Field(description="The step, in points, of scores that are shown coarsely")
    shows_scores: ShowsScores = Field(description="Whether scores are shown from the start or after the phase closes")
    freezes_at: datetime | None = Field(description="Submissions scored later do not appear on the leaderboard for now")


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
    shown = found[query.first : query.first + query.per_page]
    return Competitions(items=[told(one) for one in shown], total=len(found), page=query.page, per_page=query.per_page)


@routes.get("/competitions/<competition:competition_slug>", Who.VISITOR)
def show() -> Competition:
    """A competition with its phases"""
    return told(the_competition())


@routes.get("/competitions/<competition:competition_slug>/announcements", Who.VISITOR)
def list_announcements() -> Announcements:
    """The announcements, the newest first"""
    with services().db.read() as session:
        found = announcements_of(session, the_competition().id)
    return Announcements(items=[Announcement.model_validate(one) for one in found])


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
    return Competition(
        slug=record.slug,
        title=record.title,
        text=record.text,
        rules=record.rules,
        team_members=record.team_members,
        phases=[PhaseSummary(**_summary(phase)) for phase in record.phases],
    )


def told_phase(session: Session, phase: PhaseRecord) -> Phase:
    zoos = session.scalars(
        select(ZooRecord)
        .join(PhaseZooRecord, PhaseZooRecord.zoo_id == ZooRecord.id)
        .where(PhaseZooRecord.phase_id == phase.id)
        .order_by(PhaseZooRecord.position)
    )
    tried_on = smoke_zoo(session, phase)
    return Phase(
        **_summary(phase),
        competition=phase.competition.slug,
        target=phase.target,
        limits=PhaseLimits.model_validate(
            {
                **phase.limits.of_phase(),
                "time_rule": phase.time_rule,
                "daily_quota": phase.daily_quota,
                "total_quota": phase.total_quota,
                "upload_bytes": services().settings.upload_bytes,
            }
        ),
        zoos=[PhaseZoo.model_validate(zoo) for zoo in zoos],
        smoke_zoo=tried_on.name if tried_on is not None else None,
        shows_logs=phase.shows_logs,
        count_rule=phase.count_rule,
        uses_ladder=phase.uses_ladder,
        score_step=phase.score_step,
        shows_scores=phase.shows_scores,
        freezes_at=phase.freezes_at,
    )


def _summary(phase: PhaseRecord) -> dict[str, object]:
    now = utc_now()
    return {
        "slug": phase.slug,
        "title": phase.title,
        "opens_at": phase.opens_at,
        "closes_at": phase.closes_at,
        "is_open": phase.opens_at <= now and (phase.closes_at is None or now < phase.closes_at),
        "is_hidden": phase.hidden,
    }
