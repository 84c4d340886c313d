"""The history of one submission, for whoever looks into a violation: its rows, its faults, what the logs say of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tests.chaos.site import Site
from tests.chaos.storm import Injected

MARGIN = timedelta(seconds=2)
LOG_LINES = 12
_TABLES = {
    "submissions": "SELECT * FROM submissions WHERE id = :id",
    "evaluations": "SELECT * FROM evaluations WHERE submission_id = :id ORDER BY id",
    "runs": "SELECT r.* FROM runs r JOIN evaluations e ON e.id = r.evaluation_id WHERE e.submission_id = :id"
    " ORDER BY r.id",
    "failures": "SELECT f.* FROM failures f JOIN runs r ON r.id = f.run_id JOIN evaluations e ON e.id = r.evaluation_id"
    " WHERE e.submission_id = :id",
    "notifications": "SELECT * FROM notifications WHERE submission_id = :id ORDER BY id",
}
_DULL = frozenset({"report", "layers", "bundle_sha256", "filename", "description", "link", "needs", "text"})


def history(site: Site, faults: Sequence[Injected], submission_id: int) -> Iterator[str]:
    """Lines on the submission: its rows as they are at the end, what happened to the installation in its life."""
    rows = {name: _rows(site, query, submission_id) for name, query in _TABLES.items()}
    for name, found in rows.items():
        for row in found:
            yield f"{name}: " + ", ".join(f"{key}={value}" for key, value in row.items() if _tells(key, value))
    for submission in rows["submissions"]:
        for fault in around(faults, submission["created_at"], submission["finished_at"]):
            yield f"fault at {fault.began_at:%H:%M:%S.%f}: {fault.kind.name} ({fault.victim})"
    yield from _log_lines(site, submission_id)


def around(faults: Sequence[Injected], begin: object, end: object) -> list[Injected]:
    """The faults that were active between two moments as the database has them; end None: until now."""
    first, last = _moment(begin), _moment(end)
    return [
        fault
        for fault in faults
        if (last is None or fault.began_at <= last + MARGIN)
        and (first is None or (fault.ended_at or fault.began_at) >= first - MARGIN)
    ]


def lives(site: Site) -> Mapping[int, tuple[object, object]]:
    """When each submission was created and ended."""
    with site.db.read() as session:
        rows = session.execute(text("SELECT id, created_at, finished_at FROM submissions"))
        return {row[0]: (row[1], row[2]) for row in rows}


def _moment(value: object) -> datetime | None:
    """SQLite has times as text without a zone."""
    if isinstance(value, str):
        value = datetime.fromisoformat(f"{value}+00:00")
    assert value is None or isinstance(value, datetime)
    return value


def _rows(site: Site, query: str, submission_id: int) -> list[dict[str, Any]]:
    """The rows; of a table that has changed, what the database says of the query: a history is no check."""
    try:
        with site.db.read() as session:
            return [dict(row) for row in session.execute(text(query), {"id": submission_id}).mappings()]
    except SQLAlchemyError as error:
        return [{"cannot be read": error}]


def _tells(key: str, value: object) -> bool:
    return key not in _DULL and value not in (None, "", False, 0)


def _log_lines(site: Site, submission_id: int) -> Iterator[str]:
    wanted = re.compile(rf"submission {submission_id}\b")
    for program in site.programs:
        lines = [line for line in program.log.read_text(errors="replace").splitlines() if wanted.search(line)]
        yield from (f"{program.name}: {line}" for line in lines[:LOG_LINES])
