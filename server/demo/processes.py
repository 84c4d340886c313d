"""The demo's child processes: started, monitored, restarted when they die, and stopped with the demo."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pydantic import SecretStr

STOP_S = 15.0
RESTARTS = 5
RESTARTS_WITHIN_S = 60.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class ChildError(Exception):
    """A child keeps dying; the message names it and its log."""


@dataclass
class Child:
    """One `gengap` command that is kept running, with its output in a log file."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    restarted_at: list[float] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = _spawn([sys.executable, "-P", "-m", "server.cli", *self.arguments], self.environment, output)

    def keep_running(self) -> None:
        """Start a child that has died again. Raises ChildError after too many times in one minute."""
        if self.process is None or self.process.poll() is None:
            return
        now = time.monotonic()
        self.restarted_at = [*(then for then in self.restarted_at if now - then < RESTARTS_WITHIN_S), now]
        if len(self.restarted_at) > RESTARTS:
            raise ChildError(f"{self.name} ended {len(self.restarted_at)} times in a minute; its log is {self.log}")
        self.start()

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait_or_kill(self, deadline: float) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _spawn(command: list[str], environment: Mapping[str, str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C reaches the demo alone, which then ends its children in order
        preexec_fn=_set_signals,
    )


def _set_signals() -> None:
    """SIGTERM where the parent is killed and cannot end the child; SIGINT works even where the parent ignores it."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running(children: list[Child]) -> Iterator[None]:
    """Start all children; when the block is left in whatever way, all of them have ended."""
    try:
        for child in children:
            child.start()
        yield
    finally:
        for child in children:
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_S
        for child in children:
            child.wait_or_kill(deadline)


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def is_taken(host: str, port: int) -> bool:
    """Check whether somebody listens at this address."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def environment_with(settings: Mapping[str, object]) -> dict[str, str]:
    """Return this process's environment with these `GENGAP_*` variables."""
    return os.environ | {f"GENGAP_{name.upper()}": _as_text(value) for name, value in settings.items()}


def _as_text(value: object) -> str:
    """Return a setting as pydantic-settings reads it: lists are JSON."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, tuple | list) else str(value)
