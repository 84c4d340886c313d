"""PostgreSQL restarted, its connections cut; SQLite locked by somebody else."""

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from random import Random

import psycopg

from tests.chaos.faults.kind import Function, Kind
from tests.chaos.programs import Program
from tests.chaos.site import Site

TARGET = "database"


def restarted(number: signal.Signals) -> Function:
    """PostgreSQL is ended by this signal, and started again when the fault ends."""

    @contextmanager
    def function(site: Site, worker: Program, rng: Random) -> Iterator[str]:
        assert site.postgres is not None
        site.postgres.end(number)
        try:
            yield number.name
        finally:
            site.postgres.start()

    return function


@contextmanager
def cut(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    """Every connection of every process is ended by the server."""
    assert site.postgres is not None
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = %s AND pid <> %s"
    with psycopg.connect(site.postgres.url, autocommit=True) as connection:
        ended = connection.execute(others, ("client backend", connection.info.backend_pid)).rowcount
    yield f"{ended} connections"


@contextmanager
def locked(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    """Somebody holds SQLite's only write lock, as a backup or a shell that was left open does."""
    path = site.settings.home / "gengap.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield "its write lock"
        connection.execute("ROLLBACK")


KINDS = (
    Kind("PostgreSQL restarted", TARGET, (5, 40), restarted(signal.SIGINT), "postgresql"),
    Kind("PostgreSQL restarted at once", TARGET, (5, 40), restarted(signal.SIGQUIT), "postgresql"),
    Kind("connections cut", TARGET, (0, 0), cut, "postgresql"),
    Kind("SQLite locked", TARGET, (5, 400), locked, "sqlite"),
)
