"""The bubblewrap backend: a zygote inside `bwrap`; it needs neither root nor a daemon.

The command line of bwrap is the list of everything that participants' code can see of this machine.
"""

import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from worker.sandbox.backends import Backend
from worker.sandbox.backends.visible_files import PACKAGES, visible_files
from worker.sandbox.checks import Check, Found, apt_install, try_program
from worker.sandbox.handover import end_of_log, socket_pair
from worker.sandbox.limits import cgroups
from worker.sandbox.protocol import Limits, SandboxError
from worker.sandbox.spawn import Spawner
from worker.sandbox.zygote_sandbox import ENVIRONMENT, SANDBOX_ID, await_ready, dedicated_users

ZYGOTE_STOP_S = 2.0
NAMESPACES_REMEDY = (
    "Allow unprivileged user namespaces: sysctl kernel.unprivileged_userns_clone=1, or on Ubuntu "
    "kernel.apparmor_restrict_unprivileged_userns=0. In a container, start it with more privileges."
)
_ENTRY = f"""import sys
sys.path.insert(0, '/gengap')
sys.path.append('{PACKAGES}')
from worker.harness.lockdown import become
become(int(sys.argv[1]))
from worker.harness.zygote import main
main(int(sys.argv[2]), is_lean=sys.argv[3:] == ['lean'])
"""
_DEVICES = ("null", "zero", "full", "random", "urandom")
_ROOM = Path(__file__).resolve().parents[3]


class BubblewrapLauncher:
    """Starts zygotes inside bubblewrap. See `zygote_sandbox.Launcher`.

    Parameters
    ----------
    spawner : Spawner
        Starts bwrap, which must not end with the thread that asked for it.
    is_lean : bool, optional
        Whether zygotes start without SciPy and scikit-learn.
    """

    serves_many_measures = True  # a zygote never runs participants' code; only its forks do
    covers_root = False  # every folder in it is needed
    layers: ClassVar[Mapping[str, bool]] = {}  # none that a probe could not detect

    def __init__(self, spawner: Spawner, *, is_lean: bool = False) -> None:
        self._spawner = spawner
        self._further = ["lean"] if is_lean else []
        self._users = dedicated_users()

    def launch(self) -> "BubblewrapZygote":
        """Start bwrap with a zygote in it, and wait until that is ready. See `zygote_sandbox.Launcher.launch`."""
        user = _dedicated_user(next(self._users))
        command = command_line(is_root=user != 0)
        ours, theirs = socket_pair()
        with theirs:
            log = os.memfd_create("zygote-log", os.MFD_CLOEXEC)
            try:
                process = self._spawner.start(
                    [*command, str(user), str(theirs.fileno()), *self._further],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs.fileno(),),
                    env={},
                )
            except OSError as error:
                ours.close()
                os.close(log)
                raise SandboxError(f"bubblewrap could not be started: {error}") from error
        zygote = BubblewrapZygote(ours, process, log)
        if not await_ready(ours):
            visible_files.cache_clear()  # perhaps a file was missing: the next start looks anew
            raise SandboxError(f"the zygote did not start: {zygote.stop()}")
        return zygote

    def prepare(self) -> None:
        """Do nothing: a zygote serves one measure after another."""

    def close(self) -> None:
        """Do nothing: nothing is kept ready."""


class BubblewrapZygote:
    """A zygote inside bwrap. See `zygote_sandbox.Zygote`.

    Parameters
    ----------
    control : socket
    process : subprocess.Popen
        bwrap.
    log : int
        Descriptor of the file that the zygote and bwrap write to; closed by `stop`.
    """

    def __init__(self, control: socket.socket, process: "subprocess.Popen[bytes]", log: int) -> None:
        self.control = control
        self._process = process
        self._log = log

    @property
    def is_alive(self) -> bool:
        """Whether bwrap still runs."""
        return self._process.poll() is None

    @property
    def hierarchy(self) -> cgroups.Hierarchy | None:
        """Where this worker may make control groups."""
        return cgroups.hierarchy()

    def fit(self, limits: Limits) -> None:
        """Do nothing: there are no limits around the zygote itself."""

    def stop(self) -> str:
        """End bwrap and all processes in it; return the end of the log."""
        self.control.close()
        try:
            self._process.wait(ZYGOTE_STOP_S)  # it ends when the socket closes, and bwrap cleans up after it
        except subprocess.TimeoutExpired:
            self._process.kill()  # bwrap's death ends the pid namespace and every process in it
            self._process.wait()
        return end_of_log(self._log)


def command_line(*, is_root: bool = False) -> list[str]:
    """Return the command that starts a zygote in bwrap.

    It shows our harness, the measures' helpers and `visible_files`, read-only, and nothing else.

    Parameters
    ----------
    is_root : bool
        Whether bwrap runs as root. It then makes no user namespace, so that the zygote can become a user that owns
        nothing on this machine.

    Returns
    -------
    list of str
        To be appended: the id of the user to become (0: none), and the number of the control socket's descriptor.

    Raises
    ------
    SandboxError
        If bwrap is missing, or Python is installed where a sandbox cannot see it.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise SandboxError("bubblewrap is not installed (apt-get install bubblewrap)")
    command = [bwrap, "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    if is_root:
        command += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--unshare-all", "--uid", str(SANDBOX_ID), "--gid", str(SANDBOX_ID)]
    for name, value in ENVIRONMENT.items():
        command += ["--setenv", name, value]
    visible = visible_files()
    for path in (visible.interpreter, *(place for _, place in visible.shown)):
        if path.is_relative_to("/tmp"):  # noqa: S108
            raise SandboxError(f"Python needs {path}, but a sandbox has a /tmp of its own; install it elsewhere")
    shown = [
        (_ROOM / "worker" / "harness", Path("/gengap/worker/harness")),
        (_ROOM / "model_zoo" / "architectures", Path("/gengap/model_zoo/architectures")),
        (_ROOM / "submissions" / "baselines" / "gengap_measures", Path("/gengap/gengap_measures")),
        *visible.shown,
    ]
    for folder in sorted({above for _, place in shown for above in place.parents if above != Path("/")}):
        command += ["--perms", "0755", "--dir", str(folder)]  # bwrap makes them for its own user only
    for link in ("/lib", "/lib64"):
        if Path(link).is_symlink() and not any(place.is_relative_to(link) for _, place in shown):
            command += ["--symlink", str(Path(link).readlink()), link]
    for file, place in shown:
        command += ["--ro-bind", str(file), str(place)]
    for folder in visible.emptied:
        command += ["--perms", "0755", "--tmpfs", str(folder), "--remount-ro", str(folder)]
    command += ["--proc", "/proc", "--perms", "0755", "--tmpfs", "/dev", "--dir", "/dev/shm"]  # noqa: S108
    for device in _DEVICES:  # not bwrap's own --dev, which would add terminals, of which the machine has a number
        command += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    command += ["--tmpfs", "/tmp", "--chdir", "/"]  # noqa: S108
    for folder_name in ("/", "/dev", "/tmp"):  # noqa: S108  (paths inside the sandbox)
        command += ["--remount-ro", folder_name]
    # Not -I, which would ignore PYTHONHASHSEED: the environment is ours alone.
    return [*command, "--", str(visible.interpreter), "-s", "-P", "-c", _ENTRY]


def _dedicated_user(user: int) -> int:
    """Return the user for a zygote; 0 where we are not root, or that user could not read Python."""
    needed = (_ROOM / "worker" / "harness", *(path for path, _ in visible_files().shown))
    if os.getuid() != 0 or not all(path.stat().st_mode & stat.S_IROTH for path in needed):
        return 0
    return user


def program() -> Check:
    """Check whether bwrap is installed."""
    if shutil.which("bwrap") is None:
        return Check("bubblewrap", Found.MISSING, "no bwrap on PATH", apt_install("bubblewrap"))
    _, version = try_program("bwrap", "--version")
    return Check("bubblewrap", Found.OK, version)


def user_namespaces() -> Check:
    """Check whether this user may make user namespaces, which bwrap needs where it does not run as root."""
    works, answer = try_program("unshare", "--user", "--map-root-user", "true")
    if works:
        return Check("user namespaces", Found.OK, "may be made without root")
    return Check("user namespaces", Found.MISSING, answer, NAMESPACES_REMEDY)


BACKEND = Backend(
    launcher=lambda _settings, is_lean: BubblewrapLauncher(Spawner(), is_lean=is_lean),
    probes=(program, user_namespaces),
    remedy=NAMESPACES_REMEDY,
)
