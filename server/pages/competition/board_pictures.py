"""A leaderboard in pictures: scores against cost, and how far the baselines agree on the phase's public zoos."""

from flask import Blueprint, Response, jsonify, render_template

from server.auth.access import Who, allow, the_phase
from server.auth.result_access import board_reader
from server.charts.measure_charts import Cost, score_against_cost
from server.config import services
from server.presentation.known_measures import public_results
from submissions.leaderboard.board_costs import MOST_ROWS, rows_with_costs
from submissions.leaderboard.model import Row

pages = Blueprint("board_pictures", __name__)
_BOARD = "/competitions/<competition:competition_slug>/<phase:phase_slug>/leaderboard"


@pages.get(f"{_BOARD}/pictures")
@allow(Who.VISITOR)
def show(**_named: object) -> str:
    phase = the_phase()
    zoos = [one for one in public_results() if phase.id in one.zoo.phase_ids and one.zoo.target == phase.target]
    return render_template(
        "board/pictures.html",
        phase=phase,
        rows=_rows(),
        most=MOST_ROWS,
        agreeing=[one.zoo for one in zoos if len(one.results) > 1],
    )


@pages.get(f"{_BOARD}/scores-and-costs.json")
@allow(Who.VISITOR)
def chart(**_named: object) -> Response:
    """The specification of the scores against their costs."""
    return jsonify(score_against_cost([Cost(row.name, _kind(row), row.score, cost) for row, cost in _rows()]))


def _rows() -> list[tuple[Row, float]]:
    with services().db.read() as session:
        return rows_with_costs(session, the_phase(), board_reader())


def _kind(row: Row) -> str:
    return "reference" if row.is_reference else "baseline" if row.is_baseline else "submission"
