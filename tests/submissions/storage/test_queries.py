"""Pieces of queries: long lists of keys in parts, dictionaries, counts; and copies of records for readers."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from submissions.storage.database import Database
from submissions.storage.queries import as_dict, count, parts
from submissions.storage.records import SubmissionRecord, UserRecord, copied
from tests.records import Records


@dataclass(frozen=True)
class Named:
    id: int
    name: str
    score: float | None


@pytest.mark.parametrize("length", [0, 1, 500, 501, 1234])
def test_parts_hold_every_key_once_and_in_order(length: int) -> None:
    keys = list(range(length))
    found = list(parts(keys))
    assert [key for part in found for key in part] == keys
    assert all(0 < len(part) <= 500 for part in found)


def test_a_copy_has_what_is_given_and_the_rest_of_its_record(any_db: Database, tmp_path: Path) -> None:
    records = Records(any_db, tmp_path)
    submission_id = records.submission(records.phase(), name="Norm")
    with any_db.read() as session:
        submission = session.get_one(SubmissionRecord, submission_id)
        submission.score = 77.0
        assert copied(Named, submission, score=None) == Named(submission_id, "Norm", None)
        assert count(session, SubmissionRecord, SubmissionRecord.id == submission_id) == 1
        names = as_dict(session, select(UserRecord.id, UserRecord.name))
    assert names[records.ann] == "ann"
