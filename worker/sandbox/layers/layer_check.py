"""Finds out which layers of protection hold on this machine by trying them.

`Layers` runs a few measures of our own in a real sandbox, once for a pool, with different layers switched off, so
that each layer has to stop something by itself; the same attempt without the layer is the control. The result is
stored with every evaluation. `layer_table` explains the names.
"""

import os
import socket
import tempfile
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import numpy as np
from safetensors.numpy import save_file

from submissions.storage.states import Reason
from worker.sandbox.layers import layer_probes as probes
from worker.sandbox.layers.layer_table import TABLE
from worker.sandbox.protocol import Code, Failure, Fences, Limits, NetworkFiles, Outcome, SandboxError, Value

MIB = 2**20
_ENOUGH = Limits(wall_s=30, memory_bytes=1024 * MIB, scratch_bytes=512 * MIB, processes=64)
_LITTLE_MEMORY = Limits(wall_s=30, memory_bytes=64 * MIB, scratch_bytes=512 * MIB, processes=64)
_FEW_PROCESSES = Limits(wall_s=30, memory_bytes=1024 * MIB, scratch_bytes=512 * MIB, processes=8)


class Trial(Protocol):
    """A sandbox in which layers can be switched off for code of ours. `ZygoteSandbox` is one."""

    @property
    def added_layers(self) -> Mapping[str, bool]:
        """Layers that only the backend knows of."""

    @property
    def outside_user(self) -> int | None:
        """The user, as this machine sees it, of the last run's processes."""

    def try_out(self, measure: Code, limits: Limits, fences: Fences, network: NetworkFiles) -> Outcome:
        """Evaluate code of ours; the measure that was set stays set. Raises SandboxError."""


class Layers:
    """Which layers hold in the sandboxes of a pool: tried at the first request, then kept. Used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._vector: Mapping[str, bool] | None = None

    def forget(self) -> None:
        """Try them again at the next request."""
        with self._lock:
            self._vector = None

    def of(self, sandbox: Trial) -> Mapping[str, bool]:
        """Return which layers hold, by name.

        Parameters
        ----------
        sandbox : Trial
            In which they are tried, if they have not been tried yet.

        Raises
        ------
        SandboxError
            If a trial was needed and the sandbox does not work.
        """
        with self._lock:
            if self._vector is None:
                self._vector = probe(sandbox)
            return self._vector


def probe(sandbox: Trial) -> Mapping[str, bool]:
    """Try every layer. Takes about half a second with a warm zygote.

    Parameters
    ----------
    sandbox : Trial
        The sandbox to try them in.

    Returns
    -------
    mapping of str to bool
        Whether each layer of `layer_table.TABLE` held.

    Raises
    ------
    SandboxError
        If no measure of ours gets a value even without seccomp and Landlock.
    """
    with tempfile.TemporaryDirectory(prefix="gengap-layers-") as name, _Targets(Path(name)) as targets:
        attempt = partial(_attempt, sandbox, throwaway_network(Path(name)))

        def reached(fences: Fences) -> frozenset[str] | None:
            outcome = attempt(targets.measure(), _ENOUGH, fences)
            return probes.decode(outcome.value) if isinstance(outcome, Value) else None

        open_ = reached(Fences(seccomp=False, landlock=False))
        if open_ is None:
            raise SandboxError("the probe of layers got no value from a sandbox without seccomp and Landlock")
        user = sandbox.outside_user
        filtered = reached(Fences(landlock=False))
        landlocked = reached(Fences(seccomp=False))
        kernel = Fences(kernel_limits=False)
        enough = attempt(probes.GREEDY, _ENOUGH, kernel)
        vector = _mounts_and_rights(open_, are_reachable=targets.are_reachable()) | {
            "seccomp": _is_filtered(open_, filtered),
            "landlock": landlocked is not None and "list_dev" in open_ and "list_dev" not in landlocked,
            "cgroup_memory": _is_value(enough) and _is_out_of_memory(attempt(probes.HOARD, _LITTLE_MEMORY, kernel)),
            "cgroup_processes": _is_value(enough) and _stays_below(attempt(probes.CROWD, _FEW_PROCESSES, kernel)),
            "cpu_affinity": filtered is not None and _is_pinned(open_, filtered),
            "dedicated_user": user not in (None, 0, os.getuid()),
        }
        vector["resident_memory_watch"] = not vector["cgroup_memory"] and _is_out_of_memory(
            attempt(probes.RESIDENT, _LITTLE_MEMORY, Fences(kernel_limits=False, control_groups=False))
        )
    return {layer.name: (dict(sandbox.added_layers) | vector).get(layer.name, False) for layer in TABLE}


def throwaway_network(folder: Path) -> NetworkFiles:
    """Write a network of a few numbers with three examples of two classes.

    Parameters
    ----------
    folder : Path
        Where its files are written.

    Returns
    -------
    NetworkFiles
    """
    save_file({"1.weight": np.ones((2, 4), np.float32), "1.bias": np.zeros(2, np.float32)}, folder / "weights")
    save_file({"inputs": np.ones((3, 1, 2, 2), np.float32), "labels": np.zeros(3, np.int64)}, folder / "data")
    return NetworkFiles(
        architecture={
            "family": "sequential",
            "layers": [{"type": "flatten"}, {"type": "linear", "inputs": 4, "outputs": 2}],
        },
        weights=folder / "weights",
        initial=None,
        training_data=folder / "data",
        classes=2,
    )


class _Targets:
    """What a probe tries to reach: real files that everybody may read, a TCP port, an abstract socket."""

    def __init__(self, folder: Path) -> None:
        self._canary = folder / "canary"
        self._canaries = (str(self._canary), "/etc/passwd")
        self._abstract = f"\0gengap-{uuid4().hex}"

    def __enter__(self) -> "_Targets":
        self._canary.write_text("canary")
        self._canary.parent.chmod(0o755)
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._unix = socket.socket(socket.AF_UNIX)
        self._unix.bind(self._abstract)
        self._unix.listen()
        return self

    def __exit__(self, *_error: object) -> None:
        self._tcp.close()
        self._unix.close()

    def measure(self) -> bytes:
        """Return the probe that tries to reach them."""
        return probes.attempts(canaries=self._canaries, port=self._port(), abstract=self._abstract)

    def are_reachable(self) -> bool:
        """Check, as the control, that each of them can be reached from outside the sandbox."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self._abstract)
        socket.create_connection(("127.0.0.1", self._port()), timeout=5).close()
        return all(os.access(path, os.R_OK) for path in self._canaries)

    def _port(self) -> int:
        port: int = self._tcp.getsockname()[1]
        return port


def _attempt(sandbox: Trial, network: NetworkFiles, source: bytes, limits: Limits, fences: Fences) -> Outcome | None:
    try:
        return sandbox.try_out(Code({"complexity.py": source}, "layers"), limits, fences, network)
    except SandboxError:
        if fences == Fences(seccomp=False, landlock=False):
            raise  # not a layer's fault: this sandbox runs nothing at all
        return None


def _mounts_and_rights(reached: frozenset[str], *, are_reachable: bool) -> dict[str, bool]:
    """Return which of these layers held when seccomp and Landlock were off."""
    return {
        "namespaces": are_reachable and not reached & {"canary", "host_pid"},
        "no_network": are_reachable and not reached & {"tcp", "abstract_socket"},
        "read_only_files": "write_scratch" in reached and "write_outside" not in reached,
        "no_capabilities": "hostname_with_rights" in reached and not reached & {"hostname", "mount"},
    }


def _is_filtered(open_: frozenset[str], filtered: frozenset[str] | None) -> bool:
    """Whether every call that must be refused is refused, some of which were not without the filter."""
    calls = frozenset(probes.FORBIDDEN)
    return filtered is not None and bool(open_ & calls) and not filtered & calls


def _is_pinned(open_: frozenset[str], filtered: frozenset[str]) -> bool:
    """Whether the run began on one processor and could not take more; without the filter it could, if there are."""
    could = "took_more_processors" in open_ or os.cpu_count() == 1
    return could and "began_on_one_processor" in filtered and "took_more_processors" not in filtered


def _is_value(outcome: Outcome | None) -> bool:
    return isinstance(outcome, Value) and outcome.value == probes.CROWD_SIZE


def _is_out_of_memory(outcome: Outcome | None) -> bool:
    return isinstance(outcome, Failure) and outcome.reason is Reason.MEMORY_LIMIT


def _stays_below(outcome: Outcome | None) -> bool:
    return isinstance(outcome, Value) and outcome.value <= _FEW_PROCESSES.processes
