"""What the queue costs on PostgreSQL as it grows, and how many values it records: `python -m benchmarks.queue [sizes]`.

Submissions of 50 entrants over one zoo of 100 networks wait; then 32 threads claim and record over a zoo that has so
many networks that nothing ends, so that no score is computed. The server is one of its own with PostgreSQL's defaults:
every commit is on the disk. Times are wall times of the client, and seconds of its processor.
"""

import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from sqlalchemy import event, text, update
from sqlalchemy.orm import Session

from submissions.evaluation import queue
from submissions.intake.bundle_store import BundleStore
from submissions.storage.database import Database
from submissions.storage.records import EvaluationRecord, SubmissionRecord, ZooRecord
from tests.databases import on_postgres
from tests.factories import Competition, make_competition, make_tiny_zoo
from tests.services import postgres_server

SIZES = (100, 1000, 10_000, 100_000)
ENTRANTS, NETWORKS, ENDLESS, ROUNDS = 50, 100, 20_000, 60
THREADS, SECONDS, LEASE_S = 32, 15.0, 600.0


@contextmanager
def filled(server: str, waiting: int, networks: int) -> Iterator[Competition]:
    """A phase in which so many submissions wait, each with so many networks; those of the first fifty by the door."""
    with on_postgres(server, migrated=True) as db, tempfile.TemporaryDirectory(prefix="gengap-queue-") as folder:
        zoo = make_tiny_zoo(Path(folder) / "zoo")
        store = BundleStore(Path(folder) / "home" / "store")
        competition = make_competition(db, store, [zoo], daily_quota=1000, smoke_networks=0)
        sizes = {f"{number:012x}": 1000 + number for number in range(networks)}
        with db.write() as session:
            session.execute(update(ZooRecord).values(weight_bytes=sizes, networks=networks))
        for number in range(ENTRANTS):
            competition.submit(competition.user(f"user{number}"))
        with db.write() as session:
            _copy(session, waiting // ENTRANTS - 1)
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        yield competition


def _copy(session: Session, times: int) -> None:
    """Add copies of all submissions with their evaluations, of which nothing is claimed yet."""
    submission = ", ".join(one.name for one in SubmissionRecord.__table__.columns if one.name != "id")
    names = [one.name for one in EvaluationRecord.__table__.columns if one.name not in ("id", "submission_id")]
    evaluation = ", ".join(names)
    session.execute(
        text(f"INSERT INTO submissions ({submission}) SELECT {submission} FROM submissions, generate_series(1, :n)"),
        {"n": times},
    )
    session.execute(
        text(
            f"INSERT INTO evaluations (submission_id, {evaluation})"
            f" SELECT s.id, {', '.join('e.' + name for name in names)} FROM submissions s"
            " JOIN submissions f ON f.user_id = s.user_id AND f.id < s.id JOIN evaluations e ON e.submission_id = f.id"
            " WHERE NOT EXISTS (SELECT 1 FROM evaluations o WHERE o.submission_id = s.id)"
        )
    )
    session.execute(
        text("UPDATE queue_shares q SET waiting = (SELECT sum(e.waiting) FROM evaluations e WHERE e.share_id = q.id)")
    )


@contextmanager
def counted(db: Database) -> Iterator[Counter[str]]:
    """Count the statements of all threads."""
    found: Counter[str] = Counter()

    def before(_connection: object, _cursor: object, _statement: str, *_: object) -> None:
        found["statements"] += 1

    event.listen(db.engine, "before_cursor_execute", before)
    yield found
    event.remove(db.engine, "before_cursor_execute", before)


def costs(act: Callable[[int], object], rounds: int = ROUNDS) -> tuple[float, float, float]:
    """Median and 95th percentile of the wall time, and the mean processor time of this process, in ms."""
    walls, start = [], time.process_time()
    for number in range(rounds):
        begun = time.perf_counter()
        act(number)
        walls.append(1000 * (time.perf_counter() - begun))
    return median(walls), sorted(walls)[int(0.95 * rounds)], 1000 * (time.process_time() - start) / rounds


def measure(db: Database) -> tuple[float, ...]:
    """The numbers of a row of the first table. A claim's are those of the second batch of a submission and later."""

    def claim(number: int) -> None:
        queue.claim(db, f"w{number}", batch=queue.BATCH, lease_s=LEASE_S)

    costs(claim)
    with counted(db) as found:
        claimed, high, cpu = costs(claim)
    sweep, *_ = costs(lambda _: queue.sweep(db))
    count, *_ = costs(lambda _: queue.pending(db))
    with db.write() as session:
        session.execute(text("UPDATE queue_shares SET waiting = 0"))
    idle, *_ = costs(claim)
    return claimed, high, cpu, found["statements"] / ROUNDS, sweep, count, idle


def backlog(server: str, sizes: tuple[int, ...]) -> Table:
    table = Table(title=f"ms on PostgreSQL; {ENTRANTS} entrants, {NETWORKS} networks a submission")
    for heading in ("waiting", "networks", "claim", "95 %", "CPU", "statements", "sweep", "count", "idle claim"):
        table.add_column(heading, justify="right")
    for size in sizes:
        with filled(server, size, NETWORKS) as competition:
            networks = queue.pending(competition.db)
            table.add_row(f"{size:,}", f"{networks:,}", *(f"{number:.1f}" for number in measure(competition.db)))
    return table


def throughput(server: str, waiting: int) -> Table:
    table = Table(title=f"Values a second, {THREADS} threads of one process, {waiting} submissions")
    for heading in ("values", "seconds", "a second", "CPU ms a value", "statements a value"):
        table.add_column(heading, justify="right")
    with filled(server, waiting, ENDLESS) as competition:
        end = time.monotonic() + SECONDS
        done: list[int] = []

        def work(number: int) -> None:
            mine = 0
            while time.monotonic() < end:
                claim = competition.claim(f"w{number}", batch=queue.BATCH)
                for run in claim.runs if claim is not None else ():
                    mine += competition.record(claim, run) if claim is not None else 0
            done.append(mine)

        start, cpu = time.monotonic(), time.process_time()
        with counted(competition.db) as found:
            threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        took, cpu, values = time.monotonic() - start, time.process_time() - cpu, sum(done)
        numbers = (took, values / took, 1000 * cpu / values, found["statements"] / values)
        table.add_row(f"{values:,}", *(f"{number:.1f}" for number in numbers))
    return table


def main() -> None:
    sizes = tuple(int(size) for size in sys.argv[1:]) or SIZES
    with postgres_server(options=()) as server:
        Console().print(backlog(server, sizes))
        Console().print(throughput(server, 64 * ENTRANTS))


if __name__ == "__main__":
    main()
