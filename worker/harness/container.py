"""Starts the zygote in a container: it connects to its control socket, since a container inherits no descriptor.

A container's command (`worker.sandbox.backends.docker`) runs `main`.
"""

import importlib
import os
import socket

CONTROL = "/tmp/control/socket"  # noqa: S108  (over which every network has a /tmp of its own)


def main() -> None:
    """Connect to the supervisor, write to the log that it sends, and serve as the zygote."""
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.connect(CONTROL)
    _, (log,), _, _ = socket.recv_fds(control, 1, 1)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    zygote = importlib.import_module("worker.harness.zygote")  # after the log is there, for whatever it says
    zygote.main(control.detach())
