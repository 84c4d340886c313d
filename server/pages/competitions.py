"""A competition's page: its text, its phases with dates and limits, and a card for every zoo."""

from dataclasses import dataclass

from flask import Blueprint, current_app, render_template
from sqlalchemy import select

from model_zoo import Zoo, ZooError
from server.access import Who, allow, the_competition
from server.config import services
from submissions.records import PhaseZooRecord, ZooRecord
from submissions.smoke import smoke_zoo

pages = Blueprint("competitions", __name__)


@dataclass(frozen=True)
class ZooCard:
    """What a visitor learns of a zoo. `axes` is empty and `test_size` None where the truth is not public."""

    title: str
    text: str
    networks: int
    classes: int
    input_shape: tuple[int, ...]
    dataset: str
    dataset_source: str
    licence: str
    truth_public: bool
    axes: tuple[tuple[str, tuple[str, ...]], ...]
    test_size: int | None


@pages.get("/competitions/<slug:competition_slug>")
@allow(Who.VISITOR)
def show(**_named: object) -> str:
    competition = the_competition()
    with services().db.read() as session:
        zoos = session.execute(
            select(PhaseZooRecord.phase_id, ZooRecord)
            .join(ZooRecord, ZooRecord.id == PhaseZooRecord.zoo_id)
            .where(PhaseZooRecord.phase_id.in_([phase.id for phase in competition.phases]))
            .order_by(PhaseZooRecord.phase_id, PhaseZooRecord.position)
        ).all()
        tried_on = {phase.id: smoke_zoo(session, phase) for phase in competition.phases}
    by_phase: dict[int, list[str]] = {}
    for phase_id, zoo in zoos:
        by_phase.setdefault(phase_id, []).append(zoo.title)
    return render_template(
        "competition.html",
        competition=competition,
        zoos_by_phase=by_phase,
        tried_on=tried_on,
        cards=_cards({zoo.id: zoo for _, zoo in zoos}),
    )


def _cards(zoos: dict[int, ZooRecord]) -> list[ZooCard]:
    """The cards of the zoos that can be read; one that cannot is the organizer's trouble, told in the log."""
    cards = []
    for zoo in zoos.values():
        try:
            cards.append(_card(services().zoos.open(zoo.manifest_sha256)))
        except ZooError:
            current_app.logger.exception("The zoo %s cannot be shown.", zoo.name)
    return cards


def _card(zoo: Zoo) -> ZooCard:
    manifest = zoo.manifest
    truth = services().zoos.truth(zoo.manifest_sha256) if manifest.truth_public else None
    return ZooCard(
        title=manifest.title,
        text=manifest.text,
        networks=len(zoo.networks),
        classes=manifest.classes,
        input_shape=tuple(manifest.input_shape),
        dataset=manifest.dataset.name,
        dataset_source=manifest.dataset.source,
        licence=manifest.dataset.licence,
        truth_public=manifest.truth_public,
        axes=tuple((axis.name, tuple(map(str, axis.values))) for axis in truth.axes) if truth else (),
        test_size=truth.test_size if truth else None,
    )
