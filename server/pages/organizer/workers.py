"""The organizers' page of the workers: when each was last heard from, and which sandbox layers work."""

from flask import Blueprint, render_template

from server.auth.access import Who, allow
from server.config import services
from submissions.evaluation.workers import known_workers
from worker.sandbox.layers.layer_table import TABLE

pages = Blueprint("organizer", __name__)


@pages.get("/organizer/")
@allow(Who.ORGANIZER)
def overview() -> str:
    settings = services().settings
    with services().db.read() as session:
        workers = known_workers(session, sweep_s=settings.sweep_s)
    return render_template("organizer.html", workers=workers, layers=TABLE, minimum=settings.sandbox_minimum)
