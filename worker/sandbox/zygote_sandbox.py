"""A sandbox around a warm zygote, whatever starts the zygote: what the backends have in common.

`ZygoteSandbox` hands the zygote one network at a time and lets `supervise` watch. A backend is a `Launcher`: it
starts zygotes where participants' code can reach nothing, and says which layers of protection that makes.
"""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Protocol

from worker.sandbox import cgroups
from worker.sandbox.handover import FORK_S, archive, introduced_pid, sealed, socket_pair
from worker.sandbox.protocol import Code, Limits, NetworkFiles, Outcome, SandboxError
from worker.sandbox.seccomp import participant_filter
from worker.sandbox.supervise import Run
from worker.sandbox.verdict import judge

ZYGOTE_START_S = 120.0


class Zygote(Protocol):
    """One started zygote. `control` is the supervisor's end of its socket; the zygote said "ready" on it."""

    control: socket.socket

    @property
    def is_alive(self) -> bool: ...

    def stop(self) -> str:
        """End every process of it, leave nothing behind, and give the last that it said."""


class Launcher(Protocol):
    """A backend's way to start zygotes. Shared by the sandboxes of a pool, used from any thread."""

    @property
    def serves_many_measures(self) -> bool:
        """Whether one zygote may serve the networks of several measures, one after another."""

    @property
    def layers(self) -> Mapping[str, bool]:
        """Which layers of protection it adds, by name."""

    def launch(self) -> Zygote:
        """A warm zygote. Raises SandboxError."""


class ZygoteSandbox:
    """A zygote and the means to evaluate networks with it, one at a time. See `protocol.Sandbox`."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._zygote: Zygote | None = None
        self._measure: str | None = None
        self._code: int | None = None
        self._limits = Limits()
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._is_evaluating = False

    @property
    def layers(self) -> Mapping[str, bool]:
        return {
            **self._launcher.layers,
            "no_capabilities": True,
            "seccomp": participant_filter() is not None,
            "cgroup_memory": cgroups.parent_of("memory") is not None,
            "cgroup_processes": cgroups.parent_of("pids") is not None,
        }

    def start(self, measure: Code, limits: Limits) -> None:
        self._limits = limits
        if self._code is not None:
            os.close(self._code)
        self._code = sealed("code", archive(measure))
        is_used = self._measure not in (None, measure.digest) and not self._launcher.serves_many_measures
        if self._zygote is not None and (is_used or not self._zygote.is_alive):
            self._stop_zygote()
        if self._zygote is None:
            self._zygote = self._launcher.launch()
        self._measure = measure.digest

    def evaluate(self, network: NetworkFiles, seed: int) -> Outcome:
        if self._code is None or self._zygote is None:
            raise SandboxError("the sandbox was not started")
        with self._lock:
            self._is_evaluating = True
        try:
            with contextlib.ExitStack() as stack:
                return judge(self._run(self._zygote.control, network, seed, stack).watch(), self._limits)
        except OSError as error:
            raise SandboxError(f"the sandbox failed: {error}; the zygote: {self._stop_zygote()}") from error
        finally:
            with self._lock:
                self._is_evaluating = False
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 1024)

    def interrupt(self) -> None:
        with self._lock:
            if self._is_evaluating:
                os.write(self._wake_write, b"!")

    def close(self) -> None:
        self._stop_zygote()
        for descriptor in (self._code, self._wake_read, self._wake_write):
            if descriptor is not None:
                os.close(descriptor)
        self._code = None

    def _stop_zygote(self) -> str:
        zygote, self._zygote, self._measure = self._zygote, None, None
        return "" if zygote is None else zygote.stop()

    def _run(self, control: socket.socket, network: NetworkFiles, seed: int, stack: contextlib.ExitStack) -> Run:
        """Fork a process for this network up to the point where only our word is missing, and give it."""
        assert self._code is not None
        ours, theirs = socket_pair()
        stack.enter_context(ours)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
        for read_end, _ in pipes:
            stack.callback(os.close, read_end)
        with theirs, contextlib.ExitStack() as handed_over:
            sent = [sealed("request", self._request(network, seed)), theirs.fileno(), self._code]
            handed_over.callback(os.close, sent[0])
            for path in (network.weights, network.training_data):
                sent.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
                handed_over.callback(os.close, sent[-1])
            for _, write_end in pipes:
                sent.append(write_end)
                handed_over.callback(os.close, write_end)
            if network.initial is not None:
                sent.append(os.open(network.initial, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
                handed_over.callback(os.close, sent[-1])
            socket.send_fds(control, [b"n"], sent)
        group = stack.enter_context(_group(self._limits))
        stack.callback(_await_keeper, control)
        pid = introduced_pid(ours)
        pidfd = os.pidfd_open(pid)
        stack.callback(os.close, pidfd)
        group.add(pid)
        ours.send(b"g")
        (result, _), (report, _), (log, _) = pipes
        return Run(
            result=result,
            report=report,
            log=log,
            channel=ours,
            pid=pid,
            pidfd=pidfd,
            wakeup=self._wake_read,
            group=group,
            limits=self._limits,
        )

    def _request(self, network: NetworkFiles, seed: int) -> bytes:
        request = {
            "seed": seed,
            "architecture": network.architecture,
            "classes": network.classes,
            "seccomp": (participant_filter() or b"").hex(),
            "limits": {
                "wall_s": self._limits.wall_s,
                "memory_bytes": self._limits.memory_bytes,
                "processes": self._limits.processes,
                "scratch_bytes": self._limits.scratch_bytes,
            },
        }
        return json.dumps(request).encode()


def await_ready(control: socket.socket) -> bool:
    """Whether a zygote that was just started says that it is ready."""
    control.settimeout(ZYGOTE_START_S)
    try:
        return control.recv(16) == b"ready"
    except OSError:
        return False


def _await_keeper(control: socket.socket) -> None:
    """The zygote's word that it has reaped this network's processes: it is ready for the next one."""
    control.settimeout(FORK_S)
    if control.recv(16) != b"done":
        raise OSError("the zygote ended")


@contextlib.contextmanager
def _group(limits: Limits) -> Iterator[cgroups.ControlGroup]:
    group = cgroups.create(limits.memory_bytes, limits.processes)
    try:
        yield group
    finally:
        group.remove()
