"""Watches one run from outside: drains its pipes, keeps the clocks, counts its output and memory, kills it.

Backend-independent: it needs the run's pipes, a channel to the run's trusted init, and init's pidfd.
"""

import json
import math
import os
import select
import selectors
import signal
import socket
import time
from dataclasses import dataclass, field

from worker.sandbox.limits.cgroups import ControlGroup
from worker.sandbox.limits.usage import Usage
from worker.sandbox.protocol import Limits
from worker.sandbox.verdict import FRAME_BYTES, LOG_TAIL_BYTES, Evidence, Stop

MEMORY_POLL_S = 0.02
CPU_POLL_S = 0.005  # at the shortest, when the processor time is nearly used up
REPORT_BYTES = 4096
LOOK_S = 0.5
SUSPENDED_S = 1.0  # a look that comes so much later was held up by us: a worker that was frozen, for example
TEARDOWN_S = 10.0  # for the end of the processes of a run that was stopped, which takes some milliseconds
_CHUNK = 65536


@dataclass
class Run:
    """One network being evaluated.

    Attributes
    ----------
    result, report, log : int
        Descriptors of the reading ends of the run's pipes.
    channel : socket
        To the run's init.
    pid, pidfd : int
        Of init.
    wakeup : int
        A descriptor that becomes readable when another thread interrupts the run.
    group : ControlGroup
    limits : Limits
    processors : int
        How many the processes can keep busy at once.
    has_ended : bool
        Whether every process of the run has ended.
    """

    result: int
    report: int
    log: int
    channel: socket.socket
    pid: int
    pidfd: int
    wakeup: int
    group: ControlGroup
    limits: Limits
    processors: int
    has_ended: bool = False
    _kept: dict[str, bytearray] = field(default_factory=lambda: {"frame": bytearray(), "report": bytearray()})
    _log_tail: bytearray = field(default_factory=bytearray)
    _log_count: int = 0
    _usage: Usage = field(init=False)
    _suspended_s: float = field(default=0.0, init=False)  # in which this process itself did not run

    def __post_init__(self) -> None:
        self._usage = Usage(self.pid)

    def watch(self) -> Evidence:
        """Wait until the run ends or breaks a limit, and end it then.

        Returns
        -------
        Evidence
            Its `wall_s` counts until every process of the run has ended. If they have not after `TEARDOWN_S`,
            `has_ended` is False, and the zygote must be ended with them.
        """
        begin = time.monotonic()
        stopped = self._loop(begin)
        seen_cpu_s = self._cpu_s() if stopped else 0.0  # /proc forgets it with the processes
        self.has_ended = self._kill()
        wall_s = time.monotonic() - begin - self._suspended_s
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
            cpu_s=self.group.cpu_s() or max(seen_cpu_s, told.get("cpu_s") or 0.0) or None,
            peak_bytes=self.group.peak_bytes() or max(self._usage.peak_bytes, told.get("peak_bytes") or 0) or None,
        )

    def _loop(self, begin: float) -> Stop | None:
        with selectors.DefaultSelector() as selector:
            for descriptor, name in ((self.result, "frame"), (self.report, "report"), (self.log, "log")):
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ, name)
            selector.register(self.pidfd, selectors.EVENT_READ, "ended")
            selector.register(self.wakeup, selectors.EVENT_READ, "interrupt")
            # Never where a group looks, or there is no limit. On n processors it takes at least an nth of the processor
            # time that is left to use it up, so no look is needed before.
            memory_due = math.inf if self.group.limits_memory else time.monotonic()
            cpu_due = time.monotonic() + self._cpu_limit_s / self.processors
            while True:
                now = time.monotonic()
                deadline = begin + self.limits.wall_s + self._suspended_s
                if now >= deadline:
                    return Stop.WALL
                if now >= memory_due:
                    if self._usage.resident_bytes() > self.limits.memory_bytes:
                        return Stop.MEMORY
                    memory_due = now + MEMORY_POLL_S
                if now >= cpu_due:
                    left_s = self._cpu_limit_s - self._cpu_s()
                    if left_s <= 0:
                        return Stop.CPU
                    cpu_due = now + max(left_s / self.processors, CPU_POLL_S)
                pause_s = max(0.0, min(deadline, memory_due, cpu_due, now + LOOK_S) - now)
                ready = selector.select(pause_s)
                late_s = time.monotonic() - now - pause_s
                self._suspended_s += late_s if late_s > SUSPENDED_S else 0.0
                for key, _ in ready:
                    if key.data == "ended":
                        return self._verdict_at_the_end()
                    if key.data == "interrupt":
                        return Stop.INTERRUPT
                    if not self._take(key.fd, key.data):
                        selector.unregister(key.fd)
                if self._log_count > self.limits.log_bytes:
                    return Stop.LOG
                if len(self._kept["frame"]) > FRAME_BYTES or len(self._kept["report"]) >= REPORT_BYTES:
                    return Stop.PROTOCOL  # whoever writes without end must not keep us reading

    def _cpu_s(self) -> float:
        counted = self.group.cpu_s()
        return self._usage.cpu_s() if counted is None else counted

    @property
    def _cpu_limit_s(self) -> float:
        return math.inf if self.limits.cpu_s is None else self.limits.cpu_s

    def _verdict_at_the_end(self) -> Stop | None:
        """Stop.CPU if the limit was exceeded since the last look, as only a group can tell after the end."""
        counted = self.group.cpu_s()
        return Stop.CPU if counted is not None and counted > self._cpu_limit_s else None

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
        """Read what is still in the pipes: at most their capacity, for whoever could write has ended or is dying."""
        for descriptor, name in ((self.result, "frame"), (self.report, "report"), (self.log, "log")):
            while _is_ready(descriptor, 0.0) and self._take(descriptor, name):
                continue

    def _kill(self) -> bool:
        """SIGKILL to init ends every process of its pid namespace; wait until the kernel has done so, if it does."""
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended
        except PermissionError:
            self.channel.shutdown(socket.SHUT_WR)  # in a container it is another user's; the zygote does it for us
        self.group.kill()
        return _is_ready(self.pidfd, TEARDOWN_S)

    def _init_report(self) -> dict[str, int]:
        self.channel.setblocking(False)
        try:
            told = json.loads(self.channel.recv(4096) or b"{}")
        except (BlockingIOError, ConnectionError):
            return {}
        assert isinstance(told, dict)
        return told


def _is_ready(descriptor: int, timeout_s: float) -> bool:
    events = select.poll()
    events.register(descriptor, select.POLLIN)
    return bool(events.poll(timeout_s * 1000))
