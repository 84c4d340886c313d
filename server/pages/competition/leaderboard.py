"""The page of a phase's leaderboard, the most visited one: a 304 if nothing changed, else mostly from the cache.

What all readers see of a board is rendered once per version of the board and cached; the reader's own row is marked
afterwards. Whatever changes what a board shows counts its version up (`submissions.storage.board_version`); apart from
that, only the clock and the number of waiting submissions change a page. `server.forms.board_query` reads the query,
`server.pages.competition.board_exports` has other formats.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from flask import Blueprint, Response, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from scoring.metric import Metric
from server.auth.access import Who, allow, the_phase
from server.auth.login import current_account, the_account
from server.auth.result_access import board_reader
from server.config import services
from server.forms.board_query import Asked, Links, address, asked, rows_of_a_page
from server.http.headers import conditional
from server.http.page_cache import KeptPages
from server.http.public_urls import site_address
from server.presentation.board_sentences import board_in_words
from server.presentation.formats import number, phase_status, signed
from submissions.evaluation.open_submissions import open_count
from submissions.leaderboard import board_page
from submissions.leaderboard.entrants import entrant_of
from submissions.leaderboard.model import METRICS, Board, Cell
from submissions.leaderboard.references import References
from submissions.results.disclosure import withholds_scores
from submissions.storage.site_records import PhaseRecord, utc_now

MOST_KEPT = 200  # pieces of some 50 KB
_EXTENSION = "gengap_kept_boards"
_YOU = '<span class="badge own">you</span>'

pages = Blueprint("leaderboard", __name__)
_BOARD = "/competitions/<competition:competition_slug>/<phase:phase_slug>/leaderboard"

METRIC_NAMES = {name: metric.symbol for name, metric in METRICS.items()}
METRIC_TITLES = {name: metric.description for name, metric in METRICS.items()}


@dataclass(frozen=True)
class KeptBoard:
    """What everybody sees of a page of a board. rows: entrant → the submission whose row is on this page.

    mine: the address that leads to the reader's own row, in the same order.
    """

    html: str
    mine: str
    rows: dict[str, int]

    def for_reader(self, entrant: str | None) -> Markup:
        """The page with the reader's own row marked."""
        submission_id = None if entrant is None else self.rows.get(entrant)
        if submission_id is None:
            return Markup(self.html)  # noqa: S704  (rendered by a template that escapes)
        marked = self.html.replace(f'<tr id="s{submission_id}"', f'<tr id="s{submission_id}" class="own"', 1)
        return Markup(marked.replace(f"<!--s{submission_id}-->", f" {_YOU}", 1))  # noqa: S704


@pages.record
def _begin(state: object) -> None:
    app = state.app  # type: ignore[attr-defined]
    app.extensions[_EXTENSION] = KeptPages(MOST_KEPT)


@pages.get(_BOARD)
@allow(Who.VISITOR)
def show(**_named: object) -> Response:
    phase, wanted, account = the_phase(), asked(), current_account()
    with services().db.read() as db_session:
        waiting = open_count(db_session, phase.id)
        entrant = None if account is None else entrant_of(db_session, phase.competition_id, account.id)[0]
    versions = (phase.id, phase.board_version, phase.intervals_version)
    by_the_clock = (is_frozen(phase), phase_status(phase), withholds_scores(phase, board_reader()))
    key = (*versions, *by_the_clock, wanted, waiting)

    def whole() -> str:
        board = cast(KeptBoard, _kept().get(("board", key), lambda: _board(phase, wanted, waiting)))
        return render_template("leaderboard.html", phase=phase, board=board.for_reader(entrant), mine=board.mine)

    def render() -> str:
        if account is not None or session.get("_flashes"):
            return whole()
        return cast(str, _kept().get(("visitor", site_address(), request.full_path, key), whole))

    return conditional(render, key, entrant, site_address())


@pages.get(f"{_BOARD}/mine")
@allow(Who.PARTICIPANT)
def mine(competition_slug: str, phase_slug: str) -> ResponseReturnValue:
    """On to the page where the reader's own row is."""
    phase, wanted = the_phase(), asked()
    with services().db.read() as db_session:
        entrant, _ = entrant_of(db_session, phase.competition_id, the_account().id)
        zoos = board_page.zoo_count(db_session, phase.id)
        query = replace(wanted.query, size=rows_of_a_page(wanted, zoos))
        found = board_page.place_of(db_session, phase.id, entrant, query, board_reader())
    path = url_for("leaderboard.show", competition_slug=competition_slug, phase_slug=phase_slug)
    if found is None:
        return redirect(address(path, Asked(wanted.query, wanted.show)))
    page, submission_id = found
    return redirect(f"{address(path, Asked(replace(wanted.query, page=page), wanted.show))}#s{submission_id}")


def _kept() -> KeptPages[object]:
    return cast("KeptPages[object]", current_app.extensions[_EXTENSION])


def is_frozen(phase: PhaseRecord) -> bool:
    """Whether submissions that are scored now do not appear on the board."""
    return phase.freezes_at is not None and utc_now() >= phase.freezes_at


def _board(phase: PhaseRecord, wanted: Asked, waiting: int) -> KeptBoard:
    with services().db.read() as db_session:
        zoos = board_page.zoo_count(db_session, phase.id)
        query = replace(wanted.query, size=rows_of_a_page(wanted, zoos))
        board = board_page.page(db_session, phase.id, query, board_reader())
    path = url_for("leaderboard.show", competition_slug=phase.competition.slug, phase_slug=phase.slug)
    links = Links(board, wanted.show, path)
    wanted_metrics = wanted.metrics(len(board.columns))
    metrics = tuple(name for name in wanted_metrics if name in board.metrics) or board.metrics[:1]
    html = render_template(
        "board/_board.html",
        phase=phase,
        board=board,
        links=links,
        metrics=metrics,
        metric_names=METRIC_NAMES,
        metric_titles=METRIC_TITLES,
        all_metrics=board.metrics,
        is_frozen=is_frozen(phase),
        cells={row.submission_id: cells_html(row.cells, metrics) for row in board.rows},
        submission_path=url_for("submissions.show", submission_id=0)[:-1],
        waiting=waiting,
        in_words=board_in_words(board),
        bar=_bar_scale(board),
        reference_rows=_reference_rows(board.references, [column.references for column in board.columns]),
    )
    return KeptBoard(html, links.mine, {row.entrant: row.submission_id for row in board.rows})


def _bar_scale(board: Board) -> tuple[float, float | None]:
    """The score of a full bar, and the place from 0 to 100 of the mark for what the hyperparameters alone reach."""
    if board.references is None:
        return 100.0, None
    oracle = board.references.hyperparameter_oracle
    full = max(oracle, *(row.score for row in board.rows), 1.0)
    return full, 100 * max(oracle, 0.0) / full


def cells_html(cells: Sequence[Cell], metrics: Sequence[str]) -> Markup:
    """The cells of a row. Made here rather than by the template, for they are most of what a board is."""
    return Markup(  # noqa: S704  (numbers alone)
        "".join(
            f'<td class="num{"" if place else " zoo"}">{_cell_text(cell, METRICS[metric])}</td>'
            for cell in cells
            for place, metric in enumerate(metrics)
        )
    )


def _cell_text(cell: Cell, metric: Metric) -> str:
    value = cell.metrics.get(metric.key)
    return signed(value, metric.digits) if metric.signed else number(value, metric.digits)


def _reference_rows(
    overall: References | None, zoos: list[References | None]
) -> list[tuple[str, str, float | None, list[float | None]]]:
    """The rows below the table: name, explanation, score, CMI per zoo; those that nothing is known of are left out."""
    names = (
        ("hyperparameter_oracle", "Hyperparameter oracle", "The best additive model of the hyperparameters alone"),
        ("percentile_95", "Random values, 95th percentile", "95 % of random measures score below"),
        ("random_floor", "Random values, mean", "The mean score of a measure without information"),
    )
    rows = []
    for field, name, title in names:
        cells = [None if zoo is None else cast(float | None, getattr(zoo, field)) for zoo in zoos]
        score = None if overall is None else cast(float | None, getattr(overall, field))
        if score is not None or any(cell is not None for cell in cells):
            rows.append((name, title, score, cells))
    return rows
