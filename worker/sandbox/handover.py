"""What passes between the supervisor and a zygote: sealed files, sockets, and who a message is from.

Low-level pieces that every backend's `ZygoteSandbox` uses.
"""

import fcntl
import io
import os
import socket
import struct
import zipfile

from worker.sandbox.protocol import Code

FORK_S = 30.0
_CREDENTIALS = struct.Struct("3i")


def archive(measure: Code) -> bytes:
    """The measure's files as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in measure.files.items():
            file.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


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
