"""Reading a phase's leaderboard: one page of sorted rows, with ranks and rounded numbers.

Ranks and rounding are computed here only, so that pages, API, exports and command line agree. The standings are
maintained by `submissions.leaderboard.standings`, so the cost of a board does not depend on the number of submissions.
The result contains only what everybody may see: of an entrant with an alias nothing that identifies them, and in a
phase with the Ladder only released scores. Before a phase shows scores, its board is empty.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.orm import Session

from scoring.metric import Metric
from submissions.leaderboard.model import (
    METRICS,
    NAME,
    NATURALLY_DESCENDING,
    SCORE,
    SEARCH_LENGTH,
    SUBMITTED,
    TEAM,
    Board,
    Cell,
    Column,
    Query,
    Row,
)
from submissions.leaderboard.references import References, references_of
from submissions.storage.records import (
    EvaluationRecord,
    PhaseRecord,
    PhaseZooRecord,
    Purpose,
    StandingRecord,
    SubmissionRecord,
    TeamRecord,
    UserRecord,
    ZooRecord,
)

_AT_A_TIME = 500  # parameters of one query


def page(session: Session, phase_id: int, query: Query | None = None) -> Board:
    """Return one page of a phase's leaderboard, in nine queries whatever its size.

    It does not check whether the reader may see the phase.

    Parameters
    ----------
    query : Query or None, optional
        None for the first page.

    Raises
    ------
    sqlalchemy.exc.NoResultFound
        If there is no such phase.
    """
    phase = session.get_one(PhaseRecord, phase_id)
    columns = _columns(session, phase)
    shown = () if phase.uses_ladder or phase.withholds_scores else columns
    counted: Sequence[Any] = session.execute(
        select(StandingRecord.track, StandingRecord.is_reference, func.count())
        .where(StandingRecord.phase_id == phase_id)
        .group_by(StandingRecord.track, StandingRecord.is_reference)
    ).all()
    if phase.withholds_scores:
        counted = ()
    tracks = tuple(sorted({track for track, _, _ in counted}))
    definite = _definite(query or Query(), shown, tracks)
    total = 0 if phase.withholds_scores else _total(session, phase_id, definite, sum(row[2] for row in counted))
    size = definite.size or max(1, total)
    pages = max(1, -(-total // size))
    definite = replace(definite, page=min(definite.page, pages))
    found = () if phase.withholds_scores else _found_rows(session, phase_id, definite, shown, size)
    return Board(
        phase_id=phase_id,
        version=phase.board_version,
        query=definite,
        columns=shown,
        rows=with_cells(session, _ranked(session, phase_id, found), shown),
        total=total,
        pages=pages,
        entrants=sum(count for _, is_reference, count in counted if not is_reference),
        tracks=tracks,
        references=References.mean(column.references for column in columns),
        count_rule=phase.count_rule,
        uses_ladder=phase.uses_ladder,
        freezes_at=phase.freezes_at,
        has_old_intervals=phase.intervals_version < phase.board_version,
    )


def place_of(session: Session, phase_id: int, entrant: str, query: Query) -> tuple[int, int] | None:
    """Find the row of an entrant.

    Parameters
    ----------
    entrant : str
        Key of the entrant.

    Returns
    -------
    tuple[int, int] or None
        The page that contains the row, and the submission in it; None if the query does not find it.
    """
    phase = session.get_one(PhaseRecord, phase_id)
    if phase.withholds_scores:
        return None
    columns = () if phase.uses_ladder else _columns(session, phase)
    definite = _definite(query, columns, None)
    listed: Any = select(StandingRecord.entrant, StandingRecord.submission_id)
    found = map(tuple, session.execute(_ordered(listed, phase_id, definite, columns)))
    for place, (other, submission_id) in enumerate(found):
        if other == entrant:
            return (1 if definite.size is None else place // definite.size + 1), submission_id
    return None


def zoo_count(session: Session, phase_id: int) -> int:
    """Return how many zoos have columns on the phase's board; 0 if the Ladder hides their metrics."""
    counted = select(func.count()).where(PhaseZooRecord.phase_id == PhaseRecord.id, PhaseRecord.uses_ladder.is_(False))
    return session.scalar(select(counted.scalar_subquery()).where(PhaseRecord.id == phase_id)) or 0


def standing_of(session: Session, submission: SubmissionRecord, *, is_owner: bool = False) -> Row | None:
    """Return the row of the submission's entrant, without cells; None if it is not on the board.

    Only an owner can learn that a submission belongs to the same entrant as one with a different alias.
    """
    if session.get_one(PhaseRecord, submission.phase_id).withholds_scores:
        return None
    statement = _named().where(
        StandingRecord.phase_id == submission.phase_id, StandingRecord.entrant == submission.entrant
    )
    row = next(iter(_ranked(session, submission.phase_id, session.execute(statement).all())), None)
    if row is None or is_owner or (row.by if row.is_alias else None) == submission.alias:
        return row
    return None


def _columns(session: Session, phase: PhaseRecord) -> tuple[Column, ...]:
    zoos = session.execute(
        select(ZooRecord.id, ZooRecord.name, ZooRecord.title, ZooRecord.report["numbers"]["references"])
        .join(PhaseZooRecord)
        .where(PhaseZooRecord.phase_id == phase.id)
        .order_by(PhaseZooRecord.position)
    ).all()
    found = references_of(session, phase.id, phase.target, {zoo_id: checked for zoo_id, _, _, checked in zoos})
    return tuple(Column(zoo_id, name, title, found.get(zoo_id)) for zoo_id, name, title, _ in zoos)


def _definite(query: Query, columns: Sequence[Column], tracks: Sequence[str] | None) -> Query:
    """Return the query without what the board does not have, and with an explicit direction."""
    metric, _, zoo = query.sort.partition(".")
    is_metric = metric in METRICS and zoo in {column.name for column in columns}
    sorted_by = (
        query if is_metric or query.sort in NATURALLY_DESCENDING else replace(query, sort=SCORE, descending=None)
    )
    return replace(
        sorted_by,
        descending=sorted_by.naturally_descending if sorted_by.descending is None else sorted_by.descending,
        track=query.track if tracks is None or query.track in tracks else "",
        search=query.search.strip()[:SEARCH_LENGTH],
        page=max(1, query.page),
    )


def _total(session: Session, phase_id: int, query: Query, standings: int) -> int:
    if not query.search and not query.track:
        return standings
    return session.scalar(_found(select(func.count()).select_from(StandingRecord), phase_id, query)) or 0


def _found_rows(session: Session, phase_id: int, query: Query, columns: Sequence[Column], size: int) -> Sequence[Any]:
    """Return the rows on the query's page, in its order; names are looked up for these only."""
    whole: Any = select(StandingRecord.entrant)
    on_page = _ordered(whole, phase_id, query, columns).limit(size).offset((query.page - 1) * size)
    entrants = session.scalars(on_page).all()
    found: dict[str, Any] = {}
    for start in range(0, len(entrants), _AT_A_TIME):
        part = _named().where(
            StandingRecord.phase_id == phase_id, StandingRecord.entrant.in_(entrants[start : start + _AT_A_TIME])
        )
        found |= {columns.entrant: columns for columns in session.execute(part)}
    return [found[entrant] for entrant in entrants if entrant in found]


def _by() -> ColumnElement[str]:
    """Return the name under which an entrant appears on the board."""
    return case(
        (SubmissionRecord.is_baseline, ""),
        (SubmissionRecord.alias.is_not(None), SubmissionRecord.alias),
        (TeamRecord.name.is_not(None), TeamRecord.name),
        else_=UserRecord.name,
    )


_NAMED = (
    *(StandingRecord.entrant, StandingRecord.submission_id, StandingRecord.shown_score),
    *(StandingRecord.standard_error, StandingRecord.scored, StandingRecord.rank_lowest, StandingRecord.rank_highest),
    *(StandingRecord.track, StandingRecord.is_reference, StandingRecord.submitted_at),
    *(SubmissionRecord.name, SubmissionRecord.is_baseline, SubmissionRecord.alias.is_not(None)),
)


def _named() -> Select[Any]:
    """Return a query of standings with everything of a row but its rank and its cells."""
    columns: Any = (*_NAMED, _by())
    return _with_names(select(*columns))


def _with_names(statement: Select[Any]) -> Select[Any]:
    return (
        statement.join(SubmissionRecord, SubmissionRecord.id == StandingRecord.submission_id)
        .join(UserRecord, UserRecord.id == SubmissionRecord.user_id)
        .outerjoin(TeamRecord, TeamRecord.id == SubmissionRecord.team_id)
    )


def _found(statement: Select[Any], phase_id: int, query: Query) -> Select[Any]:
    """Return a query of the standings that match, with names if needed."""
    if query.search or query.sort in (NAME, TEAM):
        statement = _with_names(statement)
    elif query.sort not in (SCORE, SUBMITTED):
        statement = statement.join(SubmissionRecord, SubmissionRecord.id == StandingRecord.submission_id)
    statement = statement.where(StandingRecord.phase_id == phase_id)
    if query.track:
        statement = statement.where(StandingRecord.track == query.track)
    if query.search:
        names = (SubmissionRecord.name, _by())
        statement = statement.where(or_(*(name.icontains(query.search, autoescape=True) for name in names)))
    return statement


def _ordered(statement: Select[Any], phase_id: int, query: Query, columns: Sequence[Column]) -> Select[Any]:
    """Return the matching standings in the query's order; equal ones by score, then the earlier one first."""
    statement = _found(statement, phase_id, query)
    key: Any = {
        SCORE: StandingRecord.shown_score,
        SUBMITTED: StandingRecord.submitted_at,
        NAME: func.lower(SubmissionRecord.name),
        TEAM: func.lower(_by()),
    }.get(query.sort)
    if key is None:
        metric, _, zoo = query.sort.partition(".")
        zoo_id = next(column.zoo_id for column in columns if column.name == zoo)
        key = _recorded(METRICS[metric])
        statement = statement.outerjoin(EvaluationRecord, and_(_is_current(), EvaluationRecord.zoo_id == zoo_id))
    first = key.desc() if query.descending else key.asc()
    return statement.order_by(
        first.nulls_last(), StandingRecord.shown_score.desc(), StandingRecord.submitted_at, StandingRecord.submission_id
    )


def _is_current() -> ColumnElement[bool]:
    """Return the condition for scored evaluations of the submission's current attempt."""
    return and_(
        EvaluationRecord.submission_id == SubmissionRecord.id,
        EvaluationRecord.attempt == SubmissionRecord.attempt,
        EvaluationRecord.purpose == Purpose.SCORE,
    )


def _recorded(metric: Metric) -> ColumnElement[float | None]:
    """The metric of an evaluation: a column of its own, or else a number of its report."""
    column: ColumnElement[float | None] | None = getattr(EvaluationRecord, metric.key, None)
    return EvaluationRecord.report["metrics"][metric.key].as_float() if column is None else column


def _ranked(session: Session, phase_id: int, found: Sequence[Any]) -> tuple[Row, ...]:
    """Return the rows with their ranks among all entrants of the phase."""
    if not found:
        return ()
    places = _places(session, phase_id, [columns.shown_score for columns in found])
    rows = []
    for columns in found:
        entrant, submission_id, score, error, scored, low, high, track, is_reference, submitted_at = columns[:10]
        name, is_baseline, has_alias, by = columns[10:]
        rank, equal = (None, 1) if is_reference else places[score]
        if rank is None or low is None or high is None:
            low = high = None
        else:  # a rank is of rounded scores, an interval of exact ones
            low, high = min(low, rank), max(high, rank)
        rows.append(
            Row(
                rank=rank,
                is_tied=equal > 1,
                lowest=low,
                highest=high,
                entrant=entrant,
                submission_id=submission_id,
                name=name,
                by=by,
                is_alias=has_alias and not is_baseline,
                is_baseline=is_baseline,
                is_reference=is_reference,
                track=track,
                score=score,
                standard_error=error,
                scored=scored,
                submitted_at=submitted_at,
            )
        )
    return tuple(rows)


def _places(session: Session, phase_id: int, scores: Sequence[float]) -> dict[float, tuple[int, int]]:
    """Return score → (rank, number of entrants with it), for the scores of these rows."""
    ranked = (StandingRecord.phase_id == phase_id, StandingRecord.is_reference.is_(False))
    better = session.scalar(select(func.count()).where(*ranked, StandingRecord.shown_score > max(scores))) or 0
    counted = session.execute(
        select(StandingRecord.shown_score, func.count())
        .where(*ranked, StandingRecord.shown_score.between(min(scores), max(scores)))
        .group_by(StandingRecord.shown_score)
        .order_by(StandingRecord.shown_score.desc())
    )
    places: dict[float, tuple[int, int]] = {}
    for score, equal in counted:
        places[score] = better + 1, equal
        better += equal
    return places


def with_cells(session: Session, rows: tuple[Row, ...], columns: Sequence[Column]) -> tuple[Row, ...]:
    """Return the same rows with a cell for each column."""
    if not rows or not columns:
        return rows
    recorded: Any = [_recorded(metric) for metric in METRICS.values()]
    numbers = select(
        EvaluationRecord.submission_id, EvaluationRecord.zoo_id, EvaluationRecord.standard_error, *recorded
    ).join(SubmissionRecord, _is_current())
    cells: dict[tuple[int, int], Cell] = {}
    listed = [row.submission_id for row in rows]
    for start in range(0, len(listed), _AT_A_TIME):
        part = numbers.where(SubmissionRecord.id.in_(listed[start : start + _AT_A_TIME]))
        for submission_id, zoo_id, error, *values in session.execute(part):
            shown = {metric.key: metric.shown(value) for metric, value in zip(METRICS.values(), values, strict=True)}
            cells[submission_id, zoo_id] = Cell(shown, METRICS["cmi"].shown(error))
    nothing = Cell()
    return tuple(
        replace(row, cells=tuple(cells.get((row.submission_id, column.zoo_id), nothing) for column in columns))
        for row in rows
    )
