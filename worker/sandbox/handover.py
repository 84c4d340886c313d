"""What passes between the supervisor and a zygote: sealed files, sockets, and the sender of a message.

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
CREDENTIALS = struct.Struct("3i")  # process, user and group, as the kernel describes the other end of a socket
LOG_BYTES = 4000


@dataclass(frozen=True)
class SealedCode:
    """A measure's files, one after another in a sealed anonymous file.

    This is not a zip archive because opening one would cost every fork of the zygote 3 ms.

    Attributes
    ----------
    descriptor : int
        Descriptor of the anonymous file.
    sizes : mapping of str to int
        Size of each file in bytes by its relative path, in the order in which the files follow each other.
    """

    descriptor: int
    sizes: Mapping[str, int]

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)


def sealed_code(measure: Code) -> SealedCode:
    """Write a measure's files into a sealed anonymous file.

    Parameters
    ----------
    measure : Code
        Its files are written in their order.

    Returns
    -------
    SealedCode
        The caller closes it.
    """
    sizes = {name: len(content) for name, content in measure.files.items()}
    return SealedCode(sealed("code", b"".join(measure.files.values())), sizes)


def sealed(name: str, content: bytes) -> int:
    """Make an anonymous file that can no longer be changed.

    Parameters
    ----------
    name : str
        Shown by the kernel in ``/proc`` only.
    content : bytes
        All that the file holds.

    Returns
    -------
    int
        Its descriptor, closed on exec. The caller closes it.
    """
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Make two connected, blocking sockets that keep the boundaries of messages.

    They are made blocking explicitly: kombu temporarily sets a default timeout for the whole process, and a socket that
    is created at that moment would be non-blocking, at the zygote's end too.

    Returns
    -------
    tuple of socket
    """
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in pair:
        end.setblocking(True)
    return pair


def end_of_log(descriptor: int) -> str:
    """Return the end of the log of a zygote that has ended, and close it.

    Parameters
    ----------
    descriptor : int
        Of the file that the zygote has written to.
    """
    said = os.pread(descriptor, LOG_BYTES, max(0, os.fstat(descriptor).st_size - LOG_BYTES))
    os.close(descriptor)
    return said.decode(errors="replace").strip() or "it said nothing"


def introduction(channel: socket.socket) -> tuple[int, int]:
    """Receive a process's first message and return who sent it, as the kernel reports it.

    Parameters
    ----------
    channel : socket
        With ``SO_PASSCRED`` set.

    Returns
    -------
    tuple of (int, int)
        Process id and user id, as this process sees them.

    Raises
    ------
    OSError
        If no message with credentials arrives within `FORK_S` seconds.
    """
    channel.settimeout(FORK_S)
    _, ancillary, _, _ = channel.recvmsg(16, socket.CMSG_SPACE(CREDENTIALS.size))
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            pid, user, _group = CREDENTIALS.unpack(data[: CREDENTIALS.size])
            if pid > 0:
                return pid, user
    raise OSError("the forked process sent no identification")
