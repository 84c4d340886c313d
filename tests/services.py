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
import psycopg
import redis

from server.demo.processes import free_port

START_S = 150.0
QUICK_POSTGRES = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis server without persistence; its URL."""
    port = free_port()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        try:
            client = redis.Redis(port=port)
            wait_until(lambda: _answers(client.ping, redis.ConnectionError), "Redis")
            client.close()
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait()


class PostgresServer:
    """A PostgreSQL cluster of its own, which can be stopped and started. PostgreSQL refuses to run as root: then the
    package's own user runs it.
    """

    def __init__(self, folder: Path, options: Sequence[str] = QUICK_POSTGRES) -> None:
        self._folder, self._port, self._options = folder, free_port(), options
        self._programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        self._as_user: dict[str, object] = {}
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        initialise = [str(self._programs / "initdb"), "-D", str(folder / "data"), "-U", "gengap", "-A", "trust"]
        subprocess.run([*initialise, "--no-sync"], cwd=folder, check=True, capture_output=True, **self._as_user)  # type: ignore[call-overload]

    @property
    def url(self) -> str:
        return f"postgresql://gengap@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers."""
        data, port = str(self._folder / "data"), str(self._port)
        serve = [str(self._programs / "postgres"), "-D", data, "-p", port, "-h", "127.0.0.1", "-k", str(self._folder)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # type: ignore[call-overload]
                [*serve, *self._options], cwd=self._folder, stdout=log, stderr=log, **self._as_user
            )
        wait_until(lambda: _answers(lambda: psycopg.connect(self.url).close(), psycopg.Error), "PostgreSQL")

    def stop(self) -> None:
        """Stop it and cut its connections, as an administrator's restart does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()


@contextmanager
def postgres_cluster(options: Sequence[str] = QUICK_POSTGRES) -> Iterator[PostgresServer]:
    """A started PostgreSQL server."""
    folder = Path(tempfile.mkdtemp(prefix="gengap-postgres-"))
    try:
        server = PostgresServer(folder, options)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@contextmanager
def postgres_server(options: Sequence[str] = QUICK_POSTGRES) -> Iterator[str]:
    """A PostgreSQL cluster of its own; the URL of a server on which tests make databases."""
    with postgres_cluster(options) as server:
        yield server.url


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
