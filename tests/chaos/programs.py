"""One server or worker process of the installation: started, killed, frozen, stopped, started again when it dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from server.demo.processes import _set_signals

ROOT = Path(__file__).parents[2]
STOP_S = 30.0
RESTART_S = 1.0  # between a death and the next start, as a service manager waits
SHIFT = "CHAOS_SHIFT_S"  # what `shifted` reads


def gengap(*arguments: str) -> list[str]:
    """The command line of `gengap`."""
    return [sys.executable, "-P", "-m", "server.cli", *arguments]


def with_shifted_clock(*arguments: str) -> list[str]:
    """The same, in a process whose clock is wrong by the seconds in the variable SHIFT."""
    return [sys.executable, "-P", "-m", "tests.chaos.shifted", *arguments]


def in_own_pid_namespace(command: Sequence[str]) -> list[str]:
    """The same command where process ids begin at 1, as in a container."""
    return ["unshare", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", *command]


@dataclass
class Program:
    """A process that should be running. `is_held`: a fault keeps it down. `pids`: of all its processes so far."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    groups: Sequence[Path] = ()  # control groups that it is put into
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    is_held: bool = False
    pids: list[int] = field(default_factory=list)
    deaths: list[int] = field(default_factory=list)  # exit statuses of the times when nobody had ended it
    _was_ended: bool = False
    _restart_at: float = 0.0

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env={**self.environment, "PYTHONPATH": path, "PYTHONFAULTHANDLER": "1"},  # see `stopped`
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the campaign alone, which then ends its children in order
                preexec_fn=self._enter_groups,
            )
        self.pids.append(self.process.pid)
        self._was_ended = self.is_held = False

    def _enter_groups(self) -> None:
        _set_signals()
        for group in self.groups:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    def keep_running(self) -> None:
        """Start it again if it has died."""
        if self.is_held or self.is_running:
            return
        now = time.monotonic()
        if not self._restart_at:
            if self.process is not None and not self._was_ended:
                self.deaths.append(self.process.returncode)
            self._restart_at = now + RESTART_S
        elif now >= self._restart_at:
            self._restart_at = 0.0
            self.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its own process."""
        if self.process is not None:
            self._was_ended = self._was_ended or number in (signal.SIGKILL, signal.SIGTERM)
            self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def ask_to_stop(self) -> None:
        """Send SIGTERM, and do not start it again."""
        self.is_held = True
        if self.is_running:
            self.signal(signal.SIGTERM)

    def fault_of_stopping(self) -> str | None:
        """Wait for its end after `ask_to_stop`; what all of its threads were doing, if it had to be killed."""
        if self.process is None:
            return None
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            begin = self.log.stat().st_size
            self.signal(signal.SIGABRT)  # prints all stacks
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(RESTART_S)
            self.kill()
            return f"{self.name} did not stop on SIGTERM:\n{self.log.read_text(errors='replace')[begin:]}"
        return None

    def below(self) -> Sequence[psutil.Process]:
        """Every process that it has started and that runs, the nearest first."""
        try:
            assert self.process is not None
            return list(psutil.Process(self.process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return ()


def zygotes(worker: Program) -> Iterator[int]:
    """The first process inside each bubblewrap sandbox of a worker."""
    outer = _children(worker.process.pid) if worker.process is not None else []
    for inner in (child for process in outer if _name(process) == "bwrap" for child in _children(process)):
        yield from _children(inner)


def first_processes(worker: Program) -> Iterator[int]:
    """The trusted first process of each network that is being evaluated."""
    for zygote in zygotes(worker):
        yield from _children(zygote)


def measures(worker: Program) -> Iterator[int]:
    """The process of each network that runs a participant's code."""
    for first in first_processes(worker):
        yield from _children(first)


def _children(pid: int) -> list[int]:
    """Its child processes, without a look at all of the machine: a network takes a few hundredths of a second."""
    found = []
    for threads in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it has just ended
            found += [int(child) for child in threads.read_text().split()]
    return found


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
