"""Two transactions that overlap in a way that a test chooses, on PostgreSQL, without a clock."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from submissions.storage.database import Database
from tests.services import START_S, wait_until

First = TypeVar("First")
Second = TypeVar("Second")
_WAITING = text(
    "SELECT EXISTS (SELECT 1 FROM pg_stat_activity"
    " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0)"
)


def overlap(
    db: Database, first: Callable[[], First], second: Callable[[], Second], *, at: str = "COMMIT"
) -> tuple[First, Second]:
    """What two acts return, each in a thread, of which `first` stops before its first statement with `at` in it.

    Meanwhile `second` runs until it ends or waits for a lock; then `first` goes on.
    """
    here = threading.local()
    stopped, go_on = threading.Event(), threading.Event()

    def stop(statement: str) -> None:
        if getattr(here, "is_first", False) and at in statement and not stopped.is_set():
            stopped.set()
            assert go_on.wait(START_S)

    def before_statement(_connection: Connection, _cursor: object, statement: str, *_: Any) -> None:
        stop(statement)

    def before_commit(_connection: Connection) -> None:
        stop("COMMIT")

    def run_first() -> First:
        here.is_first = True
        return first()

    def is_waiting() -> bool:
        with db.read() as session:
            return bool(session.scalar(_WAITING))

    listeners = (("before_cursor_execute", before_statement), ("commit", before_commit))
    for name, listener in listeners:
        event.listen(db.engine, name, listener)
    try:
        with ThreadPoolExecutor(2) as pool:
            try:
                one = pool.submit(run_first)
                wait_until(lambda: stopped.is_set() or one.done(), f"the first to come to {at}")
                assert stopped.is_set(), f"the first has ended without {at}"
                other = pool.submit(second)
                wait_until(lambda: other.done() or is_waiting(), "the second to end or to wait")
            finally:
                go_on.set()
            return one.result(), other.result()
    finally:
        for name, listener in listeners:
            event.remove(db.engine, name, listener)
