"""The time that everything goes by: the database's, because the clocks of several machines differ.

A process asks its database for the time before its first transaction and every `ASK_EVERY_S` seconds (`Database` does
this). In between, the time is counted by a clock of the kernel that nobody can set. So leases, pauses, deadlines and
quotas agree on all machines, whatever their own clocks show. One process works with one database.
"""

import time
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Connection

ASK_EVERY_S = 10.0
TOLERANCE_S = 0.05  # a smaller difference is not corrected, so that the time does not jump back and forth
SLOW_S = 1.0  # after an answer that took longer, the next transaction asks again
_QUERIES = {"postgresql": "SELECT clock_timestamp()", "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"}
_COUNTER = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps, where there is one


class Clock:
    """The database's time, kept by this process. Until a database has answered, it is that of this machine."""

    def __init__(self) -> None:
        self._anchor = datetime.now(UTC), _elapsed_s()  # noqa: TID251  (until a database has answered)
        self._asks_at = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the database is to be asked again."""
        return _elapsed_s() >= self._asks_at

    def now(self) -> datetime:
        """Return the time of the database, with the zone UTC."""
        return self._at(_elapsed_s())

    def keep(self, connection: Connection) -> None:
        """Ask the database for its time, and correct this clock where the answer contradicts it.

        A slow answer contradicts little: it may have been given at any moment since it was asked for.
        """
        sent_s = _elapsed_s()
        answer = ask(connection)
        got_s = _elapsed_s()
        took, tolerance = timedelta(seconds=got_s - sent_s), timedelta(seconds=TOLERANCE_S)
        if not answer - tolerance <= self._at(got_s) <= answer + took + tolerance:
            self._anchor = answer + took / 2, got_s
        self._asks_at = got_s if got_s - sent_s > SLOW_S else got_s + ASK_EVERY_S

    def _at(self, elapsed_s: float) -> datetime:
        moment, counted_from_s = self._anchor
        return moment + timedelta(seconds=elapsed_s - counted_from_s)


def ask(connection: Connection) -> datetime:
    """Return what the database's clock shows now. SQLite has none of its own: it reads the machine's.

    The statement does not appear among those of the caller: it goes to the driver directly. Raises the driver's errors.
    """
    cursor = connection.connection.cursor()
    try:
        cursor.execute(_QUERIES[connection.dialect.name])
        row = cursor.fetchone()
    finally:
        cursor.close()
    assert row is not None
    shown = datetime.fromisoformat(row[0]).replace(tzinfo=UTC) if isinstance(row[0], str) else row[0]
    return shown.astimezone(UTC)


def skew_s(connection: Connection) -> float:
    """Return by how many seconds this machine's own clock is ahead of the database's; negative where it is behind."""
    ask(connection)  # the first answer of a new connection is slow
    before = time.time()  # noqa: TID251  (this machine's own clock is what is looked at)
    answer = ask(connection).timestamp()
    after = time.time()  # noqa: TID251
    return (before + after) / 2 - answer


def _elapsed_s() -> float:
    return time.clock_gettime(_COUNTER)


CLOCK = Clock()


def utc_now() -> datetime:
    """Return the current time of the database, with the zone UTC."""
    return CLOCK.now()
