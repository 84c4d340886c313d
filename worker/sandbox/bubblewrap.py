"""The bubblewrap backend: a zygote inside `bwrap`, no root and no daemon needed.

`BubblewrapSandbox` starts the zygote, hands it one network at a time and lets `supervise` watch. The command
line of bwrap is the list of everything that participants' code can see of this machine.
"""

import contextlib
import fcntl
import io
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from worker.sandbox import cgroups
from worker.sandbox.protocol import Code, Limits, NetworkFiles, Outcome, SandboxError
from worker.sandbox.seccomp import participant_filter
from worker.sandbox.spawn import Spawner
from worker.sandbox.supervise import Run
from worker.sandbox.verdict import judge

ZYGOTE_START_S = 120.0
ZYGOTE_STOP_S = 2.0
FORK_S = 30.0
ZYGOTE_LOG_BYTES = 4000
SANDBOX_ID = 61184  # not 0: since Linux 5.12 a capability is needed to map uid 0 into a further namespace
_ENTRY = "import sys; sys.path.insert(0, '/gengap'); from worker.harness.zygote import main; main(int(sys.argv[1]))"
_INSIDE = Path("/gengap/environment")
_ROOM = Path(__file__).resolve().parents[2]
_CREDENTIALS = struct.Struct("3i")


class BubblewrapSandbox:
    """A zygote and the means to evaluate networks with it, one at a time. See `protocol.Sandbox`."""

    def __init__(self, spawner: Spawner) -> None:
        self._spawner = spawner
        self._zygote: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._log: int | None = None
        self._code: int | None = None
        self._limits = Limits()
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._is_evaluating = False

    @property
    def layers(self) -> Mapping[str, bool]:
        """Namespaces and read-only files always hold (a sandbox that lacks them does not start)."""
        return {
            "namespaces": True,
            "no_network": True,
            "read_only_files": True,
            "no_capabilities": True,
            "seccomp": participant_filter() is not None,
            "cgroup_memory": cgroups.parent_of("memory") is not None,
            "cgroup_processes": cgroups.parent_of("pids") is not None,
        }

    def start(self, measure: Code, limits: Limits) -> None:
        self._limits = limits
        if self._code is not None:
            os.close(self._code)
        self._code = _sealed("code", _archive(measure))
        if self._zygote is None or self._zygote.poll() is not None:
            self._stop_zygote()
            self._start_zygote()

    def evaluate(self, network: NetworkFiles, seed: int) -> Outcome:
        if self._code is None or self._control is None:
            raise SandboxError("the sandbox was not started")
        with self._lock:
            self._is_evaluating = True
        try:
            with contextlib.ExitStack() as stack:
                return judge(self._run(network, seed, stack).watch(), self._limits)
        except OSError as error:
            raise SandboxError(f"the sandbox failed: {error}; the zygote: {self._stop_zygote()}") from error
        finally:
            with self._lock:
                self._is_evaluating = False
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 1024)

    def interrupt(self) -> None:
        with self._lock:
            if self._is_evaluating:
                os.write(self._wake_write, b"!")

    def close(self) -> None:
        self._stop_zygote()
        for descriptor in (self._code, self._wake_read, self._wake_write):
            if descriptor is not None:
                os.close(descriptor)
        self._code = None

    def _start_zygote(self) -> None:
        ours, theirs = _socket_pair()
        with theirs:
            self._log = os.memfd_create("zygote-log", os.MFD_CLOEXEC)
            try:
                self._zygote = self._spawner.start(
                    [*command_line(), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    pass_fds=(theirs.fileno(),),
                    env={},
                )
            except OSError as error:
                ours.close()
                raise SandboxError(f"bubblewrap could not be started: {error}") from error
        ours.settimeout(ZYGOTE_START_S)
        try:
            is_ready = ours.recv(16) == b"ready"
        except OSError:
            is_ready = False
        self._control = ours
        if not is_ready:
            raise SandboxError(f"the zygote did not start: {self._stop_zygote()}")

    def _stop_zygote(self) -> str:
        """End the zygote, if any, and give the last that it said."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._zygote is not None:
            try:
                self._zygote.wait(ZYGOTE_STOP_S)  # it ends when the socket closes, and bwrap cleans up after it
            except subprocess.TimeoutExpired:
                self._zygote.kill()  # bwrap's death ends the pid namespace and every process in it
                self._zygote.wait()
            self._zygote = None
        if self._log is None:
            return ""
        size = os.fstat(self._log).st_size
        said = os.pread(self._log, ZYGOTE_LOG_BYTES, max(0, size - ZYGOTE_LOG_BYTES))
        os.close(self._log)
        self._log = None
        return said.decode(errors="replace").strip() or "it said nothing"

    def _run(self, network: NetworkFiles, seed: int, stack: contextlib.ExitStack) -> Run:
        """Fork a process for this network up to the point where only our word is missing, and give it."""
        assert self._control is not None
        assert self._code is not None
        ours, theirs = _socket_pair()
        stack.enter_context(ours)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
        for read_end, _ in pipes:
            stack.callback(os.close, read_end)
        with theirs, contextlib.ExitStack() as handed_over:
            sent = [_sealed("request", self._request(network, seed)), theirs.fileno(), self._code]
            handed_over.callback(os.close, sent[0])
            for path in (network.weights, network.training_data):
                sent.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
                handed_over.callback(os.close, sent[-1])
            for _, write_end in pipes:
                sent.append(write_end)
                handed_over.callback(os.close, write_end)
            if network.initial is not None:
                sent.append(os.open(network.initial, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
                handed_over.callback(os.close, sent[-1])
            socket.send_fds(self._control, [b"n"], sent)
        group = stack.enter_context(_group(self._limits))
        stack.callback(self._await_keeper)
        pid = _introduced_pid(ours)
        pidfd = os.pidfd_open(pid)
        stack.callback(os.close, pidfd)
        group.add(pid)
        ours.send(b"g")
        (result, _), (report, _), (log, _) = pipes
        return Run(
            result=result,
            report=report,
            log=log,
            channel=ours,
            pid=pid,
            pidfd=pidfd,
            wakeup=self._wake_read,
            group=group,
            limits=self._limits,
        )

    def _await_keeper(self) -> None:
        """The zygote's word that it has reaped this network's processes: it is ready for the next one."""
        assert self._control is not None
        self._control.settimeout(FORK_S)
        if self._control.recv(16) != b"done":
            raise OSError("the zygote ended")

    def _request(self, network: NetworkFiles, seed: int) -> bytes:
        request = {
            "seed": seed,
            "architecture": network.architecture,
            "classes": network.classes,
            "seccomp": (participant_filter() or b"").hex(),
            "limits": {
                "wall_s": self._limits.wall_s,
                "memory_bytes": self._limits.memory_bytes,
                "processes": self._limits.processes,
                "scratch_bytes": self._limits.scratch_bytes,
            },
        }
        return json.dumps(request).encode()


def command_line() -> list[str]:
    """bwrap's arguments: the interpreter, its packages and our harness, read-only, and nothing else.

    The number of the control socket's descriptor is to be appended. Raises SandboxError.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise SandboxError("bubblewrap is not installed (apt-get install bubblewrap)")
    command = [bwrap, "--unshare-all", "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--clearenv"]
    command += ["--uid", str(SANDBOX_ID), "--gid", str(SANDBOX_ID)]
    for name, value in _ENVIRONMENT.items():
        command += ["--setenv", name, value]
    for folder in _system_folders():
        if folder.is_symlink():
            command += ["--symlink", str(folder.readlink()), str(folder)]
        else:
            command += ["--ro-bind", str(folder), str(folder)]
    harness, architectures = _ROOM / "worker" / "harness", _ROOM / "model_zoo" / "architectures"
    command += ["--ro-bind", str(harness), "/gengap/worker/harness"]
    command += ["--ro-bind", str(architectures), "/gengap/model_zoo/architectures"]
    interpreter = Path(sys.executable)
    if sys.prefix != sys.base_prefix:
        # Under a name of its own: the environment may lie below /tmp, and its path is nobody's business.
        command += ["--ro-bind", sys.prefix, str(_INSIDE)]
        interpreter = _INSIDE / interpreter.relative_to(sys.prefix)
    command += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/"]  # noqa: S108
    for folder_name in ("/", "/dev", "/tmp"):  # noqa: S108  (paths inside the sandbox)
        command += ["--remount-ro", folder_name]
    return [*command, "--", str(interpreter), "-I", "-c", _ENTRY]


_ENVIRONMENT = {
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


def _system_folders() -> Iterator[Path]:
    """Shared libraries and the Python installation. Not /usr as a whole, not /etc, not the home folder."""
    candidates = [Path("/usr/lib"), Path("/usr/lib64"), Path("/lib"), Path("/lib64"), Path("/etc/ld.so.cache")]
    base = Path(sys.base_prefix)
    if base == Path("/usr"):
        candidates += [Path(sys.executable).resolve(), Path("/usr/local/lib")]
    elif base.is_relative_to("/tmp"):  # noqa: S108
        raise SandboxError(f"Python is installed in {base}, but a sandbox has a /tmp of its own; install it elsewhere")
    else:
        candidates.append(base)
    return (path for path in candidates if path.exists() or path.is_symlink())


def _archive(measure: Code) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in measure.files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def _sealed(name: str, content: bytes) -> int:
    """A descriptor of an anonymous file that nobody can change any more."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


@contextlib.contextmanager
def _group(limits: Limits) -> Iterator[cgroups.ControlGroup]:
    group = cgroups.create(limits.memory_bytes, limits.processes)
    try:
        yield group
    finally:
        group.remove()


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected, blocking sockets. kombu now and then sets a default timeout for the whole process, and a
    socket made at that moment would be a non-blocking one, at the zygote's end too."""
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in pair:
        end.setblocking(True)
    return pair


def _introduced_pid(channel: socket.socket) -> int:
    """The pid of init as this process sees it: the kernel attaches it to init's first message."""
    channel.settimeout(FORK_S)
    _, ancillary, _, _ = channel.recvmsg(16, socket.CMSG_SPACE(_CREDENTIALS.size))
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            pid: int = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0]
            if pid > 0:
                return pid
    raise OSError("the forked process did not introduce itself")
