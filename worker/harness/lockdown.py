"""The steps that restrict a process of ours until it may run untrusted code. Called by the zygote only.

They are plain libc calls through ctypes. A step that fails raises and ends the process before any participant code
has run, which the supervisor reports as our fault.
"""

import ctypes
import os
import re
import resource
import signal
import struct
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_libc_with_gil = ctypes.PyDLL(None, use_errno=True)

CLONE_NUMBERS = {"x86_64": 56, "aarch64": 220}  # the machines that torch is made for

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4
SECCOMP_MODE_FILTER = 2
CAPABILITY_VERSION_3 = 0x20080522
LAST_CAPABILITY = 63
SCRATCH_FILES = 10_000
OPEN_FILES = 256
NEEDED_FOLDERS = frozenset(
    (b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32", b"usr", b"opt", b"dev", b"proc", b"tmp")
)
NEEDED_BELOW = {  # of an image: Python and shared libraries
    b"/": NEEDED_FOLDERS,
    b"/usr": frozenset((b"lib", b"lib32", b"lib64", b"libx32", b"local")),
    b"/usr/lib": frozenset((b"python3", b"x86_64-linux-gnu", b"aarch64-linux-gnu")),
    b"/usr/lib/x86_64-linux-gnu": frozenset(),
    b"/usr/lib/aarch64-linux-gnu": frozenset(),
    b"/dev": frozenset((b"shm",)),
}
PENDING_SIGNALS = 256  # and POSIX timers, which the kernel counts with them
INSIDE_ID = 61184  # what every network sees as its user and group, whichever it has outside
NAME = b"sandbox"  # of the host and its domain
MOUNT_FLAGS = {"nosuid": MS_NOSUID, "nodev": MS_NODEV, "noexec": MS_NOEXEC}
REPLACED = frozenset(("/tmp", "/dev/shm", "/proc"))  # noqa: S108
OWN_PROCESSES = 2  # of this user namespace: init and the participant itself


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}{arguments}: {os.strerror(number)}")


def _prctl(option: int, first: object = 0, second: object = 0) -> None:
    _call("prctl", option, first, second, 0, 0)


def die_with_parent() -> None:
    """Let the kernel send SIGKILL to this process when its parent ends."""
    _prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))


def become(user: int) -> None:
    """Change for good to a user that owns nothing. 0: keep the current user."""
    if user == 0:
        return
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    _prctl(PR_SET_DUMPABLE, 1)  # lost by the change of user, and without it /proc/self/uid_map cannot be written


def stay_on(processors: list[int]) -> None:
    """Restrict this process and its later children to these processors, or to as many that it may use."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, own & set(processors) or sorted(own)[: len(processors)])


def fork_into_namespaces() -> int:
    """Like os.fork, but the child is process 1 in new user, pid, mount, ipc, uts and network namespaces.

    One call replaces `unshare` and another fork: each fork of a zygote costs 10 to 20 ms. What a fork through the C
    library does in addition concerns threads, of which the caller has only one.
    """
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET
    number = CLONE_NUMBERS[os.uname().machine]
    pid: int = _libc_with_gil.syscall(number, ctypes.c_ulong(flags | signal.SIGCHLD), None, None, None, None)
    if pid < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"clone: {os.strerror(error)}")
    if pid == 0:
        try:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{INSIDE_ID} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{INSIDE_ID} {gid} 1")
        except OSError:
            traceback.print_exc()
            os._exit(70)  # not back into the zygote's loop
    return pid


def fork() -> int:
    """Like os.fork, without the handlers that Python's modules and libraries have registered for it.

    In a fork of the zygote they take a millisecond, and none is needed: they free locks that other threads may hold, of
    which there are none, and seed `random`, which `participant` does itself. The fork still goes through the C library,
    where that has this call (glibc 2.34): participants' code may start threads, for which it must know the process id.
    """
    if (without_handlers := getattr(_libc_with_gil, "_Fork", None)) is None:
        return os.fork()
    pid: int = without_handlers()
    if pid < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"fork: {os.strerror(error)}")
    return pid


def take_name() -> None:
    """Replace the host's name, which the new namespace has inherited."""
    _call("sethostname", NAME, len(NAME))
    _call("setdomainname", NAME, len(NAME))


@dataclass(frozen=True)
class Mount:
    """A mount in which something could be changed. flags: those that it has and must keep."""

    place: bytes
    flags: int


def writable_mounts() -> list[Mount]:
    """Return the mounts that are not read-only, except those that `private_files` replaces."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place, options = line.split()[4:6]
        is_replaced = place in REPLACED or place.startswith("/proc/")
        if "ro" not in options.split(",") and not is_replaced:
            flags = sum(MOUNT_FLAGS.get(option, 0) for option in options.split(","))
            found.append(Mount(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), place).encode(), flags))
    return found


def private_files(scratch_bytes: int, memory_map: bytes, writable: Sequence[Mount]) -> None:
    """Mount a new /tmp and /dev/shm for this network, sharing one size limit, and a /proc with only `self/maps`.

    All else becomes read-only, the device files too: /dev/null has one time of change for all networks. threadpoolctl,
    which scikit-learn uses, reads in /proc which libraries are loaded; `memory_map` is the zygote's, and `writable` is
    `writable_mounts` there.
    """
    _mount(b"none", b"/", None, MS_REC | MS_PRIVATE)
    for mount in writable:
        _mount(b"none", mount.place, None, MS_REMOUNT | MS_BIND | MS_RDONLY | mount.flags)
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    scratch = f"size={scratch_bytes},nr_inodes={SCRATCH_FILES},mode=0700".encode()
    _mount(b"tmpfs", b"/tmp", b"tmpfs", flags, scratch)
    for source, target in ((Path("/tmp/shm"), Path("/dev/shm")), (Path("/tmp/tmp"), Path("/tmp"))):  # noqa: S108
        source.mkdir(0o700)
        if target.is_dir():  # a container without shared memory has no /dev/shm
            _mount(bytes(source), bytes(target), None, MS_BIND)
    _mount(b"tmpfs", b"/proc", b"tmpfs", flags, b"size=4m")
    Path("/proc/self").mkdir()
    Path("/proc/self/maps").write_bytes(memory_map)
    _mount(b"none", b"/proc", None, flags | MS_REMOUNT | MS_RDONLY)


def cover_unneeded() -> None:
    """Mount an empty folder over each one that no measure needs: a container's whole image is visible."""
    flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
    for above, needed in NEEDED_BELOW.items():
        for entry in os.scandir(above) if os.path.isdir(above) else ():  # noqa: PTH112  (as bytes, for the kernel)
            is_needed = entry.name in needed or (b"." in entry.name and entry.name.startswith(b"python3"))
            if not is_needed and entry.is_dir(follow_symlinks=False):
                _mount(b"none", entry.path, b"tmpfs", flags, b"size=4k,nr_inodes=2")


def _mount(source: bytes, target: bytes, kind: bytes | None, flags: int, data: bytes | None = None) -> None:
    _call("mount", source, target, kind, ctypes.c_ulong(flags), data)


def drop_rights() -> None:
    """Drop all capabilities, prevent regaining any by exec, and prevent ptrace and core dumps by the same user."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    for capability in range(LAST_CAPABILITY + 1):
        if _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # the first number that this kernel does not know
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    _call("capset", header, bytes(24))
    _prctl(PR_SET_DUMPABLE, 0)


def limit_resources(limits: Mapping[str, int]) -> None:
    """Set the kernel's limits of the participant's process: a second layer behind what the supervisor watches.

    limits: by the names of `submissions.storage.limits.Limits`; `cpu_s` in whole seconds.
    """
    for which, limit in (
        (resource.RLIMIT_DATA, limits["memory_bytes"] + _data_bytes_now()),
        (resource.RLIMIT_FSIZE, limits["scratch_bytes"]),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_NPROC, limits["processes"] + OWN_PROCESSES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_SIGPENDING, PENDING_SIGNALS),
    ):
        resource.setrlimit(which, (limit, limit))


def _data_bytes_now() -> int:
    """Return an upper bound of what RLIMIT_DATA already counts for the zygote (/proc is empty by now)."""
    return 2 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def filter_system_calls(program: bytes) -> None:
    """Load a BPF filter that was assembled outside. `program` is an array of 8-byte instructions."""
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header, len(header)))
