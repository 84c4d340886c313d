"""Lock files prove that a worker of this machine is dead, and never take a living one for it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.services import wait_until
from worker import process_lock

HOLD = """
import sys
from pathlib import Path

from worker import process_lock

with process_lock.held(Path(sys.argv[1]), "abc"):
    print("held", flush=True)
    sys.stdin.read()
"""
OTHER_NAMESPACE = ("bwrap", "--dev-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "--die-with-parent")


@contextmanager
def holding(folder: Path, *before: str) -> Iterator["subprocess.Popen[str]"]:
    command = [*before, sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def dead(folder: Path) -> list[str]:
    with process_lock.dead_workers(folder) as found:
        return found


@pytest.mark.parametrize("before", [(), OTHER_NAMESPACE], ids=["here", "in another pid namespace"])
def test_a_worker_is_dead_once_its_process_has_ended(tmp_path: Path, before: tuple[str, ...]) -> None:
    with holding(tmp_path, *before) as process:
        assert dead(tmp_path) == []
        process.kill()
        process.wait()  # bwrap's child ends a moment after it, and stops in good order if its input ends before
        wait_until(lambda: dead(tmp_path) == ["abc"], "its end")
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_stops_in_good_order_leaves_nothing(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        process.communicate("")
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_lock_of_another_machine_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "abc.lock").write_text("another boot")
    assert dead(tmp_path) == []
    assert (tmp_path / "abc.lock").exists()


def test_the_dead_are_found_again_if_their_work_could_not_be_given_back(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        process.kill()
        process.wait()

    def fail() -> None:
        with process_lock.dead_workers(tmp_path):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert dead(tmp_path) == ["abc"]
