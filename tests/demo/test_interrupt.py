"""Ctrl-C ends our processes also where they were started with SIGINT ignored, as a shell starts background jobs."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.demo.processes import Child, free_port
from server.demo.visitor import Visitor
from submissions.evaluation.workers import known_workers
from submissions.settings import Settings
from submissions.storage.database import Database
from tests.databases import ready
from tests.services import wait_until


@pytest.fixture
def _sigint_is_ignored() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


def is_up(port: int, home: Path, command: str) -> bool:
    if command != "worker":
        visitor = Visitor(f"http://127.0.0.1:{port}")
        try:
            return visitor.is_up()
        finally:
            visitor.close()
    settings = Settings(home=home)
    db = Database(settings.effective_database_url)
    try:
        with db.read() as session:
            return bool(known_workers(session, sweep_s=settings.sweep_s))
    finally:
        db.close()


@pytest.mark.thorough
@pytest.mark.usefixtures("_sigint_is_ignored")
@pytest.mark.parametrize(
    "command", ["serve", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("worker", "demo"))]
)
def test_a_command_started_with_sigint_ignored_ends_when_interrupted(
    command: str, tmp_path: Path, digits_mlp: Path, digits_cnn: Path
) -> None:
    home, port = tmp_path / "home", free_port()
    ready(Database(Settings(home=home).effective_database_url)).close()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "server.cli", command],
        env=os.environ | {"GENGAP_HOME": str(home), "GENGAP_PORT": str(port)},
    )
    try:
        wait_until(lambda: is_up(port, home, command), f"gengap {command}")
        process.send_signal(signal.SIGINT)
        assert process.wait(120) in (0, 1)  # 1: it was still starting
    finally:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("_sigint_is_ignored")
def test_a_child_of_the_demo_can_be_interrupted_from_its_start(tmp_path: Path) -> None:
    environment = os.environ | {"GENGAP_HOME": str(tmp_path / "home"), "GENGAP_PORT": str(free_port())}
    child = Child("serve", ("serve",), environment, tmp_path / "log")
    child.start()
    assert child.process is not None
    try:
        child.process.send_signal(signal.SIGINT)  # before the server has a handler of its own
        child.process.wait(60)
    finally:
        child.process.kill()
        child.process.wait()
