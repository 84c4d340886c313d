"""The docker backend: a zygote in a container of its own for each submission, started by a Docker engine.

`_settings` returns everything that a container may do. The backend needs an engine on this machine and the image
`sandbox` of the repository's Dockerfile; it never pulls an image. Whoever may talk to the engine is root on this
machine, so such a worker must belong to the organizers alone.
"""

import contextlib
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.types import LogConfig, Ulimit
from requests.exceptions import RequestException

from worker.sandbox.backends import Backend
from worker.sandbox.backends.docker_cleanup import LABELS, OWNER_LABEL, Owner, meeting_place, remove_left_behind
from worker.sandbox.backends.docker_image import holds_our_harness
from worker.sandbox.handover import CREDENTIALS, end_of_log
from worker.sandbox.layers.seccomp import container_profile
from worker.sandbox.limits import cgroups
from worker.sandbox.protocol import Limits, SandboxError
from worker.sandbox.zygote_sandbox import ENVIRONMENT, await_ready, dedicated_users

ENGINE_TIMEOUT_S = 60
CONNECT_S = 60.0
CONNECT_LOOK_S = 0.5
ZYGOTE_BYTES = 512 * 2**20  # what the zygote itself may use, on top of a network's limit
ZYGOTE_PROCESSORS = 1  # and on top of the network's
CPU_PERIOD_US = 100_000
OPEN_FILES = 1024
CONFLICT = 409  # HTTP: its removal is already in progress
CONTAINER_PROCESSES = 1024  # of all kinds; a network's own, lower limit is its group's
_THREADS = 4
_EMPTY = "rw,noexec,nosuid,nodev,size=64k,nr_inodes=16,mode=1777"  # each network mounts its own over it
_ENTRY = "import sys; sys.path.insert(0, '/opt/inside'); from worker.harness.container import main; main()"
_CONTROL = "/tmp/control"  # noqa: S108  (inside; as in worker.harness.container)
_ERRORS = (DockerException, RequestException)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DockerOptions:
    """What the settings say about the backend.

    Attributes
    ----------
    image : str
        Built from the Dockerfile's target ``sandbox``.
    runtime : str
        For example ``runsc``; empty: the engine's default.
    socket : str
        The engine's address, ``unix://…`` or a path; empty: ``DOCKER_HOST``, or else Docker's default.
    """

    image: str = "gengap-sandbox"
    runtime: str = ""
    socket: str = ""


class DockerLauncher:
    """Starts zygotes in containers, one of them in advance. See `zygote_sandbox.Launcher`.

    Parameters
    ----------
    options : DockerOptions, optional
    """

    serves_many_measures = False
    covers_root = True  # a zygote sees all of its image
    layers: ClassVar[Mapping[str, bool]] = {"container": True}

    def __init__(self, options: DockerOptions | None = None) -> None:
        self._options = options or DockerOptions()
        self._lock = threading.Lock()
        self._engine: _Engine | None = None
        self._spare: Future[DockerZygote] | None = None
        self._knows_image = False
        self._users = dedicated_users()
        self._helpers = ThreadPoolExecutor(_THREADS, thread_name_prefix="sandbox-docker")

    def launch(self) -> "DockerZygote":
        """Return the spare zygote if it is alive, or else a new one. See `zygote_sandbox.Launcher.launch`."""
        with self._lock:
            ahead, self._spare = self._spare, None
        return self._alive(ahead) or self._start()

    def prepare(self) -> None:
        """Start a spare zygote in the background, if there is none."""
        with self._lock:
            if self._spare is None:
                self._spare = self._helpers.submit(self._start)

    def wait_for_spare(self) -> None:
        """Wait until the spare zygote is ready, or could not be started."""
        with self._lock:
            ahead = self._spare
        if ahead is not None:
            wait([ahead])

    def close(self) -> None:
        """Stop the spare zygote, wait until all containers are removed, and disconnect from the engine."""
        with self._lock:
            ahead, self._spare = self._spare, None
        if ahead is not None and not ahead.cancel() and (spare := self._alive(ahead)) is not None:
            spare.stop()
        self._helpers.shutdown()
        if self._engine is not None:
            self._engine.client.close()
            self._engine = None

    def _alive(self, ahead: "Future[DockerZygote] | None") -> "DockerZygote | None":
        if ahead is None:
            return None
        try:
            spare = ahead.result()
        except SandboxError as error:
            _log.warning("no container could be started ahead: %s", error)
            return None
        if spare.is_alive:
            return spare
        spare.stop()
        return None

    def _start(self) -> "DockerZygote":
        engine = self._connected()
        with meeting_place() as place, _in_words(self._options):
            settings = _settings(engine, self._options, place.folder, next(self._users))
            container = engine.client.containers.create(**settings)
            log = os.memfd_create("zygote-log", os.MFD_CLOEXEC)
            try:
                self._require_our_harness(container)
                container.start()
                control = _accept(place.listener, container, self._options.image)
                socket.send_fds(control, [b"l"], [log])
            except BaseException:
                os.close(log)
                _remove(container)
                raise
        zygote = DockerZygote(container, control, log, self._helpers, self._options)
        if not await_ready(control):
            raise SandboxError(_no_zygote(self._options.image, zygote.stop()))
        return zygote

    def _require_our_harness(self, container: Container) -> None:
        """Check the image once; whoever rebuilds it must restart the worker."""
        if not self._knows_image:
            if not holds_our_harness(container):
                raise SandboxError(
                    f"the image {self._options.image} was built from another version of Gengap; rebuild it in this "
                    f"checkout with `{build_command(self._options.image)}`"
                )
            self._knows_image = True

    def _connected(self) -> "_Engine":
        """Return the engine; the first call removes what a killed worker left behind."""
        with self._lock:
            if self._engine is None:
                with _in_words(self._options):
                    self._engine = _connect(self._options.socket)
                    remove_left_behind(self._engine.client)
            return self._engine


class DockerZygote:
    """A zygote in a container. See `zygote_sandbox.Zygote`.

    The engine removes the container when the zygote ends, and the zygote ends when its socket closes: so a worker that
    is killed leaves nothing behind.

    Parameters
    ----------
    container : docker.models.containers.Container
    control : socket
    log : int
        Descriptor of the file that the zygote writes to; closed by `stop`.
    helpers : ThreadPoolExecutor
        Removes the container in the background.
    options : DockerOptions

    Raises
    ------
    SandboxError
        If this process cannot see the container's processes.
    """

    def __init__(
        self,
        container: Container,
        control: socket.socket,
        log: int,
        helpers: ThreadPoolExecutor,
        options: DockerOptions,
    ) -> None:
        self.control = control
        self._container = container
        self._options = options
        self._log = log
        self._helpers = helpers
        self._fits = _room(Limits())
        credentials = control.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        pid, _user, _group = CREDENTIALS.unpack(credentials)
        try:
            self._pidfd = os.pidfd_open(pid)
            self._hierarchy = cgroups.hierarchy_of(pid)
        except (OSError, ValueError) as error:
            self._pidfd = -1
            raise SandboxError(
                f"this worker does not see the processes of its containers ({error}): give it the machine's own, "
                f"in a container with `pid: host`; {self.stop()}"
            ) from error

    @property
    def is_alive(self) -> bool:
        """Whether the zygote's process still runs."""
        return not select.select([self._pidfd], [], [], 0)[0]

    @property
    def hierarchy(self) -> cgroups.Hierarchy | None:
        """Where control groups can be made below the container's own."""
        return self._hierarchy

    def fit(self, limits: Limits) -> None:
        """Change the container's limits to those that networks with these limits need."""
        wanted = _room(limits)
        if wanted != self._fits:
            with _in_words(self._options):
                self._container.update(**wanted)
            self._fits = wanted

    def stop(self) -> str:
        """Close the zygote's socket, which ends it, and return the end of its log.

        The container is removed in the background.
        """
        self.control.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
        said = end_of_log(self._log)
        self._helpers.submit(_remove, self._container)
        return said


@dataclass(frozen=True)
class _Engine:
    """has_apparmor: the engine's profile would forbid the mounts that every network needs in its namespaces."""

    client: docker.DockerClient
    has_apparmor: bool


def build_command(image: str) -> str:
    """Return the command that builds this image in a checkout of the repository."""
    return f"docker build --target sandbox -t {image} ."


def _connect(address: str) -> _Engine:
    if address:
        url = f"unix://{address}" if address.startswith("/") else address
        client = docker.DockerClient(base_url=url, version="auto", timeout=ENGINE_TIMEOUT_S)
    else:
        client = docker.from_env(version="auto", timeout=ENGINE_TIMEOUT_S)
    security = client.info().get("SecurityOptions") or []
    return _Engine(client, any(option.startswith("name=apparmor") for option in security))


def _settings(engine: _Engine, options: DockerOptions, place: Path, user: int) -> dict[str, object]:
    """Return all that a container may do.

    There is no limit of processes per user, because it would count those of another worker's containers too.
    """
    security = ["no-new-privileges", f"seccomp={container_profile()}"]
    if engine.has_apparmor:
        security.append("apparmor=unconfined")
    return {
        "image": options.image,
        "entrypoint": ["/opt/gengap/bin/python"],
        "command": ["-s", "-P", "-c", _ENTRY],  # not -I, which would ignore PYTHONHASHSEED
        "environment": ENVIRONMENT,
        "user": f"{user}:{user}",
        "working_dir": "/",
        "hostname": "sandbox",
        "labels": LABELS | {OWNER_LABEL: str(Owner.this_process())},
        "auto_remove": True,
        "init": True,  # a process 1 that no measure's trick can keep from ending, and that reaps
        "network_mode": "none",
        "ipc_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": security,
        "pids_limit": CONTAINER_PROCESSES,
        **_room(Limits()),
        "ulimits": [Ulimit(name="core", soft=0, hard=0), Ulimit(name="nofile", soft=OPEN_FILES, hard=OPEN_FILES)],
        "tmpfs": {"/tmp": _EMPTY, "/dev/shm": _EMPTY},  # noqa: S108  (paths inside the container)
        "volumes": {str(place): {"bind": _CONTROL, "mode": "ro"}},
        "log_config": LogConfig(type="none"),  # the zygote writes to a file of ours
        "runtime": options.runtime or None,
    }


def _room(limits: Limits) -> dict[str, int]:
    """Return the limits of a container in which networks with these limits run, by the engine's names."""
    memory_bytes = limits.memory_bytes + ZYGOTE_BYTES
    return {
        "mem_limit": memory_bytes,
        "memswap_limit": memory_bytes,
        "cpu_period": CPU_PERIOD_US,
        "cpu_quota": CPU_PERIOD_US * (limits.cpus + ZYGOTE_PROCESSORS),
    }


def _accept(listener: socket.socket, container: Container, image: str) -> socket.socket:
    """Wait for the zygote's connection. Raises SandboxError if the container ends without one."""
    listener.settimeout(CONNECT_LOOK_S)
    deadline = time.monotonic() + CONNECT_S
    while time.monotonic() < deadline and not _has_ended(container):
        with contextlib.suppress(TimeoutError):
            control, _ = listener.accept()
            control.setblocking(True)
            return control
    raise SandboxError(_no_zygote(image, "it never answered"))


def _no_zygote(image: str, said: str) -> str:
    """Explain that no zygote started. The usual cause is an image that was built before the harness changed."""
    return (
        f"a container of the image {image} started no zygote; if the image is older than this checkout, rebuild it "
        f"with `{build_command(image)}`. {said}"
    )


def _has_ended(container: Container) -> bool:
    try:
        container.reload()
    except NotFound:
        return True
    return container.status in ("removing", "exited", "dead")


def _remove(container: Container) -> None:
    """Remove a container, whatever it is doing, and wait until it is gone. The engine may be removing it already."""
    try:
        try:
            container.remove(force=True, v=True)
        except APIError as error:
            if error.status_code != CONFLICT:
                raise
            container.wait(condition="removed", timeout=ENGINE_TIMEOUT_S)
    except NotFound:
        return
    except _ERRORS as error:
        _log.warning("a container could not be removed: %s", _said(error))


@contextlib.contextmanager
def _in_words(options: DockerOptions) -> Iterator[None]:
    """Turn every error of the engine into a SandboxError that says what to do."""
    try:
        yield
    except ImageNotFound as error:
        raise SandboxError(
            f"the Docker engine has no image {options.image}; make it in a checkout of Gengap with "
            f"`{build_command(options.image)}`"
        ) from error
    except APIError as error:
        raise SandboxError(f"the Docker engine refused a sandbox: {_said(error)}") from error
    except _ERRORS as error:
        place = options.socket or os.environ.get("DOCKER_HOST") or "the usual place"
        raise SandboxError(
            f"no Docker engine answers at {place}: {_said(error)}. Start it, let this user talk to it (group docker), "
            "or set GENGAP_DOCKER_SOCKET; or use GENGAP_SANDBOX=bubblewrap"
        ) from error
    except OSError as error:
        raise SandboxError(f"a container's zygote could not be reached: {error}") from error


def _said(error: Exception) -> str:
    """Return the engine's own message, or the innermost cause of an exception where the engine did not answer."""
    if isinstance(error, APIError) and error.explanation:
        return str(error.explanation)
    deepest: BaseException = error
    while (below := deepest.__cause__ or deepest.__context__) is not None:
        deepest = below
    return (deepest.strerror if isinstance(deepest, OSError) else None) or str(deepest)


BACKEND = Backend(
    launcher=lambda settings, _is_lean: DockerLauncher(
        DockerOptions(settings.docker_image, settings.docker_runtime, settings.docker_socket)
    ),
    probes=(),
    remedy="See docs/operations.md, Docker.",
)
