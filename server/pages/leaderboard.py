"""A phase's leaderboard: the page most people come for. A 304 while nothing changed."""

from flask import Blueprint, Response, render_template

from server.access import Who, allow, the_phase
from server.config import services
from server.headers import conditional
from server.pages.formats import phase_status
from submissions.leaderboard import SCORE_DIGITS, standings

pages = Blueprint("leaderboard", __name__)


@pages.get("/competitions/<slug:competition_slug>/<slug:phase_slug>/leaderboard")
@allow(Who.VISITOR)
def show(**_named: object) -> Response:
    phase = the_phase()
    with services().db.read() as session:
        board = standings(session, phase.id)
    return conditional(
        lambda: render_template("leaderboard.html", phase=phase, board=board, score_digits=SCORE_DIGITS),
        board,
        (phase.title, phase.competition.title, phase_status(phase)),
    )
