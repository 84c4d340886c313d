"""Real servers for tests, each on a free loopback port with its own data folder, ended with the block."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
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


def redis_process(url: str) -> psutil.Process:
    """The process of a Redis server, to be stopped, frozen or killed."""
    with redis.Redis.from_url(url) as client:
        return psutil.Process(client.info("server")["process_id"])


@contextmanager
def postgres_server() -> Iterator[str]:
    """A PostgreSQL cluster of its own; the URL of a server on which tests make databases.

    PostgreSQL refuses to run as root: then the package's own user runs it.
    """
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="gengap-postgres-"))
    as_user: dict[str, object] = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data = folder / "data"
    initialise = [str(programs / "initdb"), "-D", str(data), "-U", "gengap", "-A", "trust", "--no-sync"]
    serve = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
    try:
        subprocess.run(initialise, cwd=folder, check=True, capture_output=True, **as_user)  # type: ignore[call-overload]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(  # type: ignore[call-overload]
                [*serve, *QUICK_POSTGRES], cwd=folder, stdout=log, stderr=log, **as_user
            )
        try:
            url = f"postgresql://gengap@127.0.0.1:{port}/postgres"
            wait_until(lambda: _answers(lambda: psycopg.connect(url).close(), psycopg.Error), "PostgreSQL")
            yield url
        finally:
            process.terminate()
            process.wait()
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
