"""A competition's page: description, announcements, phases with dates and limits, zoos, and how scoring works."""

from collections.abc import Iterable, Mapping

from flask import Blueprint, current_app, render_template
from sqlalchemy import Row, select

from model_zoo import ZooError
from server.auth.access import Who, allow, the_competition
from server.config import services
from server.presentation.zoo_cards import ZooCard, zoo_card
from submissions.competitions.announcements import announcements_of
from submissions.competitions.starting_kit import kit_zoo
from submissions.evaluation.smoke_run import smoke_zoo
from submissions.storage.site_records import PhaseRecord, PhaseZooRecord, ZooRecord, ZooState

pages = Blueprint("competitions", __name__)


@pages.get("/competitions/<competition:competition_slug>")
@allow(Who.VISITOR)
def show(**_named: object) -> str:
    competition = the_competition()
    phases = {phase.id: phase for phase in competition.phases}
    with services().db.read() as session:
        zoos = session.execute(
            select(PhaseZooRecord.phase_id, ZooRecord)
            .join(ZooRecord, ZooRecord.id == PhaseZooRecord.zoo_id)
            .where(PhaseZooRecord.phase_id.in_(phases))
            .order_by(PhaseZooRecord.phase_id, PhaseZooRecord.position)
        ).all()
        tried_on = {phase.id: smoke_zoo(session, phase) for phase in competition.phases}
        announcements = announcements_of(session, competition.id)
        kit = kit_zoo(session, list(phases))
    by_phase: dict[int, list[str]] = {}
    for phase_id, zoo in zoos:
        by_phase.setdefault(phase_id, []).append(zoo.title)
    return render_template(
        "competition.html",
        competition=competition,
        announcements=announcements,
        kit=kit,
        zoos_by_phase=by_phase,
        public_zoos=_public(zoos, phases),
        tried_on=tried_on,
        cards=_cards({zoo.id: (zoo, phases[phase_id]) for phase_id, zoo in zoos}),
    )


def _public(zoos: Iterable[Row[int, ZooRecord]], phases: Mapping[int, PhaseRecord]) -> set[str]:
    """Return the names of the zoos that have a page of their own."""
    return {
        zoo.name
        for phase_id, zoo in zoos
        if zoo.truth_public and zoo.state is ZooState.READY and not phases[phase_id].hidden
    }


def _cards(zoos: dict[int, tuple[ZooRecord, PhaseRecord]]) -> list[ZooCard]:
    """Return the cards of the zoos that can be read; errors are logged for the operator."""
    cards = []
    for zoo, phase in zoos.values():
        try:
            cards.append(zoo_card(services().zoos, zoo.manifest_sha256, phase.target))
        except ZooError:
            current_app.logger.exception("The zoo %s cannot be shown.", zoo.name)
    return cards
