"""Exports of a leaderboard: CSV, JSON, a citation, its history, and the badge of one entrant.

They contain all rows of a board, in the order and with the numbers of its page.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import asdict, replace

from flask import Blueprint, Response, abort, jsonify, render_template
from flask.typing import ResponseReturnValue

from scoring.plain import csv_cell
from server.auth.access import Who, allow, the_phase, the_submission
from server.auth.result_access import board_reader
from server.charts.board_charts import badge, history_chart
from server.config import services
from server.forms.board_query import asked
from server.http.headers import conditional
from server.presentation.citation import citation_of
from submissions.leaderboard import board_page
from submissions.leaderboard.history import Course, history
from submissions.leaderboard.model import Board, Cell
from submissions.results.disclosure import is_frozen, withholds_scores
from submissions.storage.site_records import PhaseRecord, utc_now

pages = Blueprint("board_exports", __name__)
_BOARD = "/competitions/<competition:competition_slug>/<phase:phase_slug>/leaderboard"
_SUBMISSION = "/submissions/<submission:submission_id>"
_A_WHILE = "public, max-age=300"


@pages.get(f"{_BOARD}.csv")
@allow(Who.VISITOR)
def as_csv(**_named: object) -> Response:
    """One row an entrant, one column a number; nothing is rounded further than on the page."""
    return _export("csv", "text/csv; charset=utf-8", _csv)


@pages.get(f"{_BOARD}.json")
@allow(Who.VISITOR)
def as_json(**_named: object) -> Response:
    return _export("json", "application/json", lambda board, _: jsonify(_plain(board)).get_data(as_text=True))


@pages.get(f"{_BOARD}.bib")
@allow(Who.VISITOR)
def citation(**_named: object) -> Response:
    """The board as a reference for a paper, with the version that was read."""
    phase = the_phase()
    response = Response(citation_of(phase, utc_now()), mimetype="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@pages.get(f"{_BOARD}/history")
@allow(Who.VISITOR)
def courses(**_named: object) -> Response:
    phase = the_phase()
    return conditional(
        lambda: render_template("board/history.html", phase=phase, courses=_history()),
        *("history", phase.id, phase.board_version, *_by_the_clock(phase)),
    )


@pages.get(f"{_BOARD}/history.json")
@allow(Who.VISITOR)
def chart(**_named: object) -> Response:
    phase = the_phase()
    now = utc_now()
    return jsonify(history_chart(_history(), min(now, phase.freezes_at or now, phase.closes_at or now)))


@pages.get(f"{_SUBMISSION}/badge.svg")
@allow(Who.VISITOR)
def badge_of(**_named: object) -> ResponseReturnValue:
    """Rank and score of the submission's entrant, for other sites; what only some may see is kept by nobody."""
    submission = the_submission()
    with services().db.read() as session:
        row = board_page.standing_of(session, submission)
    if row is None:
        abort(404)
    response = Response(badge(row, submission.phase), mimetype="image/svg+xml")
    if not submission.phase.hidden and not submission.is_hidden:
        response.headers["Cache-Control"] = _A_WHILE
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _by_the_clock(phase: PhaseRecord) -> tuple[bool, bool]:
    """Return what changes a board without a new version."""
    return is_frozen(phase.freezes_at, None), withholds_scores(phase, board_reader())


def _history() -> tuple[Course, ...]:
    with services().db.read() as session:
        return history(session, the_phase().id, reader=board_reader())


def _export(ending: str, mimetype: str, write: Callable[[Board, PhaseRecord], str]) -> Response:
    phase, wanted = the_phase(), asked()
    query = replace(wanted.query, page=1, size=None)

    def render() -> str:
        with services().db.read() as session:
            return write(board_page.page(session, phase.id, query, board_reader()), phase)

    versions = (phase.board_version, phase.intervals_version, *_by_the_clock(phase))
    response = conditional(render, ending, phase.id, *versions, query)
    response.mimetype = mimetype.partition(";")[0]
    name = f"{phase.competition.slug}-{phase.slug}-leaderboard.{ending}"
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    return response


def _csv(board: Board, _phase: PhaseRecord) -> str:
    fields = Cell().columns()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(
        [
            *("rank", "tied", "rank_lowest", "rank_highest", "measure", "by", "kind", "track", "score"),
            *("standard_error", "submissions", "submitted_at", "submission"),
            *(f"{column.name}.{field}" for column in board.columns for field in fields),
        ]
    )
    for row in board.rows:
        kind = "reference" if row.is_reference else "baseline" if row.is_baseline else "submission"
        writer.writerow(
            [
                *(row.rank, int(row.is_tied), row.lowest, row.highest, csv_cell(row.name), csv_cell(row.by), kind),
                *(row.track, row.score, row.standard_error, row.scored, row.submitted_at.isoformat()),
                row.submission_id,
                *(number for cell in row.cells for number in cell.columns().values()),
            ]
        )
    return out.getvalue()


def _plain(board: Board) -> dict[str, object]:
    """The board as JSON without the entrants' keys, which would reveal the owner of an alias."""
    rows = [
        {name: value for name, value in asdict(row).items() if name != "entrant"}
        | {"submitted_at": row.submitted_at.isoformat(), "cells": [cell.columns() for cell in row.cells]}
        for row in board.rows
    ]
    frozen = None if board.freezes_at is None else board.freezes_at.isoformat()
    return {**asdict(board), "rows": rows, "freezes_at": frozen}
