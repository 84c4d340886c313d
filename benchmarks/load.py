"""A busy evening: participants on the real site beside real workers, and how long each kind of page takes.

Run with `make load`, shorter with `make load ARGS="--seconds 20 --participants 50"`. Everybody logs in, sends one
measure through the form, polls the page of the submission every two seconds as a browser does, and looks at other
pages; half as many visitors look at pages without an account. Beside it the same with Flask's development server, the
naive set-up. Everything is on the loopback interface, and ends by itself; the exit status is 1 if `gengap serve`
answered any error.
"""

import argparse
import http.client
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlencode

from argon2 import PasswordHasher
from rich.console import Console
from rich.table import Table

from server.demo.processes import Child, environment_with, free_port, running
from submissions.intake.bundle_store import BundleStore
from submissions.people import passwords
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from tests.factories import make_competition, make_tiny_zoo
from tests.records import PASSWORD
from tests.services import wait_until

POLL_S, PAGE_S = 2.0, 10.0
TIMEOUT_S = 60.0
MEASURE = "def complexity(model, dataset):\n    return sum(float(p.square().sum()) for p in model.parameters())\n"
_RATES = ("rate_reading", "rate_polling", "rate_changing", "rate_submitting", "rate_log_in")
UNLIMITED = dict.fromkeys(_RATES, "999999/second")  # all of them have one address
PATHS = {"home": "/", "competition": "/competitions/tests", "board": "/competitions/tests/main/leaderboard"}
OWN = PATHS | {"my submissions": "/my/submissions", "submit form": "/competitions/tests/main/submit"}


@dataclass
class Told:
    """Seconds of each request by the kind of page, and what was no success."""

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)


class Reader:
    """A browser: one connection, one cookie, the ETags of pages that it has."""

    def __init__(self, port: int, told: Told) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        self.told = told
        self._cookie, self._etags = "", dict[str, str]()

    def get(self, kind: str, path: str) -> str:
        headers = {"If-None-Match": self._etags[path]} if path in self._etags else {}
        text, answered = self._send(kind, "GET", path, None, headers)
        if answered is not None and (etag := answered.headers["ETag"]):
            self._etags[path] = etag
        return text

    def post(self, kind: str, path: str, fields: dict[str, str]) -> str:
        """Send a form; where the answer leads."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        _, answered = self._send(kind, "POST", path, urlencode(fields), headers)
        return "" if answered is None else answered.headers["Location"] or ""

    def leave(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def token(self, path: str) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get("submit form", path))
        return found[1] if found else ""

    def _send(
        self, kind: str, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> tuple[str, http.client.HTTPResponse | None]:
        begin = time.perf_counter()
        try:
            self._connection.request(method, path, body, headers | {"Cookie": self._cookie})
            answered = self._connection.getresponse()
            text = answered.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self.told.errors[f"{kind}: {type(error).__name__}"] += 1
            return "", None
        self.told.seconds[kind].append(time.perf_counter() - begin)
        if answered.status >= 400:
            self.told.errors[f"{kind}: {answered.status}"] += 1
        if cookie := answered.headers["Set-Cookie"]:
            self._cookie = cookie.partition(";")[0]
        return text, answered


def participant(port: int, name: str, told: Told, start: threading.Barrier, seconds: float) -> None:
    """Log in before the others start; then submit at some time of the first half, poll and look around."""
    rng, unmeasured = random.Random(name), Told()
    reader = Reader(port, unmeasured)
    token = reader.token("/login")
    reader.post("log in", "/login", {"csrf_token": token, "name": name, "password": PASSWORD})
    reader.leave()  # the server would close it if the others take long
    start.wait()
    reader.told = told
    end = time.monotonic() + seconds
    submit_at = end - seconds * rng.uniform(0.5, 1.0)
    page_at = time.monotonic() + rng.uniform(0, PAGE_S)
    submission = ""
    while time.monotonic() < end:
        if not submission and time.monotonic() >= submit_at:
            fields = {"csrf_token": reader.token(OWN["submit form"]), "name": f"by {name}", "code": MEASURE}
            submission = reader.post("submission", OWN["submit form"], fields)
            reader.get("submission's page", submission or "/")
        if time.monotonic() >= page_at:
            reader.get(*rng.choice([*OWN.items()]))
            page_at += PAGE_S
        if submission:
            reader.get("poll", f"{submission}/status")
        time.sleep(POLL_S * rng.uniform(0.9, 1.1))


def visitor(port: int, name: str, told: Told, start: threading.Barrier, seconds: float) -> None:
    rng = random.Random(name)
    reader = Reader(port, told)
    start.wait()
    end = time.monotonic() + seconds
    time.sleep(rng.uniform(0, min(PAGE_S, seconds)))
    while time.monotonic() < end:
        reader.get(*rng.choice([*PATHS.items()]))
        time.sleep(PAGE_S)


def load(port: int, participants: int, seconds: float) -> Told:
    """Let everybody come at once."""
    told = Told()
    people = [(participant, f"user{number}") for number in range(participants)]
    people += [(visitor, f"visitor{number}") for number in range(participants // 2)]
    start = threading.Barrier(len(people))
    threads = [threading.Thread(target=act, args=(port, name, told, start, seconds)) for act, name in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


@contextmanager
def site(folder: Path, participants: int, *, naive: bool) -> Iterator[int]:
    """A site with these accounts, a phase over two tiny zoos, and a worker."""
    port = free_port()
    settings = Settings.model_validate({"home": folder / "home", "cache": folder / "cache", "port": port, **UNLIMITED})
    settings.make_home()
    db = Database(settings.effective_database_url)
    migrate(db)
    zoos = [make_tiny_zoo(folder / "a", "a"), make_tiny_zoo(folder / "b", "b", copies=3, truth_public=False)]
    competition = make_competition(db, BundleStore(settings.store_folder), zoos, smoke_networks=0)
    for number in range(participants):
        competition.user(f"user{number}")
    environment = environment_with(settings.model_dump())
    worker = Child("worker", ("worker",), environment, folder / "worker.log")
    serve = Child("serve", ("serve",), environment, folder / "serve.log")
    try:
        if naive:
            with running([worker]), _development_server(environment, port, folder / "serve.log"):
                yield _up(port)
        else:
            with running([worker, serve]):
                yield _up(port)
    finally:
        db.close()


@contextmanager
def _development_server(environment: dict[str, str], port: int, log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "flask", "--app", "server.app:create_app()", "run", "--port", str(port)]
    with log.open("wb") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process:
        try:
            yield
        finally:
            process.terminate()


def _up(port: int) -> int:
    """Wait for the server and for a worker that takes work, and let each page be made once."""
    reader = Reader(port, Told())
    wait_until(lambda: '"takes_work":true' in reader.get("health", "/healthz"), "server and worker")
    for kind, path in OWN.items():
        reader.get(kind, path)
    return port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--participants", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    passwords._HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # logging in is not what is measured
    found: dict[str, Told] = {}
    for name in ("gengap serve", "flask run"):
        with (
            tempfile.TemporaryDirectory(prefix="gengap-load-") as folder,
            site(Path(folder), asked.participants, naive=name == "flask run") as port,
        ):
            found[name] = load(port, asked.participants, asked.seconds)
    show(found, asked.participants, asked.seconds)
    sys.exit(bool(found["gengap serve"].errors))


def show(found: dict[str, Told], participants: int, seconds: float) -> None:
    console = Console(width=120)
    table = Table(
        title=f"{participants} participants and {participants // 2} visitors for {seconds:.0f} s, milliseconds"
    )
    table.add_column("page")
    for name in found:
        for heading in ("requests", "median", "95 %"):
            table.add_column(f"{name}\n{heading}", justify="right")
    for kind in sorted({kind for told in found.values() for kind in told.seconds}):
        cells = []
        for told in found.values():
            times = told.seconds[kind] or [float("nan")]
            slow = quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
            cells += [str(len(told.seconds[kind])), f"{1000 * median(times):.0f}", f"{1000 * slow:.0f}"]
        table.add_row(kind, *cells)
    console.print(table)
    for name, told in found.items():
        errors = ", ".join(f"{count} × {what}" for what, count in told.errors.most_common()) or "none"
        console.print(f"{name}: errors: {errors}")


if __name__ == "__main__":
    main()
