"""The measures of our own with which `layer_check` tries the layers. Each returns a number.

`attempts` tries everything that some layer should refuse, and returns a number with a bit for each success.
"""

from collections.abc import Sequence

from worker.sandbox.layers.seccomp import call_numbers

FORBIDDEN = (
    "socket",
    "memfd_create",
    "unshare",
    "ptrace",
    "keyctl",
    "bpf",
    "io_uring_setup",
    "userfaultfd",
    "perf_event_open",
    "sched_setaffinity",
)
_PLACES = (
    "host_pid",
    "canary",
    "tcp",
    "abstract_socket",
    "write_scratch",
    "write_outside",
    "hostname",
    "mount",
    "hostname_with_rights",
    "list_dev",
    "began_on_one_processor",
    "took_more_processors",
)
_BITS = (*_PLACES, *FORBIDDEN)
HOARD_BYTES = 128 * 2**20
CROWD_SIZE = 24

_ATTEMPTS = """
import ctypes
import os
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
NEW_UTS, NEW_USER, EPERM = 0x04000000, 0x10000000, 1


def done(answer):
    if answer != 0:
        raise OSError(ctypes.get_errno(), "refused")
    return True


def open_file(path):
    with open(path):
        return True


def connect(family, address):
    with socket.socket(family) as client:
        client.settimeout(5)
        client.connect(address)
        return True


def write(folder):
    path = os.path.join(folder, "gengap-probe")
    with open(path, "w"):
        os.unlink(path)
        return True


def write_outside():
    folders = {"/", "/dev", "/proc", "/etc", "/usr/lib", "/lib", "/gengap", sys.prefix, sys.base_prefix}
    folders |= {path for path in sys.path if os.path.isdir(path) and not path.startswith("/tmp")}
    return any(works(lambda folder=folder: write(folder)) for folder in folders)


def rights_regained():
    pid = os.fork()
    if pid == 0:
        regained = works(lambda: done(libc.unshare(NEW_USER | NEW_UTS)) and done(libc.sethostname(b"x", 1)))
        os._exit(0 if regained else 1)
    return os.waitpid(pid, 0)[1] == 0


def take_processors():
    os.sched_setaffinity(0, range(1024))
    return len(os.sched_getaffinity(0)) > 1


def is_let_through(number):
    return libc.syscall(number, -1, 0, 0, 0, 0) != -1 or ctypes.get_errno() != EPERM


def works(attempt):
    try:
        return bool(attempt())
    except OSError:
        return False


def complexity(model, dataset):
    attempts = [
        lambda: os.getpid() != 2,
        lambda: any(works(lambda path=path: open_file(path)) for path in CANARIES),
        lambda: connect(socket.AF_INET, ("127.0.0.1", PORT)),
        lambda: connect(socket.AF_UNIX, ABSTRACT),
        lambda: write("/tmp"),
        write_outside,
        lambda: done(libc.sethostname(b"x", 1)),
        lambda: done(libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None)),
        rights_regained,
        lambda: bool(os.listdir("/dev")),
        lambda: len(os.sched_getaffinity(0)) == 1,
        take_processors,
    ]
    attempts += [lambda number=number: is_let_through(number) for number in CALLS]
    return float(sum(2**bit for bit, attempt in enumerate(attempts) if works(attempt)))
"""

HOARD = f"""
def complexity(model, dataset):
    with open("/tmp/hoard", "wb") as file:
        for _ in range({HOARD_BYTES // 2**20}):
            file.write(bytes(2**20))
    return 1.0
""".encode()

CROWD = f"""
import threading


def complexity(model, dataset):
    end = threading.Event()
    started = 0
    try:
        while started < {CROWD_SIZE}:
            threading.Thread(target=end.wait, daemon=True).start()
            started += 1
    except RuntimeError:
        pass
    end.set()
    return float(started)
""".encode()

GREEDY = HOARD.replace(b"complexity", b"hoard") + CROWD.replace(b"end = ", b"hoard(model, dataset)\n    end = ")

RESIDENT = f"""
import mmap
import time


def complexity(model, dataset):
    pages = mmap.mmap(-1, {HOARD_BYTES})
    for begin in range(0, len(pages), 4096):
        pages[begin] = 1
    time.sleep(5)
    return 1.0
""".encode()


def attempts(*, canaries: Sequence[str], port: int, abstract: str) -> bytes:
    """Return the source of the measure that tries everything.

    Where libseccomp is missing no forbidden system call is tried, so none counts as refused.

    Parameters
    ----------
    canaries : sequence of str
        Paths of files that must not be readable inside.
    port : int
        A TCP port on which this machine listens.
    abstract : str
        The address of an abstract Unix socket on which this machine listens.

    Returns
    -------
    bytes
    """
    source = _ATTEMPTS.replace("CANARIES", repr(list(canaries))).replace("CALLS", repr(call_numbers(FORBIDDEN)))
    return source.replace("PORT", str(port)).replace("ABSTRACT", repr(abstract)).encode()


def decode(value: float) -> frozenset[str]:
    """Return the names of the attempts that succeeded, from the value of the measure `attempts`."""
    return frozenset(name for bit, name in enumerate(_BITS) if int(value) >> bit & 1)
