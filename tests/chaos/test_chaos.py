"""A small campaign, as `make chaos` runs it, holds every promise; one that is interrupted leaves nothing behind."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.chaos.programs import ROOT
from tests.services import wait_until

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(1500)]
COMMAND = [sys.executable, "-P", "-u", "-m", "tests.chaos", "--workers", "2"]
FEW = ("--submissions", "30", "--faults", "12", "--minutes", "10")


@pytest.fixture
def folder() -> Iterator[Path]:
    """For temporary files; PostgreSQL's own user has a folder below it, so it is not one of pytest's."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_a_small_campaign_holds_every_promise(folder: Path, database: str) -> None:
    command = [*COMMAND, *FEW, "--database", database, "--seed", "1"]
    finished = subprocess.run(command, env=_environment(folder), capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "every promise held" in finished.stdout


def test_ctrl_c_leaves_nothing_behind(folder: Path) -> None:
    with subprocess.Popen([*COMMAND, *FEW], env=_environment(folder), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        campaign = psutil.Process(process.pid)
        assert any("submissions accepted" in line for line in iter(process.stdout.readline, ""))
        below = campaign.children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 128 + signal.SIGINT
    wait_until(lambda: not any(one.is_running() for one in below), "the end of all processes")
    assert len(below) > 5
    assert list(folder.iterdir()) == []
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
    assert not [*Path("/sys/fs/cgroup").glob(f"**/chaos-{process.pid}")]


def _environment(folder: Path) -> dict[str, str]:
    return os.environ | {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
