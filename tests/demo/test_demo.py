"""`gengap demo` as a newcomer runs it: real zoos, real processes, started, stopped, started again."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from server.demo.processes import free_port
from server.demo.visitor import Visitor
from submissions.baselines import DEMO
from submissions.evaluation.open_submissions import open_count, open_submissions
from submissions.leaderboard.board_page import page
from submissions.leaderboard.model import Board
from submissions.settings import Settings
from submissions.storage.database import Database
from tests.services import wait_until

COMMAND = [sys.executable, "-P", "-m", "server.cli", "demo"]


@contextmanager
def demo(home: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    """A demo that answers; ended with Ctrl-C at the end of the block, and every process below it with it."""
    with subprocess.Popen(
        [*COMMAND, "--port", str(port)],
        env=os.environ | {"GENGAP_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        visitor = Visitor(f"http://127.0.0.1:{port}")
        try:
            wait_until(visitor.is_up, "the demo's web server")
            yield process
            below = psutil.Process(process.pid).children(recursive=True)
            assert len(below) >= 2
        finally:
            visitor.close()
            process.send_signal(signal.SIGINT)
            ended_by_itself = _ends(process)
        assert ended_by_itself
        wait_until(lambda: not any(alive(child) for child in below), "the end of every process")


def _ends(process: "subprocess.Popen[str]") -> bool:
    """Whether a process that was asked to end does; it is killed where it does not."""
    try:
        process.wait(120)
    except subprocess.TimeoutExpired:
        process.kill()
        return False
    return True


def alive(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


def board(home: Path) -> Board:
    db = Database(Settings(home=home).effective_database_url)
    try:
        with db.read() as session:
            return page(session, 1)
    finally:
        db.close()


def waiting(home: Path) -> int:
    db = Database(Settings(home=home).effective_database_url)
    try:
        with db.read() as session:
            return open_count(session, 1)
    finally:
        db.close()


def done(home: Path) -> set[int]:
    """How many values the open submissions have."""
    db = Database(Settings(home=home).effective_database_url)
    try:
        with db.read() as session:
            return {submission.done for submission in open_submissions(session, 1)}
    finally:
        db.close()


@pytest.mark.thorough
def test_demo_check_uploads_a_measure_and_sees_it_scored(digits_mlp: Path, digits_cnn: Path) -> None:
    finished = subprocess.run([*COMMAND, "--check"], capture_output=True, text=True, timeout=1200, check=False)
    assert finished.returncode == 0, finished.stderr
    for name in ("Norm over margin", "checker", *(word for b in DEMO for word in b.name.split())):
        assert all(word in finished.stdout for word in name.split()), name
    assert "The demo works" in finished.stdout


@pytest.mark.thorough
def test_a_demo_that_is_stopped_goes_on_where_it_was(tmp_path: Path, digits_mlp: Path, digits_cnn: Path) -> None:
    home = tmp_path / "home"
    port = free_port()
    with demo(home, port) as first:
        wait_until(lambda: len(board(home).rows) >= 1, "the first baseline's score", timeout_s=300)
    assert first.returncode == 0
    assert first.stdout is not None
    with demo(home, port) as second:
        wait_until(lambda: waiting(home) == 0, "every baseline", timeout_s=600)
    assert second.returncode == 0
    assert {row.name for row in board(home).rows} == {baseline.name for baseline in DEMO}
    assert all(row.is_baseline for row in board(home).rows)


def test_the_organizers_password_is_shown_once_and_works(tmp_path: Path, digits_mlp: Path, digits_cnn: Path) -> None:
    home = tmp_path / "home"
    port = free_port()
    with demo(home, port) as first:
        assert first.stdout is not None
        told = next(line for line in first.stdout if "password:" in line)
        password = re.search(r"password: (\S+)", told)
        assert password is not None
        visitor = Visitor(f"http://127.0.0.1:{port}")
        visitor.log_in("organizer", password[1])
        visitor.close()
    with demo(home, port) as second:
        assert second.stdout is not None
        said = []
        for line in second.stdout:
            said.append(line)
            if "Ctrl-C" in line:
                break
    assert not any("password:" in line for line in said)
    secrets = [path for path in home.rglob("*") if path.is_file() and password[1].encode() in path.read_bytes()]
    assert secrets == [], "the password is nowhere in clear"


def test_a_machine_without_bubblewrap_is_told(tmp_path: Path, digits_mlp: Path, digits_cnn: Path) -> None:
    environment = os.environ | {"PATH": str(tmp_path), "GENGAP_HOME": str(tmp_path / "home")}
    command = [*COMMAND, "--port", str(free_port())]
    finished = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert finished.returncode == 1
    assert "apt-get install bubblewrap" in finished.stderr
    assert done(tmp_path / "home") == {0}, "nothing is broken"


def test_a_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        finished = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert f"Port {port} is taken" in finished.stderr
