"""Migrations end at the schema of the records, on both databases; writers of SQLite wait for each other."""

import threading

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text

from submissions.database import Database
from submissions.migrations import migrate
from submissions.records import Record, UserRecord


def test_the_migrated_schema_is_the_schema_of_the_records(any_db: Database) -> None:
    with any_db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Record.metadata) == []


def test_migrating_again_changes_nothing(any_db: Database) -> None:
    with any_db.write() as session:
        session.add(UserRecord(name="ada", name_key="ada"))
    migrate(any_db)
    with any_db.read() as session:
        assert session.scalars(select(UserRecord.name)).all() == ["ada"]


def test_a_block_that_raises_writes_nothing(any_db: Database) -> None:
    try:
        with any_db.write() as session:
            session.add(UserRecord(name="ada", name_key="ada"))
            session.flush()
            raise RuntimeError("halfway")
    except RuntimeError:
        pass
    with any_db.read() as session:
        assert session.scalars(select(UserRecord.name)).all() == []


def test_a_read_session_writes_nothing(any_db: Database) -> None:
    with any_db.read() as session:
        session.add(UserRecord(name="ada", name_key="ada"))
        session.flush()
    with any_db.read() as session:
        assert session.scalars(select(UserRecord.name)).all() == []


def test_times_come_back_in_utc(any_db: Database) -> None:
    made = UserRecord(name="ada", name_key="ada")
    with any_db.write() as session:
        session.add(made)
    with any_db.read() as session:
        read = session.scalars(select(UserRecord)).one()
        assert read.created_at == made.created_at
        assert read.created_at.utcoffset() is not None


def test_many_threads_that_read_and_then_write_all_succeed(any_db: Database) -> None:
    with any_db.write() as session:
        session.execute(text("CREATE TABLE counter (n INTEGER)"))
        session.execute(text("INSERT INTO counter VALUES (0)"))
    lock_clause = " FOR UPDATE" if any_db.engine.dialect.name == "postgresql" else ""

    def count_up() -> None:
        for _ in range(10):
            with any_db.write() as session:
                number = session.scalar(text(f"SELECT n FROM counter{lock_clause}"))
                session.execute(text("UPDATE counter SET n = :n"), {"n": (number or 0) + 1})

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with any_db.read() as session:
        assert session.scalar(text("SELECT n FROM counter")) == 40
