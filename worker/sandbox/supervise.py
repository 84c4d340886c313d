"""Watches one run from outside: drains its pipes, keeps the clock, counts its output and memory, kills it.

Backend-independent: it needs the run's pipes, a channel to the run's trusted init, and init's pidfd.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from worker.sandbox.cgroups import ControlGroup
from worker.sandbox.protocol import Limits
from worker.sandbox.verdict import FRAME_BYTES, LOG_TAIL_BYTES, Evidence, Stop

MEMORY_POLL_S = 0.02
REPORT_BYTES = 4096
_CHUNK = 65536
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Run:
    """One network being evaluated. `wakeup` becomes readable when another thread interrupts the run."""

    result: int
    report: int
    log: int
    channel: socket.socket
    pid: int
    pidfd: int
    wakeup: int
    group: ControlGroup
    limits: Limits
    _kept: dict[str, bytearray] = field(default_factory=lambda: {"frame": bytearray(), "report": bytearray()})
    _log_tail: bytearray = field(default_factory=bytearray)
    _log_count: int = 0
    _peak: int = 0

    def watch(self) -> Evidence:
        """Block until the run has ended or had to be ended; every process of it is dead on return."""
        begin = time.monotonic()
        stopped = self._loop(begin + self.limits.wall_s)
        wall_s = time.monotonic() - begin
        self._kill()
        out_of_memory = self.group.out_of_memory()
        self._drain_rest()
        told = self._init_report()
        return Evidence(
            stopped=stopped,
            frame=bytes(self._kept["frame"]),
            report=bytes(self._kept["report"]),
            log=bytes(self._log_tail),
            status=told.get("status"),
            out_of_memory=out_of_memory,
            wall_s=wall_s,
            cpu_s=told.get("cpu_s"),
            peak_bytes=self.group.peak_bytes() or max(self._peak, told.get("peak_bytes") or 0) or None,
        )

    def _loop(self, deadline: float) -> Stop | None:
        polls_memory = self.group.memory is None
        with selectors.DefaultSelector() as selector:
            for descriptor, name in ((self.result, "frame"), (self.report, "report"), (self.log, "log")):
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ, name)
            selector.register(self.pidfd, selectors.EVENT_READ, "ended")
            selector.register(self.wakeup, selectors.EVENT_READ, "interrupt")
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    return Stop.WALL
                for key, _ in selector.select(min(left, MEMORY_POLL_S) if polls_memory else left):
                    if key.data == "ended":
                        return None
                    if key.data == "interrupt":
                        return Stop.INTERRUPT
                    if not self._take(key.fd, key.data):
                        selector.unregister(key.fd)
                if self._log_count > self.limits.log_bytes:
                    return Stop.LOG
                if len(self._kept["frame"]) > FRAME_BYTES or len(self._kept["report"]) >= REPORT_BYTES:
                    return Stop.PROTOCOL  # whoever writes without end must not keep us reading
                if polls_memory and self._resident_bytes() > self.limits.memory_bytes:
                    return Stop.MEMORY

    def _take(self, descriptor: int, name: str) -> bool:
        """Read what is there; False at the end of the pipe. Keeps no more than anybody will look at."""
        try:
            chunk = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return True
        if name == "log":
            self._log_count += len(chunk)
            self._log_tail += chunk
            del self._log_tail[:-LOG_TAIL_BYTES]
        else:
            room = (FRAME_BYTES + 1 if name == "frame" else REPORT_BYTES) - len(self._kept[name])
            self._kept[name] += chunk[: max(room, 0)]
        return bool(chunk)

    def _drain_rest(self) -> None:
        """What is still in the pipes: bounded by their capacity, since every writer is dead."""
        for descriptor, name in ((self.result, "frame"), (self.report, "report"), (self.log, "log")):
            os.set_blocking(descriptor, True)
            while self._take(descriptor, name):
                continue

    def _kill(self) -> None:
        """SIGKILL to init ends every process of its pid namespace; wait until the kernel has done so."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        with selectors.DefaultSelector() as selector:
            selector.register(self.pidfd, selectors.EVENT_READ)
            selector.select()

    def _init_report(self) -> dict[str, int]:
        self.channel.setblocking(False)
        try:
            told = json.loads(self.channel.recv(4096) or b"{}")
        except (BlockingIOError, ConnectionError):
            return {}
        assert isinstance(told, dict)
        return told

    def _resident_bytes(self) -> int:
        """Resident memory of init's descendants above init's own, which is what they share with the zygote.

        From statm, the one file about memory that another user's process may read of an undumpable one.
        """
        total, waiting = 0, [(self.pid, True)]
        shared = _resident_pages(self.pid)
        while waiting:
            pid, is_init = waiting.pop()
            if not is_init:
                total += max(0, _resident_pages(pid) - shared) * _PAGE_BYTES
            waiting += [(child, False) for child in _children(pid)]
        self._peak = max(self._peak, total)
        return total


def _resident_pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0  # it has just ended


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
