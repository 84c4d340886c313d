"""Real servers for tests, each on a free loopback port with its own data folder, ended with the block."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import psycopg
import redis

from server.demo.processes import free_port

START_S = 150.0
SAFE_COMMITS = ("-c", "fsync=off")  # what was committed survives the end of the server, not that of the machine
QUICK_POSTGRES = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


class RedisServer:
    """A Redis server without persistence, which a test may end and start again at the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        address = ("--bind", "127.0.0.1", "--port", str(self.port))
        command = ["redis-server", *address, "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.DEVNULL)
        client = redis.Redis(port=self.port)
        wait_until(lambda: _answers(client.ping, redis.ConnectionError), "Redis")
        client.close()

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        _end(self.process, number)


class PostgresServer:
    """A PostgreSQL cluster of its own, which a test may end and start again at the same port.

    PostgreSQL refuses to run as root: then the package's own user runs it.
    """

    def __init__(self, folder: Path, options: Sequence[str] = QUICK_POSTGRES) -> None:
        programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        self._folder, data = folder, folder / "data"
        self.port = free_port()
        self.url = f"postgresql://gengap@127.0.0.1:{self.port}/postgres"
        self.process: subprocess.Popen[bytes] | None = None
        self._as_user: dict[str, object] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        address = ("-p", str(self.port), "-h", "127.0.0.1", "-k", str(folder))
        self._command = [str(programs / "postgres"), "-D", str(data), *address, *options]
        initialise = [str(programs / "initdb"), "-D", str(data), "-U", "gengap", "-A", "trust", "--no-sync"]
        subprocess.run(initialise, cwd=folder, check=True, capture_output=True, **self._as_user)  # type: ignore[call-overload]

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(  # type: ignore[call-overload]
                self._command, cwd=self._folder, stdout=log, stderr=log, **self._as_user
            )
        wait_until(lambda: _answers(lambda: psycopg.connect(self.url).close(), psycopg.Error), "PostgreSQL")

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        _end(self.process, number)


def _end(process: "subprocess.Popen[bytes] | None", number: signal.Signals) -> None:
    if process is not None:
        process.send_signal(number)
        process.wait()


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis server without persistence; its URL."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        try:
            server.start()
            yield server.url
        finally:
            server.end()


def redis_process(url: str) -> psutil.Process:
    """The process of a Redis server, to be stopped, frozen or killed."""
    with redis.Redis.from_url(url) as client:
        return psutil.Process(client.info("server")["process_id"])


@contextmanager
def postgres_server(options: Sequence[str] = QUICK_POSTGRES) -> Iterator[str]:
    """A PostgreSQL cluster of its own; the URL of a server on which tests make databases."""
    with postgres_cluster(options) as server:
        yield server.url


@contextmanager
def postgres_cluster(options: Sequence[str] = QUICK_POSTGRES) -> Iterator[PostgresServer]:
    """A started PostgreSQL server, which a test may end and start again."""
    folder = Path(tempfile.mkdtemp(prefix="gengap-postgres-"))
    try:
        server = PostgresServer(folder, options)
        try:
            server.start()
            yield server
        finally:
            server.end()
    finally:
        shutil.rmtree(folder)


@contextmanager
def s3_server() -> Iterator[str]:
    """An S3 service that keeps everything in memory; its address. Any credentials are the right ones."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until(lambda: _answers(lambda: httpx.get(f"{address}/moto-api/"), httpx.TransportError), "S3")
            yield address
        finally:
            process.terminate()
            process.wait()


def _answers(ask: Callable[[], object], *errors: type[Exception]) -> bool:
    try:
        ask()
    except errors:
        return False
    return True


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
    """Look until it holds; a failure names what was waited for. The bound is for a hung test, not a speed."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_s:.0f} s still waiting for {what}")
        time.sleep(0.05)
