"""The home page: an introduction, and the competitions with their phases."""

from flask import Blueprint, render_template

from server.auth.access import Who, allow, visible_competitions
from server.auth.result_access import board_reader
from server.config import services
from submissions.leaderboard.summaries import board_summaries

pages = Blueprint("home", __name__)


@pages.get("/")
@allow(Who.VISITOR)
def home() -> str:
    with services().db.read() as session:
        competitions = session.scalars(visible_competitions()).unique().all()
        boards = board_summaries(session, [phase.id for one in competitions for phase in one.phases], board_reader())
    return render_template("home.html", competitions=competitions, boards=boards)
