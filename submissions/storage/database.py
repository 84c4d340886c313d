"""Access to the database: engines for SQLite (WAL) and PostgreSQL, read and write sessions."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session

from submissions.storage.clock import CLOCK

PATIENCE_S = 30.0


class Database:
    """One engine with read and write sessions; on SQLite a write session takes the lock at its start.

    With BEGIN IMMEDIATE, two writers wait for each other; upgrading a read lock later would fail at once with "database
    is locked". `patience_s` is how long one waits for that lock, on PostgreSQL for a new connection.
    """

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S) -> None:
        self.url = url
        self.engine = _engine(url, patience_s)
        self._writer = self.engine.execution_options(gengap_write=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session for reading; its changes are discarded."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session for one transaction: committed at the end of the block, rolled back by an exception."""
        with Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _engine(url: str, patience_s: float) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql" and parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        connect = {"connect_timeout": max(2, round(patience_s))} if parsed.drivername == "postgresql+psycopg" else {}
        engine = create_engine(parsed, pool_pre_ping=True, pool_timeout=patience_s, connect_args=connect)
        event.listen(engine, "begin", _keep_time)
        return engine
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = create_engine(parsed, connect_args={"timeout": patience_s})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _keep_time)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: DBAPIConnection, _record: Any) -> None:
    connection.isolation_level = None  # we emit BEGIN ourselves
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("gengap_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _keep_time(connection: Connection) -> None:
    """Ask for the time, if it is due. Where this fails, the transaction's own statements fail too, and say why."""
    if CLOCK.is_due:
        with suppress(connection.dialect.loaded_dbapi.Error):
            CLOCK.keep(connection)
