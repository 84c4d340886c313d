"""Lists of a person's own submissions and notifications beside a million others, on PostgreSQL and on SQLite.

    python -m benchmarks.own_lists [number of submissions]

Prints the median time of each query, and which of them read a whole table. The earlier query for the list, with one
condition for the person or their teams, is there for comparison.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, event, func, insert, or_, select, text
from sqlalchemy.orm import Session

from submissions.competitions.competitions import find_competition
from submissions.intake.listing import own_phases, own_submissions
from submissions.leaderboard.entrants import team_ids_of
from submissions.leaderboard.shown_names import is_taken
from submissions.messages.notifications import notices_of
from submissions.people import teams
from submissions.storage.database import Database
from submissions.storage.records import NotificationRecord, PhaseRecord, SubmissionRecord, UserRecord
from tests.databases import on_postgres, ready
from tests.records import START, Records
from tests.services import postgres_server

SUBMISSIONS = 1_000_000
PEOPLE = 10_000  # so that each has a hundred
TEAMS_EVERY = 1000  # one submission in so many is the team's
REPEATS = 9
_SCANS = {"postgresql": "Seq Scan on ", "sqlite": "SCAN "}
_LARGE = ("submissions", "notifications", "evaluations")

Ask = Callable[[Session], object]


def fill(records: Records, submissions: int) -> int:
    """Write so many submissions, each with a notification, in two phases; return the id of ann's team."""
    db = records.db
    phases = [records.phase("first"), records.phase("second")]
    with db.read() as session:
        competition = find_competition(session, "demo")
    assert competition is not None
    team_id = teams.create_team(db, competition.id, records.ann, "Gaps")
    with db.write() as session:
        first = (session.scalar(select(func.max(UserRecord.id))) or 0) + 1
        people = [{"name": f"p{one}", "name_key": f"p{one}", "skeleton": f"q{one}"} for one in range(PEOPLE - 1)]
        session.execute(insert(UserRecord), [{"role": "participant", "created_at": START, **one} for one in people])
        made = SubmissionRecord(
            phase_id=phases[0], user_id=records.ann, name="m", entrant="u1", filename="m.py", bundle_sha256="0" * 64
        )
        session.add(made)
        session.flush()
        columns = [column.name for column in SubmissionRecord.__table__.columns]
        names = ", ".join(columns)
        written = 1
        while written < submissions:
            more = min(written, submissions - written)
            number = f"(id + {written})"
            place = f"({number} % {PEOPLE})"
            changed = {
                "id": number,
                "user_id": f"CASE WHEN {place} = 0 THEN {records.ann} ELSE {first - 1} + {place} END",
                "phase_id": f"CASE WHEN {number} % 2 = 0 THEN {phases[0]} ELSE {phases[1]} END",
                "team_id": f"CASE WHEN {number} % {TEAMS_EVERY} = 1 THEN {team_id} END",
                "parent_id": f"CASE WHEN {number} % 3 = 0 THEN id END",
                "state": f"CASE WHEN {number} % 5 = 0 THEN 'failed' ELSE 'scored' END",
            }
            values = ", ".join(changed.get(name, name) for name in columns)
            rows = f"SELECT {values} FROM submissions WHERE id <= {more}"
            session.execute(text(f"INSERT INTO submissions ({names}) {rows}"))
            written += more
        session.execute(
            text(
                "INSERT INTO notifications (user_id, text, submission_id, at) "
                "SELECT user_id, 'It is scored.', id, created_at FROM submissions"
            )
        )
        session.execute(
            text(
                "INSERT INTO evaluations (submission_id, zoo_id, attempt, position, networks, purpose, state) "
                "SELECT id, 1, 1, 0, 96, 'score', state FROM submissions"
            )
        )
    with db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("ANALYZE")
    return team_id


def naive(session: Session, user_id: int) -> object:
    """The first page of the list, and its length, with one condition for what is the person's or their teams'."""
    own = or_(SubmissionRecord.user_id == user_id, SubmissionRecord.team_id.in_(team_ids_of(user_id)))
    count = select(func.count(SubmissionRecord.id)).join(SubmissionRecord.phase).where(own)
    page = select(SubmissionRecord).join(SubmissionRecord.phase).where(own).order_by(SubmissionRecord.id.desc())
    return session.scalar(count), session.scalars(page.limit(50)).all()


def questions(records: Records, team_id: int) -> dict[str, Ask]:
    """What is measured, by name."""
    ann = records.ann
    return {
        "own submissions, first page": lambda session: own_submissions(session, ann),
        "own submissions, fifth page": lambda session: own_submissions(session, ann, page=5),
        "own submissions of a phase": lambda session: own_submissions(session, ann, phase_id=1),
        "the same as one condition, earlier": lambda session: naive(session, ann),
        "own phases": lambda session: own_phases(session, ann),
        "a team's submissions": lambda session: own_submissions(session, ann, team_id=team_id),
        "notifications": lambda session: notices_of(session, ann),
        "notifications of a submission": lambda session: session.scalars(
            select(NotificationRecord.id).where(NotificationRecord.submission_id == 5000)
        ).all(),
        "resubmissions of a submission": lambda session: session.scalars(
            select(SubmissionRecord.id).where(SubmissionRecord.parent_id == 5000)
        ).all(),
        "a new name": lambda session: is_taken(session, "somebody", None),
        "phases": lambda session: session.scalars(select(PhaseRecord)).all(),
    }


@contextmanager
def _explained(db: Database, found: list[str]) -> Iterator[None]:
    """Collect which large tables the statements in the block read as a whole."""
    kind = db.engine.dialect.name
    asking: list[bool] = []

    def explain(connection: Connection, _cursor: object, statement: str, parameters: object, *_rest: object) -> None:
        if asking or not statement.startswith("SELECT"):
            return
        asking.append(True)
        how = "EXPLAIN " if kind == "postgresql" else "EXPLAIN QUERY PLAN "
        plan = connection.exec_driver_sql(how + statement, parameters)  # type: ignore[arg-type]
        lines = [str(row[-1]).strip().removeprefix("->").strip() for row in plan]
        found.extend(
            table
            for line in lines
            for table in _LARGE
            if line.startswith(f"{_SCANS[kind]}{table}") and "USING" not in line
        )
        asking.clear()

    event.listen(db.engine, "before_cursor_execute", explain)
    yield
    event.remove(db.engine, "before_cursor_execute", explain)


def measure(console: Console, db: Database, submissions: int, folder: Path) -> None:
    records = Records(db, folder)
    start = time.perf_counter()
    team_id = fill(records, submissions)
    took_s = time.perf_counter() - start
    table = Table(
        "query", "median", "reads a whole table", title=f"{db.engine.dialect.name}, {submissions:,} submissions"
    )
    for name, ask in questions(records, team_id).items():
        times, whole = [], list[str]()
        for _ in range(REPEATS):
            with db.read() as session:
                session.connection()
                start = time.perf_counter()
                ask(session)
                times.append(time.perf_counter() - start)
        with _explained(db, whole), db.read() as session:
            ask(session)
        table.add_row(name, f"{1000 * statistics.median(times):.1f} ms", ", ".join(dict.fromkeys(whole)))
    console.print(table)
    console.print(f"filled in {took_s:.0f} s")


def main() -> None:
    submissions = int(sys.argv[1]) if len(sys.argv) > 1 else SUBMISSIONS
    console = Console(width=120)
    with tempfile.TemporaryDirectory(prefix="gengap-own-lists-") as name:
        folder = Path(name)
        with postgres_server() as url, on_postgres(url, migrated=True) as db:
            measure(console, db, submissions, folder / "postgresql")
        sqlite = ready(Database(f"sqlite:///{folder}/home/gengap.sqlite"))
        measure(console, sqlite, submissions, folder / "sqlite")
        sqlite.close()


if __name__ == "__main__":
    main()
