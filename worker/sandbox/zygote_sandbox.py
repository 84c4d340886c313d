"""The part of a sandbox that all backends share: a warm zygote evaluates one network at a time.

`ZygoteSandbox` sends the zygote one network at a time and watches the run (`supervise`). A backend provides a
`Launcher`, which starts zygotes where participants' code can reach nothing and says which layers that adds.
"""

import contextlib
import itertools
import json
import math
import os
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from worker.sandbox.handover import FORK_S, SealedCode, introduction, sealed, sealed_code, socket_pair
from worker.sandbox.layers.layer_check import Layers
from worker.sandbox.layers.seccomp import participant_filter
from worker.sandbox.limits import cgroups
from worker.sandbox.limits.supervise import Run
from worker.sandbox.protocol import Code, ContextFiles, Fences, Limits, NetworkFiles, Outcome, SandboxError
from worker.sandbox.verdict import judge

ZYGOTE_START_S = 120.0
SANDBOX_ID = 61184  # not 0: since Linux 5.12 a capability is needed to map uid 0 into a further namespace
USERS = 4096  # this many zygotes of one worker have a user each
ENVIRONMENT = {
    "HOME": "/tmp",  # noqa: S108
    "TMPDIR": "/tmp",  # noqa: S108
    "TORCHINDUCTOR_CACHE_DIR": "/tmp/torchinductor",  # noqa: S108
    "USER": "participant",
    "LOGNAME": "participant",
    "LANG": "C.UTF-8",
    "PATH": "/usr/bin",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "JOBLIB_MULTIPROCESSING": "0",  # semaphores need a writable /dev/shm, which a zygote lacks
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
CPU_SLACK_S = 1  # a process's own kernel limit is a second fence: it must not be faster than the supervisor


class Zygote(Protocol):
    """A started zygote.

    Attributes
    ----------
    control : socket
        The supervisor's end of its socket. The zygote has sent "ready" on it.
    """

    control: socket.socket

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs."""

    @property
    def hierarchy(self) -> cgroups.Hierarchy | None:
        """Where its networks' control groups are made: below its own, whose limits they then share. None: nowhere."""

    def fit(self, limits: Limits) -> None:
        """Adapt the limits around the zygote itself, if there are any, to networks with these limits.

        Raises
        ------
        SandboxError
            If they cannot be changed.
        """

    def stop(self) -> str:
        """End all of its processes and remove its files; return the end of its log."""


class Launcher(Protocol):
    """Starts the zygotes of a backend. Shared by the sandboxes of a pool and used from any thread."""

    @property
    def serves_many_measures(self) -> bool:
        """Whether one zygote may serve the networks of several measures, one after another."""

    @property
    def covers_root(self) -> bool:
        """Whether a zygote sees more folders than measures need; each network then finds the others empty."""

    @property
    def layers(self) -> Mapping[str, bool]:
        """Layers that a probe cannot detect, such as being in a container; `layer_check` tries the others."""

    def launch(self) -> Zygote:
        """Return a warm zygote.

        Raises
        ------
        SandboxError
            If none starts.
        """

    def prepare(self) -> None:
        """Start preparing the next launch in the background, and return at once. Called after each outcome.

        `launch` does not do this itself: starting a zygote would take processor time from the measure's first network.
        """

    def close(self) -> None:
        """End whatever is kept ready for later. Called after its zygotes have been stopped."""


@dataclass(frozen=True)
class _Task:
    """One network to be evaluated, with the code, the limits and the layers of the run."""

    code: SealedCode
    limits: Limits
    fences: Fences
    network: NetworkFiles
    seed: int
    processors: tuple[int, ...]
    covers_root: bool
    is_profiled: bool = False

    def request(self) -> bytes:
        """Return the request for the harness as JSON; see `worker.harness.participant.run`."""
        limits = self.limits
        cpu_s = limits.wall_s * len(self.processors) if limits.cpu_s is None else limits.cpu_s
        program = participant_filter() if self.fences.seccomp else None
        request = {
            "seed": self.seed,
            "code": self.code.sizes,
            "architecture": self.network.architecture,
            "classes": self.network.classes,
            "context": _offered(self.network.context),
            "processors": self.processors,
            "threads": len(self.processors),
            "seccomp": (program or b"").hex(),
            "landlock": self.fences.landlock,
            "covers_root": self.covers_root,
            "profile": self.is_profiled,
            "kernel_limits": self.fences.kernel_limits,
            "limits": asdict(limits) | {"cpu_s": math.ceil(cpu_s) + CPU_SLACK_S},
        }
        return json.dumps(request).encode()


def _offered(context: ContextFiles | None) -> dict[str, object] | None:
    """Describe the files for the extended track to the harness: which there are, and the trajectory's epochs."""
    if context is None:
        return None
    epochs = None if context.trajectory is None else [epoch for epoch, _ in context.trajectory]
    return {"siblings": context.siblings is not None, "trajectory": epochs}


class ZygoteSandbox:
    """A sandbox that evaluates networks in forks of a zygote. See `protocol.Sandbox`.

    Parameters
    ----------
    launcher : Launcher
        Starts its zygotes.
    slot : int
        Its number in the pool, which decides on which processors its networks run.
    layers : Layers, optional
        Which layers hold, shared by the sandboxes of a pool.
    """

    def __init__(self, launcher: Launcher, slot: int = 0, layers: Layers | None = None) -> None:
        self._launcher = launcher
        self._slot = slot
        self._layers = layers or Layers()
        self._zygote: Zygote | None = None
        self._measure: str | None = None  # of which the zygote has run networks
        self._digest: str | None = None  # of the measure that was set
        self._code: SealedCode | None = None
        self._limits = Limits()
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._is_evaluating = False
        self.outside_user: int | None = None

    @property
    def layers(self) -> Mapping[str, bool]:
        """Which layers of protection hold, by name."""
        return self._layers.of(self)

    def forget_layers(self) -> None:
        """Try the layers again at the next request. See `protocol.Sandbox.forget_layers`."""
        self._layers.forget()

    @property
    def added_layers(self) -> Mapping[str, bool]:
        """Layers that only the backend knows of."""
        return self._launcher.layers

    def warm(self) -> None:
        """Start the zygote. See `protocol.Sandbox.warm`."""
        self._warm_zygote()

    def start(self, measure: Code, limits: Limits) -> None:
        """Set the measure for the evaluations that follow. See `protocol.Sandbox.start`."""
        self._limits = limits
        if self._code is not None:
            self._code.close()
        self._code = sealed_code(measure)
        if self._measure not in (None, measure.digest) and not self._launcher.serves_many_measures:
            self._stop_zygote()
        self._warm_zygote().fit(limits)
        self._measure = self._digest = measure.digest

    def evaluate(self, network: NetworkFiles, seed: int, *, is_profiled: bool = False) -> Outcome:
        """Evaluate the measure on one network. See `protocol.Sandbox.evaluate`."""
        if self._code is None:
            raise SandboxError("the sandbox was not started")
        if self._zygote is None:  # ended with the run before
            self._warm_zygote().fit(self._limits)
            self._measure = self._digest
        task = self._task(self._code, self._limits, Fences(), network, seed)
        return self._outcome(replace(task, is_profiled=is_profiled))

    def try_out(self, measure: Code, limits: Limits, fences: Fences, network: NetworkFiles) -> Outcome:
        """Evaluate code of ours with some layers switched off. The measure that was set with `start` stays set.

        Parameters
        ----------
        measure : Code
            Code of ours.
        limits : Limits
            Of this run alone.
        fences : Fences
            Which layers are on.
        network : NetworkFiles
            The network that the code gets.

        Returns
        -------
        Value or Failure

        Raises
        ------
        SandboxError
            If the sandbox fails.
        """
        self._warm_zygote().fit(limits)
        code = sealed_code(measure)
        try:
            return self._outcome(self._task(code, limits, fences, network, 0))
        finally:
            code.close()

    def interrupt(self) -> None:
        """End the evaluation in progress, if there is one. See `protocol.Sandbox.interrupt`."""
        with self._lock:
            if self._is_evaluating:
                os.write(self._wake_write, b"!")

    def close(self) -> None:
        """End every process and remove every file of this sandbox."""
        self._stop_zygote()
        for descriptor in (self._wake_read, self._wake_write):
            os.close(descriptor)
        if self._code is not None:
            self._code.close()
        self._code = None

    def _warm_zygote(self) -> Zygote:
        if self._zygote is not None and not self._zygote.is_alive:
            self._stop_zygote()
        if self._zygote is None:
            self._zygote = self._launcher.launch()
        return self._zygote

    def _stop_zygote(self) -> str:
        zygote, self._zygote, self._measure = self._zygote, None, None
        return "" if zygote is None else zygote.stop()

    def _task(self, code: SealedCode, limits: Limits, fences: Fences, network: NetworkFiles, seed: int) -> _Task:
        return _Task(code, limits, fences, network, seed, self._processors(limits), self._launcher.covers_root)

    def _processors(self, limits: Limits) -> tuple[int, ...]:
        """Choose this slot's own among those that this process may use; with more slots than processors they share."""
        own = sorted(os.sched_getaffinity(0))
        count = min(limits.cpus, len(own))
        return tuple(own[(self._slot * count + index) % len(own)] for index in range(count))

    def _outcome(self, task: _Task) -> Outcome:
        assert self._zygote is not None
        with self._lock:
            self._is_evaluating = True
        try:
            with contextlib.ExitStack() as stack:
                run = self._run(self._zygote, task, stack)
                evidence = run.watch()
                if not run.has_ended:
                    self._stop_zygote()
            outcome = judge(evidence, task.limits)
            self._launcher.prepare()
            return outcome
        except OSError as error:
            raise SandboxError(f"the sandbox failed: {error}; the zygote: {self._stop_zygote()}") from error
        finally:
            with self._lock:
                self._is_evaluating = False
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 1024)

    def _run(self, zygote: Zygote, task: _Task, stack: contextlib.ExitStack) -> Run:
        """Fork a process for this network, put it into its control group, and let it begin."""
        ours, theirs = socket_pair()
        stack.enter_context(ours)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        pipes = {name: os.pipe2(os.O_CLOEXEC) for name in ("result", "report", "log")}
        for read_end, _ in pipes.values():
            stack.callback(os.close, read_end)
        with theirs, contextlib.ExitStack() as handed_over:
            request = sealed("request", task.request())
            handed_over.callback(os.close, request)
            sent = [("request", request), ("channel", theirs.fileno()), ("code", task.code.descriptor)]
            for name, (_, write_end) in pipes.items():
                sent.append((name, write_end))
                handed_over.callback(os.close, write_end)
            for name, path in task.network.named:
                sent.append((name, os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)))
                handed_over.callback(os.close, sent[-1][1])
            names, descriptors = zip(*sent, strict=True)
            socket.send_fds(zygote.control, [" ".join(names).encode()], descriptors)
        group = cgroups.create(zygote.hierarchy if task.fences.control_groups else None, task.limits)
        stack.callback(self._leave, zygote, group)
        stack.callback(ours.shutdown, socket.SHUT_WR)  # whatever happens below, the zygote then ends the run
        pid, self.outside_user = introduction(ours)
        pidfd = os.pidfd_open(pid)
        stack.callback(os.close, pidfd)
        participant, _ = introduction(ours)
        group.add(pid)
        group.add(participant)
        ours.send(b"g")
        return Run(
            result=pipes["result"][0],
            report=pipes["report"][0],
            log=pipes["log"][0],
            channel=ours,
            pid=pid,
            pidfd=pidfd,
            wakeup=self._wake_read,
            group=group,
            limits=task.limits,
            processors=len(task.processors),
        )

    def _leave(self, zygote: Zygote, group: cgroups.ControlGroup) -> None:
        """Wait until the zygote reports that this network's processes have been reaped, and remove their group.

        If the zygote was stopped because they did not end, the group stays until a worker starts.
        """
        if self._zygote is None:
            with contextlib.suppress(OSError):
                group.remove()
            return
        zygote.control.settimeout(FORK_S)
        try:
            if zygote.control.recv(16) != b"done":
                raise OSError("the zygote ended")
        finally:
            group.remove()


def dedicated_users() -> Iterator[int]:
    """Yield users that own nothing, one for each zygote: the kernel counts pipes and other things by user.

    They begin at random, so that two workers share none. Used from any thread.
    """
    users, first = range(SANDBOX_ID, SANDBOX_ID + USERS), secrets.randbelow(USERS)
    return itertools.cycle((*users[first:], *users[:first]))


def await_ready(control: socket.socket) -> bool:
    """Wait for at most `ZYGOTE_START_S` seconds until a new zygote reports that it is ready; False if it does not."""
    control.settimeout(ZYGOTE_START_S)
    try:
        return control.recv(16) == b"ready"
    except OSError:
        return False
