"""Tries a real sandbox once: a measure must get its value and reach nothing that it should not.

`gengap doctor` and `gengap demo` run it. The probe is an ordinary measure on a network made of a few numbers.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from submissions.settings import Settings
from worker.sandbox.layers.layer_check import throwaway_network
from worker.sandbox.pool import make_pool
from worker.sandbox.protocol import Code, Failure, Limits, SandboxError

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
    """The result of `try_sandbox`.

    Attributes
    ----------
    works : bool
        Whether a probe measure got its value and reached nothing.
    text : str
        What happened, in a few words.
    layers : mapping of str to bool
        Which layers held; empty where no sandbox started.
    """

    works: bool
    text: str
    layers: Mapping[str, bool] = field(default_factory=dict)


def try_sandbox(settings: Settings) -> SelfTest:
    """Start a sandbox, evaluate the probe in it, try the layers, end it. Takes the seconds of one `import torch`.

    Parameters
    ----------
    settings : Settings
        Name the backend, with its options.

    Returns
    -------
    SelfTest

    Raises
    ------
    UnknownBackendError
        If there is no backend of this name.
    """
    with tempfile.TemporaryDirectory(prefix="gengap-selftest-") as name:
        folder = Path(name)
        (folder / "canary").write_text("secret")
        network = throwaway_network(folder)
        probe = _PROBE.replace(b"CANARY", str(folder / "canary").encode())
        pool = make_pool(settings, 1)
        try:
            with pool.borrow() as sandbox:
                sandbox.start(Code({"complexity.py": probe}, "selftest"), Limits(wall_s=30))
                outcome = sandbox.evaluate(network, 0)
                layers = sandbox.layers
        except SandboxError as error:
            return SelfTest(False, str(error).splitlines()[0])
        finally:
            pool.close()
    if isinstance(outcome, Failure):
        return SelfTest(False, f"the probe failed: {outcome.reason} ({outcome.detail})", layers)
    reached = [what for index, what in enumerate(_REACHED) if int(outcome.value) >> index & 1]
    if reached:
        return SelfTest(False, f"the probe reached {', '.join(reached)}", layers)
    return SelfTest(True, f"a probe measure got its value in {outcome.wall_s:.2f} s and reached nothing else", layers)
