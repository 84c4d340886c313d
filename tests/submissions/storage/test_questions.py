"""Questions: what SQLAlchemy would answer, on both databases."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Integer, Select, bindparam, func, select, true
from sqlalchemy.exc import OperationalError

from submissions.storage.database import Database
from submissions.storage.questions import Question
from submissions.storage.records import EvaluationRecord, PhaseRecord, SubmissionRecord, UserRecord, utc_now
from submissions.storage.states import State
from tests.records import Records

pytestmark = pytest.mark.both_databases

_STATEMENTS: Mapping[str, Select[*tuple[Any, ...]]] = {
    "moments, states, switches and what is missing": select(
        *(SubmissionRecord.id, SubmissionRecord.created_at, SubmissionRecord.state, SubmissionRecord.is_hidden),
        *(SubmissionRecord.score, SubmissionRecord.reason, SubmissionRecord.name, PhaseRecord.hidden),
    )
    .join(PhaseRecord)
    .where(SubmissionRecord.state == bindparam("state"), SubmissionRecord.is_hidden == bindparam("hidden"))
    .order_by(SubmissionRecord.id),
    "constants among the parameters": select(
        func.count(SubmissionRecord.id), func.max(SubmissionRecord.id) + 7, bindparam("more", 3, Integer)
    ).where(SubmissionRecord.state != State.RUNNING, SubmissionRecord.id > bindparam("above")),
    "a moment and a name": select(UserRecord.id, UserRecord.created_at).where(
        UserRecord.created_at <= bindparam("until"), UserRecord.name == bindparam("name")
    ),
    "numbers": select(func.sum(EvaluationRecord.networks), func.avg(EvaluationRecord.position)).where(true()),
}


def _fill(records: Records) -> None:
    phase = records.phase()
    records.submission(phase, cmi=(0.125, 0.5), name="Größe % ?")
    records.submission(phase, done=3)
    records.submission(phase)


@pytest.mark.parametrize("what", _STATEMENTS)
def test_an_answer_is_what_sqlalchemy_gives(any_db: Database, records: Records, what: str) -> None:
    _fill(records)
    values: dict[str, list[dict[str, Any]]] = {
        "moments, states, switches and what is missing": [
            {"state": state, "hidden": hidden} for state in State for hidden in (False, True)
        ],
        "constants among the parameters": [{"above": above} for above in (0, 1, 10**6)],
        "a moment and a name": [{"until": utc_now(), "name": name} for name in ("ann", "nobody", "%", "'; --")],
        "numbers": [{}],
    }
    question = Question(_STATEMENTS[what])
    for named in values[what]:
        with any_db.read() as session:
            expected = session.execute(_STATEMENTS[what], named).first()
        assert question.ask(any_db, **named) == (None if expected is None else tuple(expected))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(name=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_no_text_gets_into_the_query(any_db: Database, name: str) -> None:
    question = Question(select(bindparam("name", "", UserRecord.name.type)).where(true()))
    assert question.ask(any_db, name=name) == (name,)


def test_it_leaves_the_connection_as_it_was_also_after_an_error(any_db: Database, records: Records) -> None:
    wrong = Question(select(func.no_such_function(bindparam("x", type_=Integer))))
    for _ in range(30):  # more than the pool has
        with pytest.raises(OperationalError):
            wrong.ask(any_db, x=1)
    right = Question(select(func.count(UserRecord.id)))
    (before,) = right.ask(any_db) or (None,)
    with any_db.write() as session:
        session.add(UserRecord(name="cyd", name_key="cyd"))
    assert right.ask(any_db) == (before + 1,)


def test_a_list_is_refused(any_db: Database) -> None:
    with pytest.raises(TypeError, match="takes no lists"):
        Question(select(UserRecord.id).where(UserRecord.id.in_([1, 2]))).ask(any_db)
