"""Standings on both databases: who counts, in which order, with which ranks and numbers."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from submissions.database import Database
from submissions.leaderboard import Cell, Standings, standings
from submissions.states import Reason, State
from tests.records import Records


def _board(records: Records, phase_id: int) -> Standings:
    with records.db.read() as session:
        return standings(session, phase_id)


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
    assert [row.user_name for row in board.rows] == ["ann", "bob", "gengap", "gengap"]
    assert [column.name for column in board.columns] == ["digits-mlp", "digits-cnn"]
    assert board.rows[0].cells == (Cell(40.0, 0.632), Cell(50.0, 0.707))


def test_scores_that_look_equal_share_a_rank_and_the_next_rank_is_skipped(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    names = {"first": 0.5, "later": 0.300041, "early": 0.300042, "same": 0.300041, "end": 0.2}
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


def test_of_two_equal_submissions_of_one_person_the_earlier_counts(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    records.submission(phase, cmi=(0.3,), name="later", hours=2)
    records.submission(phase, cmi=(0.3,), name="earlier", hours=1)
    assert [row.name for row in _board(records, phase).rows] == ["earlier"]


def test_hidden_disqualified_failed_and_other_phases_submissions_are_left_out(records: Records) -> None:
    phase, other = records.phase(), records.phase("other")
    records.submission(phase, cmi=(0.9, 0.9), name="hidden", is_hidden=True)
    records.submission(phase, cmi=(0.8, 0.8), name="disqualified", is_disqualified=True)
    records.submission(other, cmi=(0.7, 0.7), name="elsewhere")
    records.submission(phase, reason=Reason.RAISED, done=2)
    records.submission(phase, state=State.CANCELLED)
    records.submission(phase, done=2, is_hidden=True)
    records.submission(phase, cmi=(0.1, 0.1), name="counts")
    board = _board(records, phase)
    assert [row.name for row in board.rows] == ["counts"]
    assert (board.open_submissions, board.open_total) == ((), 0)


def test_only_the_current_attempt_fills_the_columns(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    submission = records.submission(phase, cmi=(0.3,))
    records.next_attempt(submission, cmi=(0.6,))
    (row,) = _board(records, phase).rows
    assert (row.score, row.cells[0].cmi) == (60.0, 60.0)


def test_open_submissions_tell_how_far_they_are(records: Records) -> None:
    phase = records.phase()
    waiting = records.submission(phase, records.ann)
    running = records.submission(phase, records.bob, done=3)
    board = _board(records, phase)
    assert [
        (one.submission_id, one.user_name, one.state, one.done, one.networks) for one in board.open_submissions
    ] == [(running, "bob", State.RUNNING, 6, 24), (waiting, "ann", State.QUEUED, 0, 24)]


def test_the_newest_of_many_open_submissions_are_listed_and_all_are_counted(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    made = [records.submission(phase) for _ in range(23)]
    board = _board(records, phase)
    assert [one.submission_id for one in board.open_submissions] == made[:2:-1]
    assert board.open_total == 23


@pytest.mark.parametrize("entrants", [2, 20])
def test_the_number_of_queries_does_not_grow_with_the_board(records: Records, entrants: int) -> None:
    phase = records.phase()
    for index in range(entrants):
        records.submission(phase, records.system, cmi=(index / 50, 0.1), is_baseline=True)
        records.submission(phase, records.ann, done=1)
    with _counted_queries(records.db) as statements:
        board = _board(records, phase)
    assert len(board.rows) == entrants
    assert len(statements) == 5


def test_an_empty_phase_has_columns_and_no_rows(records: Records) -> None:
    board = _board(records, records.phase())
    assert len(board.columns) == 2
    assert board.rows == ()
