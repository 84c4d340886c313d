"""What pages cost the server: CPU time per view of its process, beside the naive way, as boards grow.

Run with `python -m benchmarks.pages [entrants …]`. The real application runs under waitress with two threads on SQLite,
over phases with 20 submissions of each entrant. A client asks over connections that stay open; its own time does not
count. The naive way, in the same processes: every submission of the phase read and ranked in the request, the same
template rendered. A change is a new score of some submission, written as a worker writes it. Times are medians.
"""

import http.client
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from benchmarks.boards import NOTHING, SUBMISSIONS, change, fill, give_reports
from scoring import compare
from server.app import create_app
from server.demo.processes import free_port
from submissions.leaderboard import rank_intervals
from submissions.results.jackknives import jackknives_of
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from submissions.storage.records import StandingRecord
from tests.records import Records
from tests.server.site import Browser

SIZES = (100, 500, 1000, 5000, 10_000)  # entrants
ROUNDS, VIEWS, CHANGES, NAIVE_VIEWS = 5, 60, 15, 1
THREADS = 2
INTERVALS = (500, 2000)
NAIVE_ENTRANTS = 40
PROGRAM = """
import logging, waitress
from benchmarks.boards import app_with_naive_ways
logging.disable()
waitress.serve(app_with_naive_ways(), listen="127.0.0.1:{port}", threads={threads})
"""


class StatusError(Exception):
    """A page answered otherwise than it must for its cost to mean anything."""


@dataclass(frozen=True)
class Server:
    """The server's process. CPU time: user and system, of all threads, to the nanosecond (clock_getcpuclockid)."""

    pid: int
    port: int

    def cpu_ms(self) -> float:
        return time.clock_gettime_ns((~self.pid << 3) | 2) / 1e6

    def costs(self, act: Callable[[], object]) -> float:
        before = self.cpu_ms()
        act()
        time.sleep(0.005)  # for what the server does after its answer
        return self.cpu_ms() - before


class Client:
    """A reader with several connections."""

    def __init__(self, server: Server, cookie: str = "") -> None:
        self._connections = [http.client.HTTPConnection("127.0.0.1", server.port) for _ in range(2 * THREADS)]
        self._headers = {"Cookie": cookie} if cookie else {}
        self._turn = 0

    def get(self, path: str, etag: str = "") -> tuple[int, bytes, str]:
        self._turn = (self._turn + 1) % len(self._connections)
        connection = self._connections[self._turn]
        connection.request("GET", path, headers=self._headers | ({"If-None-Match": etag} if etag else {}))
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers.get("ETag", "")

    def warm(self, path: str) -> tuple[bytes, str]:
        """The page, after the server has it."""
        for _ in range(4 * len(self._connections)):
            _, content, etag = self.get(path)
        return content, etag


@contextmanager
def serving(settings: Settings) -> Iterator[Server]:
    port = free_port()
    environment = {
        **os.environ,
        **{
            "GENGAP_HOME": str(settings.home),
            "GENGAP_RATE_READING": "999999/second",
            "GENGAP_RATE_POLLING": "999999/second",
            "PYTHONPATH": str(Path.cwd()),
        },
    }
    command = [sys.executable, "-c", PROGRAM.format(port=port, threads=THREADS)]
    with subprocess.Popen(command, env=environment) as process:
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    http.client.HTTPConnection("127.0.0.1", port, timeout=5).request("GET", "/healthz")
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)
            yield Server(process.pid, port)
        finally:
            process.terminate()


def per_view(server: Server, client: Client, path: str, status: int, etag: str = "", views: int = VIEWS) -> float:
    """CPU milliseconds per view, the median of rounds."""

    def look() -> None:
        for _ in range(views):
            found, *_ = client.get(path, etag)
            if found != status:
                raise StatusError(f"{path} answered {found}, not {status}")

    return median(server.costs(look) / views for _ in range(ROUNDS))


def after_change(server: Server, client: Client, path: str, records: Records, phase_id: int) -> float:
    """CPU milliseconds of the first view after each change."""
    rng = random.Random(phase_id)
    costs = []
    for _ in range(CHANGES):
        change(records, phase_id, rng)
        costs.append(server.costs(lambda: client.get(path)))
    return median(costs)


def board_costs(server: Server, records: Records, cookie: str, entrants: int) -> Mapping[str, float]:
    """Everything of one board; the key says what."""
    slug = f"board{entrants}"
    phase_id = fill(records, slug, entrants)
    path = f"/competitions/{slug}/{slug}/leaderboard"
    visitor, reader = Client(server), Client(server, cookie)
    page, etag = visitor.warm(path)
    _, own_etag = reader.warm(path)
    return {
        "KB": len(page) / 1000,
        "304": per_view(server, visitor, path, 304, etag),
        "200": per_view(server, visitor, path, 200),
        "304 logged in": per_view(server, reader, path, 304, own_etag),
        "200 logged in": per_view(server, reader, path, 200),
        "after a change": after_change(server, visitor, path, records, phase_id),
        "by tau, after a change": after_change(server, visitor, f"{path}?sort=tau.digits-mlp", records, phase_id),
        "last page, after a change": after_change(server, visitor, f"{path}?page=100000", records, phase_id),
        "naive": per_view(server, visitor, path.replace("leaderboard", "naive"), 200, views=NAIVE_VIEWS),
    }


def boards(console: Console, server: Server, records: Records, cookie: str, sizes: tuple[int, ...]) -> None:
    found = {entrants: board_costs(server, records, cookie, entrants) for entrants in sizes}
    title = f"CPU ms per view of a leaderboard, {SUBMISSIONS} submissions an entrant, waitress with {THREADS} threads"
    table = Table(title=title)
    table.add_column("view")
    for entrants in sizes:
        table.add_column(f"{entrants:,} entrants", justify="right")
    for name in next(iter(found.values())):
        table.add_row(name, *(f"{found[entrants][name]:.2f}" for entrants in sizes))
    console.print(table)


def live_page(console: Console, server: Server, records: Records, cookie: str) -> None:
    """The fragment that a submission's page asks for every two seconds."""
    submission = records.submission(records.phase("live", competition="live"), records.ann, done=5)
    path = f"/submissions/{submission}/status"
    table = Table(title="CPU ms per poll of a live page")
    for heading in ("reader", "304", "200", "waitress alone"):
        table.add_column(heading, justify="left" if heading == "reader" else "right")
    for name, client in (("visitor", Client(server)), ("logged in, the owner", Client(server, cookie))):
        costs = (
            _unchanged_polls(server, client, path),
            per_view(server, client, path, 200),
            per_view(server, client, NOTHING, 304),
        )
        table.add_row(name, *(f"{cost:.2f}" for cost in costs))
    console.print(table)


def _unchanged_polls(server: Server, client: Client, path: str) -> float:
    """CPU milliseconds per 304. Every ten seconds one poll finds a new estimate: its round asks anew."""
    for _ in range(10):
        _, etag = client.warm(path)
        try:
            return per_view(server, client, path, 304, etag)
        except StatusError:
            continue
    raise StatusError(f"{path} changes with every poll")


def time_rank_intervals(console: Console, records: Records) -> None:
    table = Table(title="rank intervals of a board over two zoos of 96 networks: CPU time in a worker")
    for heading in ("entrants", "all of it", "of that read from the database", "pairs one by one (scaled)", "faster"):
        table.add_column(heading, justify="right")
    for entrants in INTERVALS:
        slug = f"intervals{entrants}"
        phase_id = fill(records, slug, entrants, submissions=1)
        give_reports(records, phase_id)
        chosen = select(StandingRecord.submission_id).where(StandingRecord.phase_id == phase_id)
        with records.db.read() as session:
            listed = list(session.scalars(chosen))
            start = time.process_time()
            known = jackknives_of(session, listed)
            read_s = time.process_time() - start
        start = time.process_time()
        rank_intervals.work_out(records.db, phase_id)
        whole_s = time.process_time() - start
        pairs = list(combinations(listed[:NAIVE_ENTRANTS], 2))
        start = time.process_time()
        for first, second in pairs:
            compare(known[first], known[second])
        naive_s = (time.process_time() - start) / len(pairs) * entrants * (entrants - 1) / 2
        told = (f"{entrants:,}", f"{whole_s:.2f} s", f"{read_s:.2f} s", f"{naive_s:.1f} s", f"{naive_s / whole_s:.0f}")
        table.add_row(*told)
    console.print(table)


def main() -> None:
    sizes = tuple(int(size) for size in sys.argv[1:]) or SIZES
    console = Console(width=120)
    with tempfile.TemporaryDirectory(prefix="gengap-pages-") as folder:
        settings = Settings(home=Path(folder) / "home")
        settings.make_home()
        db = Database(settings.effective_database_url)
        migrate(db)
        records = Records(db, Path(folder))
        app = create_app(settings)
        browser = Browser(app).log_in("ann")
        browser.get("/")  # its forms put their token into the session
        cookies = [browser.client.get_cookie("gengap_session")]
        cookie = "; ".join(f"{one.key}={one.value}" for one in cookies if one is not None)
        with serving(settings) as server:
            boards(console, server, records, cookie, sizes)
            live_page(console, server, records, cookie)
        time_rank_intervals(console, records)
        db.close()


if __name__ == "__main__":
    main()
