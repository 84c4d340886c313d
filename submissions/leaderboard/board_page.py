"""Reading a phase's leaderboard: one page of sorted rows, with ranks and rounded numbers.

Ranks and rounding are computed here only, so that pages, API, exports and command line agree. The standings are
maintained by `submissions.leaderboard.standings`, so the cost of a board does not depend on the number of submissions.
The result contains only what everybody may see: of an entrant with an alias nothing that identifies them, and in a
phase with the Ladder only released scores. Before a phase shows scores, its board is empty for all but organizers, who
see what everybody will see.
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
from submissions.leaderboard.standings import is_on_board
from submissions.results.disclosure import (
    EVERYBODY,
    Disclosure,
    Reader,
    Sight,
    board_disclosure,
    shows_steps,
    withholds_scores,
)
from submissions.storage.queries import count, enters_score, parts
from submissions.storage.records import (
    EvaluationRecord,
    PhaseRecord,
    PhaseZooRecord,
    StandingRecord,
    SubmissionRecord,
    TeamRecord,
    UserRecord,
    ZooRecord,
    copied,
)
from submissions.storage.submission_head import AnySubmission


def page(session: Session, phase_id: int, query: Query | None = None, reader: Reader = EVERYBODY) -> Board:
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
    told, is_withheld = board_disclosure(phase), withholds_scores(phase, reader)
    columns = _columns(session, phase, told)
    shown = () if phase.uses_ladder or is_withheld else columns
    counted: Sequence[Any] = session.execute(
        select(StandingRecord.track, StandingRecord.is_reference, func.count())
        .where(is_on_board(phase))
        .group_by(StandingRecord.track, StandingRecord.is_reference)
    ).all()
    if is_withheld:
        counted = ()
    tracks = tuple(sorted({track for track, _, _ in counted}))
    definite = _definite(query or Query(), shown, tracks, told)
    total = 0 if is_withheld else _total(session, phase, definite, sum(row[2] for row in counted))
    size = definite.size or max(1, total)
    pages = max(1, -(-total // size))
    definite = replace(definite, page=min(definite.page, pages))
    found = () if is_withheld else _found_rows(session, phase, definite, shown, told, size)
    return Board(
        phase_id=phase_id,
        version=phase.board_version,
        query=definite,
        metrics=tuple(name for name, metric in METRICS.items() if _is_told(metric, shown, told)),
        columns=shown,
        rows=with_cells(session, _ranked(session, phase, found), shown, told),
        total=total,
        pages=pages,
        entrants=sum(count for _, is_reference, count in counted if not is_reference),
        tracks=tracks,
        references=None if is_withheld else _mean_references(columns, told),
        count_rule=phase.count_rule,
        uses_ladder=phase.uses_ladder,
        freezes_at=phase.freezes_at,
        step=phase.score_step if shows_steps(phase) else None,
        has_old_intervals=phase.intervals_version < phase.board_version and not shows_steps(phase),
    )


def place_of(
    session: Session, phase_id: int, entrant: str, query: Query, reader: Reader = EVERYBODY
) -> tuple[int, int] | None:
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
    if withholds_scores(phase, reader):
        return None
    told = board_disclosure(phase)
    columns = () if phase.uses_ladder else _columns(session, phase, told)
    definite = _definite(query, columns, None, told)
    for place, (other, submission_id) in enumerate(_in_order(session, phase, definite, columns, told)):
        if other == entrant:
            return (1 if definite.size is None else place // definite.size + 1), submission_id
    return None


def zoo_count(session: Session, phase_id: int) -> int:
    """Return how many zoos have columns on the phase's board; 0 if the Ladder hides their metrics."""
    counted = select(func.count()).where(PhaseZooRecord.phase_id == PhaseRecord.id, PhaseRecord.uses_ladder.is_(False))
    return session.scalar(select(counted.scalar_subquery()).where(PhaseRecord.id == phase_id)) or 0


def standing_of(session: Session, submission: AnySubmission, reader: Reader = EVERYBODY) -> Row | None:
    """Return the row of the submission's entrant, without cells; None if it is not on the board.

    Only owners and organizers can learn that a submission belongs to the same entrant as one with a different alias.
    """
    phase = session.get_one(PhaseRecord, submission.phase_id)
    if withholds_scores(phase, reader):
        return None
    is_owner = reader.is_owner or reader.sees_everything
    statement = _named().where(is_on_board(phase), StandingRecord.entrant == submission.entrant)
    row = next(iter(_ranked(session, phase, session.execute(statement).all())), None)
    if row is None or is_owner or (row.by if row.is_alias else None) == submission.alias:
        return row
    return None


def _is_told(metric: Metric, columns: Sequence[Column], told: Disclosure) -> bool:
    """Whether the metric may be told on one of these zoos."""
    return any(told.metric(metric, 0.0, truth_public=column.truth_public) is not None for column in columns)


def _mean_references(columns: Sequence[Column], told: Disclosure) -> References | None:
    mean = References.mean(column.references for column in columns)
    return mean if mean is None or told.sight is Sight.ALL else mean.in_steps(told.step)


def _columns(session: Session, phase: PhaseRecord, told: Disclosure) -> tuple[Column, ...]:
    zoos = session.execute(
        select(
            ZooRecord.id,
            ZooRecord.name,
            ZooRecord.title,
            ZooRecord.truth_public,
            ZooRecord.report["numbers"]["references"],
        )
        .join(PhaseZooRecord)
        .where(PhaseZooRecord.phase_id == phase.id)
        .order_by(PhaseZooRecord.position)
    ).all()
    found = references_of(session, phase.id, phase.target, {zoo_id: checked for zoo_id, *_, checked in zoos})
    columns = []
    for zoo_id, name, title, truth_public, _ in zoos:
        references = found.get(zoo_id)
        if references is not None and not told.tells_all_of(truth_public=truth_public):
            references = references.in_steps(told.step)
        columns.append(Column(zoo_id, name, title, truth_public, references))
    return tuple(columns)


def _definite(query: Query, columns: Sequence[Column], tracks: Sequence[str] | None, told: Disclosure) -> Query:
    """Return the query without what the board does not have, and with an explicit direction."""
    metric, _, zoo = query.sort.partition(".")
    asked = [column for column in columns if column.name == zoo]
    is_metric = metric in METRICS and _is_told(METRICS[metric], asked, told)
    if not is_metric and query.sort not in NATURALLY_DESCENDING:
        query = replace(query, sort=SCORE, descending=None)
    return replace(
        query,
        descending=query.naturally_descending if query.descending is None else query.descending,
        track=query.track if tracks is None or query.track in tracks else "",
        search=query.search.strip()[:SEARCH_LENGTH],
        page=max(1, query.page),
    )


def _total(session: Session, phase: PhaseRecord, query: Query, standings: int) -> int:
    if not query.search and not query.track:
        return standings
    return session.scalar(_found(select(func.count()).select_from(StandingRecord), phase, query)) or 0


def _found_rows(
    session: Session, phase: PhaseRecord, query: Query, columns: Sequence[Column], told: Disclosure, size: int
) -> Sequence[Any]:
    """Return the rows on the query's page, in its order; names are looked up for these only."""
    first = (query.page - 1) * size
    entrants = [entrant for entrant, _ in _in_order(session, phase, query, columns, told, (first, first + size))]
    found: dict[str, Any] = {}
    named = _named().where(is_on_board(phase))
    for part in parts(entrants):
        found |= {row.entrant: row for row in session.execute(named.where(StandingRecord.entrant.in_(part)))}
    return [found[entrant] for entrant in entrants if entrant in found]


def _by() -> ColumnElement[str]:
    """Return the name under which an entrant appears on the board."""
    return case(
        (SubmissionRecord.is_baseline, ""),
        (SubmissionRecord.alias.is_not(None), SubmissionRecord.alias),
        (TeamRecord.name.is_not(None), TeamRecord.name),
        else_=UserRecord.name,
    )


def _named() -> Select[Any]:
    """Return a query of standings with everything of a `Row` but its rank and cells, under the names of its fields."""
    standing, submission = StandingRecord, SubmissionRecord
    columns: Any = (
        *(standing.entrant, standing.submission_id, standing.shown_score.label("score"), standing.standard_error),
        *(standing.scored, standing.rank_lowest.label("lowest"), standing.rank_highest.label("highest")),
        *(standing.track, standing.is_reference, standing.submitted_at),
        *(submission.name, submission.is_baseline, _by().label("by")),
        and_(submission.alias.is_not(None), submission.is_baseline.is_(False)).label("is_alias"),
    )
    return _with_names(select(*columns))


def _with_names(statement: Select[Any]) -> Select[Any]:
    submissions = statement.join(SubmissionRecord, SubmissionRecord.id == StandingRecord.submission_id)
    return submissions.join(SubmissionRecord.user).outerjoin(TeamRecord, TeamRecord.id == SubmissionRecord.team_id)


def _found(statement: Select[Any], phase: PhaseRecord, query: Query) -> Select[Any]:
    """Return a query of the standings that match, with names if needed."""
    if query.search or query.sort in (NAME, TEAM):
        statement = _with_names(statement)
    elif query.sort not in (SCORE, SUBMITTED):
        statement = statement.join(SubmissionRecord, SubmissionRecord.id == StandingRecord.submission_id)
    statement = statement.where(is_on_board(phase))
    if query.track:
        statement = statement.where(StandingRecord.track == query.track)
    if query.search:
        names = (SubmissionRecord.name, _by())
        statement = statement.where(or_(*(name.icontains(query.search, autoescape=True) for name in names)))
    return statement


def _in_order(
    session: Session,
    phase: PhaseRecord,
    query: Query,
    columns: Sequence[Column],
    told: Disclosure,
    part: tuple[int, int | None] = (0, None),
) -> list[tuple[str, int]]:
    """Return entrant and submission of the matching standings in the query's order, from one place to another.

    Equal ones are in the order of their scores, then of their submission. By a metric of a zoo they are sorted as it is
    shown: a finer order would tell more.
    """
    listed: Any = select(StandingRecord.entrant, StandingRecord.submission_id)
    naturally = (StandingRecord.shown_score.desc(), StandingRecord.submitted_at, StandingRecord.submission_id)
    statement = _found(listed, phase, query)
    key: Any = {
        SCORE: StandingRecord.shown_score,
        SUBMITTED: StandingRecord.submitted_at,
        NAME: func.lower(SubmissionRecord.name),
        TEAM: func.lower(_by()),
    }.get(query.sort)
    start, stop = part
    if key is not None:
        first = key.desc() if query.descending else key.asc()
        statement = statement.order_by(first.nulls_last(), *naturally).offset(start)
        rows = session.execute(statement if stop is None else statement.limit(stop - start))
        return [(entrant, submission_id) for entrant, submission_id in rows]
    name, _, zoo = query.sort.partition(".")
    metric, column = METRICS[name], next(column for column in columns if column.name == zoo)
    is_here = and_(enters_score(), EvaluationRecord.zoo_id == column.zoo_id)
    recorded = statement.add_columns(_recorded(metric)).outerjoin(EvaluationRecord, is_here).order_by(*naturally)
    known, unknown = [], []
    for entrant, submission_id, value in session.execute(recorded):
        shown = told.metric(metric, value, truth_public=column.truth_public)
        if shown is None:
            unknown.append((entrant, submission_id))
        else:
            known.append((shown, entrant, submission_id))
    known.sort(key=lambda row: -row[0] if query.descending else row[0])
    return [*((entrant, submission_id) for _, entrant, submission_id in known), *unknown][start:stop]


def _recorded(metric: Metric) -> ColumnElement[float | None]:
    """The metric of an evaluation: a column of its own, or else a number of its report."""
    column: ColumnElement[float | None] | None = getattr(EvaluationRecord, metric.key, None)
    return EvaluationRecord.report["metrics"][metric.key].as_float() if column is None else column


def _ranked(session: Session, phase: PhaseRecord, found: Sequence[Any]) -> tuple[Row, ...]:
    """Return the rows with their ranks among all entrants of the phase."""
    if not found:
        return ()
    places = _places(session, phase, [standing.score for standing in found])
    in_steps = shows_steps(phase)
    rows = []
    for standing in found:
        rank, equal = (None, 1) if standing.is_reference else places[standing.score]
        low, high = standing.lowest, standing.highest
        if rank is not None and in_steps:
            low, high = rank, rank + equal - 1
        elif rank is None or low is None or high is None:
            low = high = None
        else:  # a rank is of rounded scores, an interval of exact ones
            low, high = min(low, rank), max(high, rank)
        rows.append(copied(Row, standing, rank=rank, is_tied=equal > 1, lowest=low, highest=high, cells=()))
    return tuple(rows)


def _places(session: Session, phase: PhaseRecord, scores: Sequence[float]) -> dict[float, tuple[int, int]]:
    """Return score → (rank, number of entrants with it), for the scores of these rows."""
    ranked = (is_on_board(phase), StandingRecord.is_reference.is_(False))
    better = count(session, StandingRecord, *ranked, StandingRecord.shown_score > max(scores))
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


def with_cells(session: Session, rows: tuple[Row, ...], columns: Sequence[Column], told: Disclosure) -> tuple[Row, ...]:
    """Return the same rows with a cell for each column, as far as everybody may see it."""
    if not rows or not columns:
        return rows
    recorded: Any = [_recorded(metric) for metric in METRICS.values()]
    numbers = select(
        EvaluationRecord.submission_id, EvaluationRecord.zoo_id, EvaluationRecord.standard_error, *recorded
    ).join(SubmissionRecord, enters_score())
    is_public = {column.zoo_id: column.truth_public for column in columns}
    cells: dict[tuple[int, int], Cell] = {}
    for part in parts([row.submission_id for row in rows]):
        found = session.execute(numbers.where(SubmissionRecord.id.in_(part)))
        for submission_id, zoo_id, error, *values in found:
            public = is_public.get(zoo_id, False)
            shown = {
                metric.key: told.metric(metric, value, truth_public=public)
                for metric, value in zip(METRICS.values(), values, strict=True)
            }
            is_exact = told.tells_all_of(truth_public=public)
            cells[submission_id, zoo_id] = Cell(shown, METRICS["cmi"].shown(error) if is_exact else None)
    nothing = Cell()
    return tuple(
        replace(row, cells=tuple(cells.get((row.submission_id, column.zoo_id), nothing) for column in columns))
        for row in rows
    )
