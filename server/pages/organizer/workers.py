"""The organizers' page of the workers: when each was last heard from, and which sandbox layers work."""

from flask import Blueprint, render_template

from server.auth.access import allow, may_open
from server.config import services
from submissions.evaluation.workers import known_workers
from submissions.storage.roles import Permission
from worker.sandbox.layers.layer_table import TABLE

pages = Blueprint("organizer", __name__)
TABS = (
    ("zoos", "Zoos", "zoos.overview"),
    ("phases", "Phases", "phases.overview"),
    ("workers", "Workers", "organizer.overview"),
)


@pages.get("/organizer/")
@allow(Permission.MONITOR)
def overview() -> str:
    settings = services().settings
    with services().db.read() as session:
        workers = known_workers(session, sweep_s=settings.sweep_s)
    return render_template("organizer.html", workers=workers, layers=TABLE, minimum=settings.sandbox_minimum)


@pages.app_template_global()
def organizer_tabs() -> list[tuple[str, str, str]]:
    """The organizers' pages that the reader may open: name, text and endpoint of each."""
    return [tab for tab in TABS if may_open(tab[2])]
