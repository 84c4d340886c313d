"""Pieces of queries and statements that several modules share."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import UpdateBase

from submissions.storage.records import EvaluationRecord, Purpose, Record, SubmissionRecord

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
_AT_A_TIME = 500  # parameters of one query


def enters_score() -> ColumnElement[bool]:
    """Return the condition that an evaluation is one of those that a submission's score is made of."""
    return and_(
        EvaluationRecord.submission_id == SubmissionRecord.id,
        EvaluationRecord.attempt == SubmissionRecord.attempt,
        EvaluationRecord.purpose == Purpose.SCORE,
    )


def count(session: Session, table: type[Record], *conditions: ColumnElement[bool]) -> int:
    """Return the number of rows that satisfy the conditions."""
    return session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0


def as_dict(session: Session, query: "Select[K, V]") -> dict[K, V]:
    """Return the rows of a query of two columns as keys with values."""
    return {key: value for key, value in session.execute(query)}  # noqa: C416  (a Row is no pair for mypy)


def rows_changed(session: Session, statement: UpdateBase) -> int:
    """Execute an UPDATE or DELETE, and return the number of rows that it has changed."""
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount


def parts(keys: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield the keys in parts, each few enough for the parameters of one query."""
    for start in range(0, len(keys), _AT_A_TIME):
        yield keys[start : start + _AT_A_TIME]
