"""Leaderboards on both databases: which rows, in which order, with which ranks and numbers, and nobody's secrets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from submissions.evaluation.open_submissions import open_count, open_submissions
from submissions.leaderboard import board_page
from submissions.leaderboard.comparison import leading_offers, own_offers
from submissions.leaderboard.history import history
from submissions.leaderboard.model import Board, Cell, Query
from submissions.leaderboard.references import References
from submissions.leaderboard.summaries import board_summaries
from submissions.results.disclosure import EVERYBODY, Reader
from submissions.storage.database import Database
from submissions.storage.records import (
    EvaluationRecord,
    ShowsScores,
    StandingRecord,
    SubmissionRecord,
    TeamRecord,
    ZooRecord,
    utc_now,
)
from submissions.storage.states import Reason, State
from tests.records import START, Records
from tests.scoring.jackknives import of_mean

pytestmark = pytest.mark.both_databases


def _board(records: Records, phase_id: int, query: Query | None = None) -> Board:
    with records.db.read() as session:
        return board_page.page(session, phase_id, query)


def _names(records: Records, phase_id: int, **query: object) -> list[str]:
    return [row.name for row in _board(records, phase_id, Query(**query)).rows]  # type: ignore[arg-type]


@contextmanager
def _counted_queries(db: Database) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield statements
    event.remove(db.engine, "before_cursor_execute", note)


def test_the_best_submission_of_each_person_counts_and_every_baseline(records: Records) -> None:
    phase = records.phase()
    records.submission(phase, records.ann, cmi=(0.2, 0.3), name="worse")
    best = records.submission(phase, records.ann, cmi=(0.4, 0.5), name="best", hours=1)
    records.submission(phase, records.ann, cmi=(0.1, 0.1), name="last", hours=2)
    bobs = records.submission(phase, records.bob, cmi=(0.3, 0.3), name="bob's")
    norm = records.submission(phase, records.system, cmi=(0.05, 0.15), name="norm", is_baseline=True)
    count = records.submission(phase, records.system, cmi=(0.01, 0.03), name="count", is_baseline=True)
    board = _board(records, phase)
    assert [(row.rank, row.submission_id, row.score, row.is_baseline) for row in board.rows] == [
        (1, best, 45.0, False),
        (2, bobs, 30.0, False),
        (3, norm, 10.0, True),
        (4, count, 2.0, True),
    ]
    assert [(row.by, row.scored) for row in board.rows] == [("ann", 3), ("bob", 1), ("", 1), ("", 1)]
    assert [column.name for column in board.columns] == ["digits-mlp", "digits-cnn"]
    nothing: dict[str, float | None] = {"granulated_kendall": None, "sign_error": None}
    assert board.rows[0].cells == (
        Cell(nothing | {"cmi": 40.0, "kendall_tau": 0.632}),
        Cell(nothing | {"cmi": 50.0, "kendall_tau": 0.707}),
    )
    assert (board.total, board.entrants, board.pages) == (4, 4, 1)


def test_scores_that_look_equal_share_a_rank_the_earlier_first_and_the_next_rank_is_skipped(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    names = {"first": 0.5, "early": 0.300041, "later": 0.300042, "same": 0.300041, "end": 0.2}
    for hours, (name, cmi) in enumerate(names.items()):
        records.submission(phase, records.system, cmi=(cmi,), name=name, is_baseline=True, hours=hours)
    rows = _board(records, phase).rows
    assert [(row.rank, row.is_tied, row.name, row.score) for row in rows] == [
        (1, False, "first", 50.0),
        (2, True, "early", 30.0),
        (2, True, "later", 30.0),
        (2, True, "same", 30.0),
        (5, False, "end", 20.0),
    ]


def test_what_is_only_to_read_the_board_by_has_no_rank_and_takes_none(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    records.submission(phase, records.system, cmi=(0.4,), name="count", is_baseline=True, is_reference=True)
    records.submission(phase, records.ann, cmi=(0.3,), name="ann's")
    board = _board(records, phase)
    assert [(row.name, row.rank, row.is_reference) for row in board.rows] == [
        ("count", None, True),
        ("ann's", 1, False),
    ]
    assert (board.total, board.entrants) == (2, 1)


def test_hidden_disqualified_failed_and_other_phases_submissions_are_left_out(records: Records) -> None:
    phase, other = records.phase(), records.phase("other")
    records.submission(phase, cmi=(0.9, 0.9), name="hidden", is_hidden=True)
    records.submission(phase, cmi=(0.8, 0.8), name="disqualified", is_disqualified=True)
    records.submission(other, cmi=(0.7, 0.7), name="elsewhere")
    records.submission(phase, reason=Reason.RAISED, done=2)
    records.submission(phase, state=State.CANCELLED)
    records.submission(phase, done=2, is_hidden=True)
    records.submission(phase, cmi=(0.1, 0.1), name="counts")
    assert _names(records, phase) == ["counts"]
    with records.db.read() as session:
        assert open_count(session, phase) == 0


def test_only_the_current_attempt_fills_the_columns(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    submission = records.submission(phase, cmi=(0.3,))
    records.next_attempt(submission, cmi=(0.6,))
    (row,) = _board(records, phase).rows
    assert (row.score, row.cells[0].metrics["cmi"]) == (60.0, 60.0)


def test_an_alias_stands_in_the_place_of_the_name_and_the_name_finds_nothing(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    records.submission(phase, records.ann, cmi=(0.3,), name="margins", alias="Wren")
    (row,) = _board(records, phase).rows
    assert (row.by, row.is_alias) == ("Wren", True)
    assert _names(records, phase, search="wren") == ["margins"]
    assert _names(records, phase, search="ann") == []


def test_a_team_stands_under_its_name(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    with records.db.write() as session:
        team = TeamRecord(competition_id=1, name="The Owls", name_key="the owls", invite_key="k" * 20)
        session.add(team)
        session.flush()
        team_id = team.id
    records.submission(phase, records.ann, cmi=(0.3,), name="margins", team_id=team_id, entrant=f"t{team_id}")
    (row,) = _board(records, phase).rows
    assert (row.by, row.entrant) == ("The Owls", f"t{team_id}")
    assert _names(records, phase, search="owl") == ["margins"]
    assert _names(records, phase, search="ann") == []


def test_rows_can_be_searched_and_filtered_and_keep_their_rank(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    records.submission(phase, records.system, cmi=(0.5,), name="Path norm", is_baseline=True)
    records.submission(phase, records.system, cmi=(0.4,), name="100% margin", is_baseline=True, track="extended")
    records.submission(phase, records.bob, cmi=(0.3,), name="norm_of_bob")
    found = _board(records, phase, Query(search="NORM"))
    assert [(row.rank, row.name) for row in found.rows] == [(1, "Path norm"), (3, "norm_of_bob")]
    assert (found.total, found.entrants, found.tracks) == (2, 3, ("extended", "standard"))
    assert _names(records, phase, search="%") == ["100% margin"]
    assert _names(records, phase, search="_") == ["norm_of_bob"]
    assert _names(records, phase, track="extended") == ["100% margin"]
    assert len(_names(records, phase, track="no such track")) == 3


def test_every_column_orders_both_ways_and_what_is_not_known_comes_last(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    for hours, (name, cmi) in enumerate({"b": 0.2, "C": 0.3, "a": 0.1}.items()):
        records.submission(phase, records.system, cmi=(cmi,), name=name, is_baseline=True, hours=hours)
    with records.db.write() as session:
        for number, evaluation in zip((0.4, None, 0.1), session.query(EvaluationRecord).order_by("id"), strict=True):
            evaluation.sign_error = number
    orders = {
        "score": ("C", "b", "a"),
        "name": ("a", "b", "C"),
        "submitted": ("a", "C", "b"),
        "tau.digits-mlp": ("C", "b", "a"),
        "sign.digits-mlp": ("a", "b", "C"),
        "sign.no-such-zoo": ("C", "b", "a"),
        "nonsense": ("C", "b", "a"),
    }
    for sort, order in orders.items():
        assert tuple(_names(records, phase, sort=sort)) == order, sort
    assert _names(records, phase, sort="name", descending=True) == ["C", "b", "a"]
    assert _names(records, phase, sort="sign.digits-mlp", descending=True) == ["b", "a", "C"]
    assert _board(records, phase, Query(sort="sign.digits-mlp")).query.descending is False


def test_pages_divide_the_rows_and_one_too_far_is_the_last(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    for index in range(5):
        records.submission(phase, records.system, cmi=(index / 10,), name=str(index), is_baseline=True)
    pages = [_board(records, phase, Query(page=number, size=2)) for number in (1, 2, 3, 9)]
    assert [[row.name for row in board.rows] for board in pages] == [["4", "3"], ["2", "1"], ["0"], ["0"]]
    assert [(board.query.page, board.pages) for board in pages] == [(1, 3), (2, 3), (3, 3), (3, 3)]
    assert [row.rank for board in pages[:3] for row in board.rows] == [1, 2, 3, 4, 5]
    assert _names(records, phase, size=None) == ["4", "3", "2", "1", "0"]


def test_ones_own_row_is_found_whatever_the_order(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    for index in range(5):
        records.submission(phase, records.system, cmi=(index / 10,), name=str(index), is_baseline=True)
    mine = records.submission(phase, records.ann, cmi=(0.15,), name="mine")
    entrant = f"u{records.ann}"
    with records.db.read() as session:
        found = [
            board_page.place_of(session, phase, entrant, Query(size=2, **asked))  # type: ignore[arg-type]
            for asked in ({}, {"sort": "name"}, {"search": "mi"}, {"search": "4"})
        ]
    assert found == [(2, mine), (3, mine), (1, mine), None]


def test_with_the_ladder_there_are_no_columns_and_no_order_by_what_is_kept_back(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",), uses_ladder=True)
    records.submission(phase, records.ann, jackknives=[of_mean([0.2, 0.26, 0.24, 0.236])], name="ann's")
    records.submission(phase, records.system, cmi=(0.12345,), name="norm", is_baseline=True)
    board = _board(records, phase, Query(sort="tau.digits-mlp", descending=False))
    assert board.columns == ()
    assert board.query.sort == "score"
    assert [(row.name, row.score, row.standard_error) for row in board.rows] == [
        ("ann's", 15.0, None),
        ("norm", 12.35, None),
    ]


@pytest.mark.parametrize(("days", "is_shown"), [(1, False), (-1, True)])
def test_before_a_phase_shows_scores_nothing_of_its_board_is_shown(records: Records, days: int, is_shown: bool) -> None:
    closes_at = utc_now() + timedelta(days=days)
    phase = records.phase(shows_scores=ShowsScores.AFTER_CLOSE, closes_at=closes_at)
    made = records.submission(phase, records.ann, cmi=(0.3, 0.3))
    board = _board(records, phase, Query(search="A measure"))
    assert (len(board.rows), board.total, board.entrants) == ((1, 1, 1) if is_shown else (0, 0, 0))
    assert bool(board.columns) == is_shown
    with records.db.read() as session:
        found = [
            board_page.place_of(session, phase, f"u{records.ann}", Query()),
            board_page.standing_of(session, session.get_one(SubmissionRecord, made), Reader(is_owner=True)),
            board_summaries(session, [phase]),
            history(session, phase),
            leading_offers(session, phase, EVERYBODY),
            own_offers(session, phase, records.ann, EVERYBODY),
        ]
    assert [bool(one) for one in found] == [is_shown] * 6


def test_an_interval_holds_the_rank_and_is_of_a_version(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    records.submission(phase, records.ann, cmi=(0.3,))
    records.submission(phase, records.bob, cmi=(0.2,))
    with records.db.write() as session:
        for record in session.query(StandingRecord):
            record.rank_lowest = record.rank_highest = 2
    board = _board(records, phase)
    assert [(row.rank, row.lowest, row.highest) for row in board.rows] == [(1, 1, 2), (2, 2, 2)]
    assert board.has_old_intervals


def test_what_chance_gets_is_said_per_zoo_and_for_the_score(records: Records) -> None:
    phase = records.phase()
    floors = {"digits-mlp": (1.0, 2.5, 20.0), "digits-cnn": (2.0, 3.5, 30.0)}
    with records.db.write() as session:
        for zoo in session.query(ZooRecord):
            numbers = dict(
                zip(
                    ("random_floor", "random_floor_percentile_95", "hyperparameter_oracle"),
                    floors[zoo.name],
                    strict=True,
                )
            )
            zoo.report = {"numbers": {"references": [{"target": "loss_gap"}, {"target": "gap", **numbers}]}}
    board = _board(records, phase)
    assert [astuple(column.references) for column in board.columns if column.references] == list(floors.values())
    assert board.references == References(1.5, None, 25.0)


def test_without_a_check_the_references_come_with_the_first_score(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    assert _board(records, phase).references is None
    records.submission(phase, cmi=(0.3,))
    content = {"random_floor": {"mean": 0.01, "percentile_95": 0.02}, "hyperparameter_oracle": 0.2}
    with records.db.write() as session:
        (evaluation,) = session.query(EvaluationRecord)
        evaluation.report, evaluation.granulated_kendall = {"jackknife": None, "references": content}, 0.1
    assert _board(records, phase).references == References(1.0, 2.0, 20.0)


def test_open_submissions_tell_how_far_they_are(records: Records) -> None:
    phase = records.phase()
    waiting = records.submission(phase, records.ann)
    running = records.submission(phase, records.bob, done=3)
    with records.db.read() as session:
        listed = open_submissions(session, phase)
        assert open_count(session, phase) == 2
    assert [(one.submission_id, one.user_name, one.state, one.done, one.networks) for one in listed] == [
        (running, "bob", State.RUNNING, 6, 24),
        (waiting, "ann", State.QUEUED, 0, 24),
    ]


@pytest.mark.parametrize("entrants", [2, 20])
def test_the_number_of_queries_does_not_grow_with_the_board(records: Records, entrants: int) -> None:
    phase = records.phase()
    for index in range(entrants):
        records.submission(phase, records.system, cmi=(index / 50, 0.1), is_baseline=True)
    with _counted_queries(records.db) as statements:
        board = _board(records, phase)
    assert len(board.rows) == entrants
    assert len(statements) <= 9


def test_an_empty_phase_has_columns_and_no_rows(records: Records) -> None:
    board = _board(records, records.phase())
    assert len(board.columns) == 2
    assert board.rows == ()
    assert (board.total, board.pages, board.query.page) == (0, 1, 1)


def test_the_standing_of_a_submissions_entrant_is_its_row(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",), freezes_at=START + timedelta(hours=2))
    worse = records.submission(phase, records.ann, cmi=(0.2,))
    records.submission(phase, records.ann, cmi=(0.3,))
    records.submission(phase, records.bob, cmi=(0.4,))
    (_, row) = _board(records, phase).rows
    with records.db.read() as session:
        submission = session.get_one(SubmissionRecord, worse)
        assert board_page.standing_of(session, submission) == replace(row, cells=())
