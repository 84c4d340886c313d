"""Tries a real sandbox once: does a measure get its value, and does it reach nothing it should not?

`gengap doctor` runs it. The probe is an ordinary measure on a network made of a few numbers.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from worker.sandbox.pool import make_pool
from worker.sandbox.protocol import Code, Failure, Limits, NetworkFiles, SandboxError

_PROBE = b"""
import os
import socket


def reaches(attempt):
    try:
        attempt()
    except OSError:
        return False
    return True


def complexity(model, dataset):
    attempts = (
        lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
        lambda: open("/etc/passwd").close(),
        lambda: open("/usr/lib/gengap-probe", "w").close(),
        lambda: os.listdir("/proc/1"),
        lambda: os.open("CANARY", os.O_RDONLY),
    )
    return sum(2**index for index, attempt in enumerate(attempts) if reaches(attempt))
"""
_REACHED = ("the network", "/etc/passwd", "a system folder for writing", "other processes", "a file of this user")


@dataclass(frozen=True)
class SelfTest:
    """works: a probe measure got its value and reached nothing. text: what happened, in a few words."""

    works: bool
    text: str


def try_sandbox() -> SelfTest:
    """Start a sandbox, evaluate the probe, end the sandbox. Takes the seconds of one `import torch`."""
    with tempfile.TemporaryDirectory(prefix="gengap-selftest-") as name:
        folder = Path(name)
        (folder / "canary").write_text("secret")
        save_file({"1.weight": np.ones((2, 4), np.float32), "1.bias": np.zeros(2, np.float32)}, folder / "weights")
        save_file({"inputs": np.ones((3, 1, 2, 2), np.float32), "labels": np.zeros(3, np.int64)}, folder / "data")
        layers = [{"type": "flatten"}, {"type": "linear", "inputs": 4, "outputs": 2}]
        network = NetworkFiles(
            architecture={"family": "sequential", "layers": layers},
            weights=folder / "weights",
            initial=None,
            training_data=folder / "data",
            classes=2,
        )
        probe = _PROBE.replace(b"CANARY", str(folder / "canary").encode())
        pool = make_pool("bubblewrap", 1)
        try:
            with pool.borrow() as sandbox:
                sandbox.start(Code({"complexity.py": probe}, "selftest"), Limits(wall_s=30))
                outcome = sandbox.evaluate(network, 0)
        except SandboxError as error:
            return SelfTest(False, str(error).splitlines()[0])
        finally:
            pool.close()
    if isinstance(outcome, Failure):
        return SelfTest(False, f"the probe failed: {outcome.reason} ({outcome.detail})")
    reached = [what for index, what in enumerate(_REACHED) if int(outcome.value) >> index & 1]
    if reached:
        return SelfTest(False, f"the probe reached {', '.join(reached)}")
    return SelfTest(True, f"a probe measure got its value in {outcome.wall_s:.2f} s and reached nothing else")
