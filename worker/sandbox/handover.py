"""What passes between the supervisor and a zygote: sealed files, sockets, and who a message is from.

Low-level pieces that every backend's `ZygoteSandbox` uses.
"""

import fcntl
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from worker.sandbox.protocol import Code

FORK_S = 30.0
_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True)
class SealedCode:
    """A measure's files one after another in a sealed file; `sizes`: bytes by relative path, in that order.

    Not a zip: to open one would cost every fork of the zygote 3 ms.
    """

    descriptor: int
    sizes: Mapping[str, int]

    def close(self) -> None:
        os.close(self.descriptor)


def sealed_code(measure: Code) -> SealedCode:
    sizes = {name: len(content) for name, content in measure.files.items()}
    return SealedCode(sealed("code", b"".join(measure.files.values())), sizes)


def sealed(name: str, content: bytes) -> int:
    """A descriptor of an anonymous file that nobody can change any more."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected, blocking sockets. kombu now and then sets a default timeout for the whole process, and a
    socket made at that moment would be a non-blocking one, at the zygote's end too."""
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in pair:
        end.setblocking(True)
    return pair


def introduction(channel: socket.socket) -> tuple[int, int]:
    """The pid and the user of init as this process sees them: the kernel attaches them to init's first message."""
    channel.settimeout(FORK_S)
    _, ancillary, _, _ = channel.recvmsg(16, socket.CMSG_SPACE(_CREDENTIALS.size))
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            pid, user, _group = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])
            if pid > 0:
                return pid, user
    raise OSError("the forked process did not introduce itself")
