"""Leaderboards: the rows of a phase, the history of the first entrants, citation and badge."""

from datetime import datetime
from typing import Any

from pydantic import Field, create_model

from server.api.fields import LARGEST_PAGE, MOST_PER_PAGE, Answer, Line, Listing, Query
from server.api.routes import Routes
from server.auth.access import Who, the_phase, the_submission
from server.auth.login import current_account
from server.auth.result_access import board_reader
from server.charts.board_charts import badge
from server.config import services
from server.http.public_urls import full_address
from server.presentation.citation import citation_of
from server.problems import Problem
from submissions.leaderboard import board_page, model
from submissions.leaderboard.entrants import entrant_of
from submissions.leaderboard.history import Course, history
from submissions.storage.site_records import CountRule, utc_now

routes = Routes(20, "boards", "Leaderboards", "Who stands where.")


class BoardReferences(Answer):
    """Scores of random values and of the hyperparameters alone, from 0 to 100."""

    random_floor: float
    percentile_95: float | None = Field(description="Of random values")
    hyperparameter_oracle: float


class BoardZoo(Answer):
    """A column of a leaderboard."""

    name: str
    title: str
    references: BoardReferences | None


class _CellOfZoo(Answer):
    """An entrant on one zoo, rounded."""

    zoo: str


_TEXTS = {metric.key: metric.description for metric in model.METRICS.values()} | {"standard_error": "Of the CMI"}
_FIELDS: Any = {name: (float | None, Field(description=_TEXTS[name])) for name in model.Cell().columns()}
BoardCell: Any = create_model("BoardCell", __base__=_CellOfZoo, __doc__=_CellOfZoo.__doc__, **_FIELDS)


class BoardRow(Answer):
    """An entrant: a team, a person alone, or a baseline."""

    rank: int | None = Field(description="Null for reference rows")
    is_tied: bool
    lowest: int | None = Field(description="The best rank of the rank interval; null until it is computed")
    highest: int | None = Field(description="The worst rank of the rank interval")
    submission: int
    name: str
    by: str = Field(description="The team's or person's name, or an alias; empty for baselines")
    is_alias: bool
    is_own: bool = Field(description="Whether it is yours or your team's")
    is_baseline: bool
    is_reference: bool
    track: str
    score: float = Field(description="From 0 to 100; higher is better")
    standard_error: float | None
    scored: int = Field(description="How many of the entrant's submissions were taken into account")
    submitted_at: datetime
    cells: list[BoardCell] = Field(description="One per zoo; none if the phase uses the Ladder")


class Board(Listing):
    """A page of a leaderboard."""

    version: int = Field(description="Grows with every change of the standings")
    sort: str
    descending: bool
    count_rule: CountRule
    uses_ladder: bool
    freezes_at: datetime | None
    step: float | None = Field(description="The steps in which scores are shown; null if they have two digits")
    entrants: int = Field(description="Number of entrants with a rank")
    tracks: list[str]
    zoos: list[BoardZoo]
    references: BoardReferences | None = Field(description="Of the mean score over all zoos")
    items: list[BoardRow]


class BoardQuery(Query):
    sort: Line = Field("score", description="score, name, team, submitted, or a metric of a zoo: cmi.NAME, tau.NAME, …")
    descending: bool | None = Field(None, description="The direction; the default depends on the column")
    track: Line = Field("", description="Only rows of this track")
    search: Line = Field("", description="Part of a measure's, a team's or a person's name")
    page: int = Field(1, ge=1, le=LARGEST_PAGE)
    per_page: int = Field(50, ge=1, le=MOST_PER_PAGE)


class BoardStep(Answer):
    at: datetime
    score: float
    submission: int
    name: str


class BoardCourse(Answer):
    """The scores of an entrant over time."""

    label: str
    submission: int
    steps: list[BoardStep]


class BoardCitation(Answer):
    bibtex: str = Field(description="A BibTeX entry with the version of the board")


class BoardBadge(Answer):
    """Rank and score of an entrant, for other sites."""

    svg: str
    address: str = Field(description="Address of the picture, which follows the board")
    leads_to: str = Field(description="The submission's page")


class BoardHistory(Answer):
    items: list[BoardCourse] = Field(description="The first entrants, best first")


_BOARD = "/competitions/<competition:competition_slug>/phases/<phase:phase_slug>/leaderboard"


@routes.get(_BOARD, Who.VISITOR)
def show(query: BoardQuery) -> Board:
    """A page of a phase's leaderboard

    Invalid choices are replaced by the default: `sort` and `descending` return what was used."""
    phase, account = the_phase(), current_account()
    asked = model.Query(**query.model_dump(exclude={"per_page"}), size=query.per_page)
    with services().db.read() as session:
        found = board_page.page(session, phase.id, asked, board_reader())
        own = None if account is None else entrant_of(session, phase.competition_id, account.id)[0]
    return Board.of(
        found,
        page=found.query.page,
        per_page=query.per_page,
        sort=found.query.sort,
        descending=bool(found.query.descending),
        zoos=found.columns,
        items=[_row(row, found, is_own=row.entrant == own) for row in found.rows],
    )


@routes.get(f"{_BOARD}/history", Who.VISITOR)
def show_history() -> BoardHistory:
    """The history of the first ten entrants of a leaderboard"""
    with services().db.read() as session:
        courses = history(session, the_phase().id, reader=board_reader())
    return BoardHistory(items=[_course(one) for one in courses])


@routes.get(f"{_BOARD}/citation", Who.VISITOR)
def show_citation() -> BoardCitation:
    """A leaderboard as a reference for a paper"""
    return BoardCitation(bibtex=citation_of(the_phase(), utc_now()))


@routes.get("/submissions/<submission:submission_id>/badge", Who.VISITOR, conflicts=True)
def show_badge() -> BoardBadge:
    """The badge of a submission's entrant, with rank and score

    409 if the entrant has no place on the leaderboard."""
    submission = the_submission()
    with services().db.read() as session:
        row = board_page.standing_of(session, submission)
    if row is None:
        raise Problem(409, "The submission's entrant has no place on the leaderboard.")
    return BoardBadge(
        svg=badge(row, submission.phase),
        address=full_address("board_exports.badge_of", submission_id=submission.id),
        leads_to=full_address("submissions.show", submission_id=submission.id),
    )


def _row(row: model.Row, found: model.Board, *, is_own: bool) -> BoardRow:
    """The row without the entrant's key, which would reveal the owner of an alias."""
    cells = [
        BoardCell(zoo=column.name, **cell.columns()) for column, cell in zip(found.columns, row.cells, strict=True)
    ]
    return BoardRow.of(row, submission=row.submission_id, is_own=is_own, cells=cells)


def _course(course: Course) -> BoardCourse:
    steps = [BoardStep.of(step, submission=step.submission_id) for step in course.steps]
    return BoardCourse(label=course.label, submission=course.row.submission_id, steps=steps)
