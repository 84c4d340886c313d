"""The bubblewrap backend: a zygote inside `bwrap`, no root and no daemon needed.

The command line of bwrap is the list of everything that participants' code can see of this machine.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from worker.sandbox.handover import socket_pair
from worker.sandbox.protocol import SandboxError
from worker.sandbox.spawn import Spawner
from worker.sandbox.zygote_sandbox import await_ready

ZYGOTE_STOP_S = 2.0
ZYGOTE_LOG_BYTES = 4000
SANDBOX_ID = 61184  # not 0: since Linux 5.12 a capability is needed to map uid 0 into a further namespace
_ENTRY = "import sys; sys.path.insert(0, '/gengap'); from worker.harness.zygote import main; main(int(sys.argv[1]))"
_INSIDE = Path("/gengap/environment")
_ROOM = Path(__file__).resolve().parents[2]


class BubblewrapLauncher:
    """Starts zygotes inside bubblewrap. See `zygote_sandbox.Launcher`."""

    serves_many_measures = True  # a zygote never runs participants' code; only its forks do

    def __init__(self, spawner: Spawner) -> None:
        self._spawner = spawner

    @property
    def layers(self) -> Mapping[str, bool]:
        """These always hold: a sandbox that lacks one does not start."""
        return {"namespaces": True, "no_network": True, "read_only_files": True}

    def launch(self) -> "BubblewrapZygote":
        ours, theirs = socket_pair()
        with theirs:
            log = os.memfd_create("zygote-log", os.MFD_CLOEXEC)
            try:
                process = self._spawner.start(
                    [*command_line(), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs.fileno(),),
                    env={},
                )
            except (OSError, SandboxError) as error:
                ours.close()
                os.close(log)
                if isinstance(error, SandboxError):
                    raise
                raise SandboxError(f"bubblewrap could not be started: {error}") from error
        zygote = BubblewrapZygote(ours, process, log)
        if not await_ready(ours):
            raise SandboxError(f"the zygote did not start: {zygote.stop()}")
        return zygote


class BubblewrapZygote:
    """A zygote inside bwrap. See `zygote_sandbox.Zygote`."""

    def __init__(self, control: socket.socket, process: "subprocess.Popen[bytes]", log: int) -> None:
        self.control = control
        self._process = process
        self._log = log

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> str:
        self.control.close()
        try:
            self._process.wait(ZYGOTE_STOP_S)  # it ends when the socket closes, and bwrap cleans up after it
        except subprocess.TimeoutExpired:
            self._process.kill()  # bwrap's death ends the pid namespace and every process in it
            self._process.wait()
        size = os.fstat(self._log).st_size
        said = os.pread(self._log, ZYGOTE_LOG_BYTES, max(0, size - ZYGOTE_LOG_BYTES))
        os.close(self._log)
        return said.decode(errors="replace").strip() or "it said nothing"


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
