"""Sessions on both databases: found by their key alone, noted now and then, over after thirty days, ended."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select

from submissions.people import sessions
from submissions.storage.database import Database
from submissions.storage.records import SessionRecord, UserRecord
from tests.records import START, Records


def _open(db: Database, user_id: int) -> Sequence[SessionRecord]:
    with db.read() as session:
        return sessions.sessions_of(session, user_id, START)


def test_a_session_is_found_by_its_users_id_and_its_key_alone(records: Records) -> None:
    db = records.db
    key = sessions.begin(db, records.ann, "Firefox", START)
    found = sessions.find(db, records.ann, key, START)
    assert found is not None
    assert (found.user.name, found.session_id) == ("ann", _open(db, records.ann)[0].id)
    assert sessions.find(db, records.bob, key, START) is None
    assert sessions.find(db, records.ann, key[:-1], START) is None
    assert sessions.find(db, records.ann, "", START) is None


def test_the_database_does_not_hold_the_key(records: Records) -> None:
    key = sessions.begin(records.db, records.ann, "Firefox", START)
    with records.db.read() as session:
        stored = session.scalars(select(SessionRecord.key_sha256)).one()
    assert key not in stored
    assert sessions.find(records.db, records.ann, stored, START) is None


@pytest.mark.parametrize(("minutes", "noted"), [(0, 0), (4, 0), (5, 5), (60, 60)])
def test_being_seen_is_noted_every_five_minutes(records: Records, minutes: int, noted: int) -> None:
    key = sessions.begin(records.db, records.ann, "Firefox", START)
    sessions.find(records.db, records.ann, key, START + timedelta(minutes=minutes))
    assert _open(records.db, records.ann)[0].seen_at == START + timedelta(minutes=noted)


def test_a_session_that_was_not_seen_for_thirty_days_is_over_and_leaves_the_table(records: Records) -> None:
    db, later = records.db, START + timedelta(days=30)
    key = sessions.begin(db, records.ann, "Firefox", START)
    assert sessions.find(db, records.ann, key, later) is None
    sessions.begin(db, records.ann, "Chrome", later)
    with db.read() as session:
        assert session.scalars(select(SessionRecord.browser)).all() == ["Chrome"]


def test_one_session_or_all_others_can_be_ended_but_only_by_whose_they_are(records: Records) -> None:
    db = records.db
    kept, _other, third = (sessions.begin(db, records.ann, name, START) for name in ("a", "b", "c"))
    bobs = sessions.begin(db, records.bob, "d", START)
    found = sessions.find(db, records.ann, third, START)
    assert found is not None
    assert not sessions.end(db, records.bob, found.session_id)
    assert sessions.end(db, records.ann, found.session_id)
    assert not sessions.end(db, records.ann, found.session_id)
    assert sessions.find(db, records.ann, third, START) is None
    here = sessions.find(db, records.ann, kept, START)
    assert here is not None
    with db.write() as session:
        sessions.end_others(session, records.ann, here.session_id)
    assert [one.browser for one in _open(db, records.ann)] == ["a"]
    assert sessions.find(db, records.bob, bobs, START) is not None
    with db.write() as session:
        sessions.end_others(session, records.ann, None)
    assert _open(db, records.ann) == []


def test_a_deleted_account_has_no_session(records: Records) -> None:
    key = sessions.begin(records.db, records.ann, "Firefox", START)
    with records.db.write() as session:
        session.get_one(UserRecord, records.ann).deleted_at = START
    assert sessions.find(records.db, records.ann, key, START) is None


def test_a_browser_that_says_much_of_itself_is_cut(records: Records) -> None:
    sessions.begin(records.db, records.ann, "x" * 1000, START)
    assert len(_open(records.db, records.ann)[0].browser) == sessions.BROWSER_LENGTH
