"""Marks the docker backend's containers and folders with the worker that made them.

A worker that starts can then remove what killed workers left behind, and nothing else. Called by `docker`.
"""

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError

LABELS = {"gengap": "sandbox"}
OWNER_LABEL = "gengap.owner"
_PLACE = "gengap-meeting-"
_START_FIELD = 19  # in what follows the program's name in /proc/<pid>/stat


@dataclass(frozen=True)
class Owner:
    """A process, identified among all processes before and after it.

    Attributes
    ----------
    boot : str
        The id of the machine's boot.
    namespace : str
        Inode of its pid namespace.
    pid, start : str
        Its process id there, and when it started, in ticks since boot.
    """

    boot: str
    namespace: str
    pid: str
    start: str

    @classmethod
    def this_process(cls) -> "Owner":
        """Return the process that this code runs in."""
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        pid = str(os.getpid())
        return cls(boot, str(Path("/proc/self/ns/pid").stat().st_ino), pid, _start(pid))

    @classmethod
    def parse(cls, label: str) -> "Owner | None":
        """Parse a label that `str` made; None if it is something else."""
        parts = label.split("/")
        return cls(*parts) if len(parts) == 4 and parts[2].isdigit() else None

    def __str__(self) -> str:
        return "/".join((self.boot, self.namespace, self.pid, self.start))

    def is_dead(self) -> bool:
        """Whether the process certainly has ended. Processes in other pid namespaces cannot be seen from here."""
        us = Owner.this_process()
        if self.boot != us.boot:
            return True
        return self.namespace == us.namespace and _start(self.pid) != self.start


@dataclass(frozen=True)
class MeetingPlace:
    """A folder that is mounted into a container, and the socket in it to which the zygote connects.

    Attributes
    ----------
    folder : Path
    listener : socket
    """

    folder: Path
    listener: socket.socket


@contextlib.contextmanager
def meeting_place() -> Iterator[MeetingPlace]:
    """Make a folder with a listening socket, and remove it at the end of the ``with`` block.

    The folder lies in one that is closed to all other users: nobody else on this machine can reach the socket, while
    the container's user, who owns nothing here, can. The container keeps the empty folder.
    """
    above = Path(tempfile.mkdtemp(prefix=f"{_PLACE}{os.getpid()}-"))
    try:
        folder = above / "control"
        folder.mkdir()
        folder.chmod(0o711)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(folder / "socket"))
            (folder / "socket").chmod(0o666)
            listener.listen(1)
            yield MeetingPlace(folder, listener)
    finally:
        shutil.rmtree(above)


def remove_left_behind(engine: DockerClient) -> None:
    """Remove containers and folders of workers that were killed and could not clean up."""
    for container in containers(engine):
        owner = Owner.parse(container["Labels"].get(OWNER_LABEL, ""))
        if owner is not None and owner.is_dead():
            with contextlib.suppress(APIError):  # it may be going already
                engine.api.remove_container(container["Id"], force=True, v=True)
    for folder in Path(tempfile.gettempdir()).glob(f"{_PLACE}*"):
        pid = folder.name.removeprefix(_PLACE).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def containers(engine: DockerClient) -> list[Mapping[str, dict[str, str]]]:
    """Return every container of the docker backend on this engine, whoever made it.

    Parameters
    ----------
    engine : docker.DockerClient
        The engine to ask.

    Returns
    -------
    list of mapping
        As the engine's API describes them, with ``Id`` and ``Labels``.
    """
    found: list[Mapping[str, dict[str, str]]] = engine.api.containers(
        all=True, filters={"label": [f"{name}={value}" for name, value in LABELS.items()]}
    )
    return found


def _start(pid: str) -> str:
    """When a process started, in ticks since boot; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_START_FIELD]
    except OSError:
        return ""
