"""The probe matrix: networks that would speak to each other or to the machine through the kernel: they are alone."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyseccomp
import pytest

from submissions.storage.states import Reason
from tests.worker.conftest import Evaluate
from tests.worker.sandbox.outside import Outside
from tests.worker.sandbox.probes import REFUSED, Attempt, Control, Layer, Probe, each, lines, refused
from tests.worker.sandbox.sandboxed import failure_of, function, make_sandbox, value_of
from worker.sandbox.limits import supervise
from worker.sandbox.protocol import Code, Limits, NetworkFiles, Outcome
from worker.sandbox.zygote_sandbox import ZygoteSandbox

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")

NOT_ALLOWED = "PermissionError"
READ_ONLY = f"{REFUSED}|OSError"
FUTEX, CLONE = (pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in ("futex", "clone"))
CACHESTAT = 451  # newer than libseccomp may be; the same on every architecture
LIBRARY = """
import ctypes, fcntl, mmap
libc = ctypes.CDLL(None, use_errno=True)
file = os.open(torch.__file__, os.O_RDONLY)
def checked(answer):
    if answer == -1: raise OSError(ctypes.get_errno(), 'refused')
    return answer
def call(number, *arguments):
    return checked(libc.syscall(number, *arguments))
"""


def on_a_library(attack: str, body: str, *, control: Control = Control.OUTSIDE) -> Probe:
    """What a call does to a file that every network can read. It works outside; the filter refuses it inside."""
    return refused(attack, lines(LIBRARY, body), Layer.SECCOMP, says=NOT_ALLOWED, control=control)


def unknown_calls(purpose: str, errno: int, **calls: int) -> Probe:
    """Calls that inside are answered with this error, whatever they are asked; outside, the control, with another."""
    body = f"""
    for number in {list(calls.values())}:
        if libc.syscall(number, -1, -1, -1, -1, -1, -1) == -1 and ctypes.get_errno() == {errno}: continue
        return 1.0
    raise PermissionError
    """
    called = ", ".join(f"`{name}`" for name in calls)
    return Probe(
        f"{purpose}: {called}", lines(LIBRARY, body), Reason.RAISED, NOT_ALLOWED, (Layer.SECCOMP,), Control.OUTSIDE
    )


def numbers(*names: str) -> dict[str, int]:
    return {name: pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in names}


@each(
    on_a_library("a lock on bytes of a library", "fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)"),
    on_a_library("asking who has locked bytes of it", "fcntl.fcntl(file, fcntl.F_GETLK, bytes(32))"),
    on_a_library("a lock that belongs to an open file", "fcntl.fcntl(file, 37, bytes(32))"),
    on_a_library("a lock on a whole library", "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)"),
    on_a_library("a lease, for which whoever opens the file must wait", "fcntl.fcntl(file, 1024, fcntl.F_RDLCK)"),
    on_a_library(
        "notices of changes in a folder",
        "fcntl.fcntl(os.open(os.path.dirname(torch.__file__), os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_ACCESS)",
    ),
    on_a_library("signals about a file", "fcntl.fcntl(file, fcntl.F_SETOWN, os.getpid())"),
    on_a_library("a larger pipe, counted by user", "fcntl.fcntl(os.pipe()[1], 1031, 2**17)"),
    on_a_library("dropping a file from the page cache", "os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)"),
    on_a_library("loading a file into the page cache", "checked(libc.readahead(file, ctypes.c_long(0), 4096))"),
    on_a_library(
        "asking whether a page of a file is cached",
        "os.pread(file, 1, 0)\nos.preadv(file, [bytearray(1)], 0, os.RWF_NOWAIT)",
    ),
    on_a_library(
        "asking which mapped pages are cached",
        """
        pages = ctypes.c_char_p(b' ')
        address = ctypes.cast(libc.strlen, ctypes.c_void_p).value // 4096 * 4096
        checked(libc.mincore(ctypes.c_void_p(address), 1, pages))
        """,
    ),
    unknown_calls("counting cached pages", 1, cachestat=CACHESTAT),
    on_a_library("putting pages of a file out of memory", "mmap.mmap(file, 0, prot=1).madvise(21)"),
    on_a_library("merging equal pages of several processes", "mmap.mmap(-1, 4096, flags=34).madvise(12)"),
    on_a_library("the same for all of its memory", "checked(libc.prctl(67, 0, 0, 0, 0))", control=Control.NONE),
    on_a_library("huge pages of the machine's pool", "mmap.mmap(-1, 2**21, flags=0x40022)", control=Control.NONE),
    on_a_library("a request to a file's file system", "fcntl.ioctl(file, 2, bytes(4))"),
    on_a_library("becoming dumpable again", "checked(libc.prctl(4, 1, 0, 0, 0))"),
    on_a_library("splicing a file into a pipe", "os.splice(file, os.pipe()[1], 1)"),
    on_a_library(
        "descriptors in flight, counted by user",
        "a, b = socket.socketpair()\nsocket.send_fds(a, [b'x'], [file])",
    ),
    unknown_calls("calls whose flags are in memory", 38, **numbers("openat2", "statx", "futex_waitv")),
)
def test_no_call_reaches_a_file_that_others_have(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    Probe(
        "waking whoever waits at the same place of a library",
        lines(
            LIBRARY,
            f"""
            address = ctypes.cast(libc.strlen, ctypes.c_void_p).value // 4096 * 4096
            value = ctypes.c_int.from_address(address).value
            class Time(ctypes.Structure): _fields_ = [('s', ctypes.c_long), ('ns', ctypes.c_long)]
            if os.fork() == 0:
                libc.syscall({FUTEX}, ctypes.c_void_p(address), 0, value, ctypes.byref(Time(5, 0)), None, 0)
                os._exit(0)
            woken, end = 0, time.monotonic() + 2
            while not woken and time.monotonic() < end:
                time.sleep(0.01)
                woken = libc.syscall({FUTEX}, ctypes.c_void_p(address), 1, 1, None, None, 0)
            return float(woken)
            """,
        ),
        0.0,
        stopped_by=(Layer.SECCOMP,),
        control=Control.OUTSIDE,
    ),
    refused(
        "the times of a device file, which all networks see",
        "os.utime('/dev/null')",
        Layer.READ_ONLY,
        says=READ_ONLY,
    ),
    refused("a terminal of the machine's number of terminals", "os.openpty()", Layer.READ_ONLY, Layer.LANDLOCK),
    refused(
        "a process by a descriptor, whose number counts the machine's processes",
        lines(LIBRARY, f"if call({CLONE}, 0x1000 | 17, 0, ctypes.byref(ctypes.c_int()), 0, 0) == 0: os._exit(0)"),
        Layer.SECCOMP,
        says=NOT_ALLOWED,
    ),
    refused(
        "the numbers of sockets and of network namespaces",
        """
        one, other = socket.socketpair()
        one.getsockopt(socket.SOL_SOCKET, 57, 8)
        one.getsockopt(socket.SOL_SOCKET, 71, 8)
        """,
        Layer.SECCOMP,
        says=NOT_ALLOWED,
    ),
)
def test_no_number_or_time_is_shared(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    refused(
        "another program",
        """
        child = os.fork()
        if child == 0:
            try: os.execv(sys.executable, [sys.executable, '-c', ''])
            except PermissionError: os._exit(13)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 13: raise PermissionError
        """,
        Layer.SECCOMP,
        Layer.LANDLOCK,
        says=NOT_ALLOWED,
    ),
    Probe(
        "programs below /usr/lib",
        """
        return float(sum(
            '.so' not in name and '/python' not in folder and os.access(os.path.join(folder, name), os.X_OK)
            for folder, _, names in os.walk('/usr/lib') for name in names
        ))
        """,
        0.0,
        stopped_by=(Layer.READ_ONLY,),
        control=Control.OUTSIDE,
    ),
    Probe(
        "the server's own packages",
        """
        import importlib.util
        return float(sum(importlib.util.find_spec(name) is not None for name in ('flask', 'celery', 'sqlalchemy')))
        """,
        0.0,
        stopped_by=(Layer.READ_ONLY,),
        control=Control.OUTSIDE,
    ),
    refused(
        "the list of the machine's libraries",
        "open('/etc/ld.so.cache', 'rb').read()",
        Layer.READ_ONLY,
        Layer.LANDLOCK,
    ),
    Probe(
        "the host's name and domain",
        lines(
            LIBRARY,
            """
            domain = ctypes.create_string_buffer(100)
            libc.getdomainname(domain, 100)
            return float((os.uname().nodename, domain.value) != ('sandbox', b'sandbox'))
            """,
        ),
        0.0,
        stopped_by=(Layer.NAMESPACES,),
        control=Control.OUTSIDE,
    ),
    Probe(
        "which of the machine's users it is",
        "return float(os.getresuid() != (61184,) * 3 or os.getresgid() != (61184,) * 3)",
        0.0,
        stopped_by=(Layer.NAMESPACES,),
        control=Control.OUTSIDE,
    ),
    refused("free blocks of the machine's disks", "os.statvfs(torch.__file__)", Layer.SECCOMP, says=NOT_ALLOWED),
    on_a_library("the machine's load, memory and time since boot", "checked(libc.sysinfo(bytes(256)))"),
    refused("the machine's load", "os.getloadavg()", Layer.NAMESPACES, Layer.LANDLOCK, says="OSError"),
)
def test_nothing_of_the_machine_is_told(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    unknown_calls("any number of timers", 1, **numbers("timer_create", "timerfd_create")),
    Probe(
        "hoarding pending signals",
        lines(
            LIBRARY,
            f"""
            import signal
            signal.pthread_sigmask(signal.SIG_BLOCK, [{signal.SIGRTMIN + 1}])
            for _ in range(1000): checked(libc.sigqueue(os.getpid(), {signal.SIGRTMIN + 1}, ctypes.c_void_p(0)))
            return 1.0
            """,
        ),
        Reason.RAISED,
        "BlockingIOError",
        (Layer.KERNEL_LIMITS,),
        Control.OUTSIDE,
    ),
)
def test_what_the_kernel_keeps_for_a_network_is_limited(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@dataclass(frozen=True)
class Talk:
    """One network says something while another listens at the same time: `hear` returns 1.0 when it has heard it.

    inside: what becomes of the listener in a sandbox: the value 0.0, or the exception that refuses it.
    """

    medium: str
    say: str
    hear: str
    inside: float | str
    stopped_by: tuple[Layer, ...] = (Layer.SECCOMP,)
    what_happens: str = "the other network hears nothing"

    @property
    def attack(self) -> str:
        return f"two networks at once, through {self.medium}"


LISTEN = """
end = time.monotonic() + 4
while time.monotonic() < end:
    if heard(): return 1.0
    time.sleep(0.02)
return 0.0
"""
TALKS = (
    Talk(
        "locks on bytes of a library",
        "fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 12345)\ntime.sleep(4)",
        lines(
            """
            import struct
            def heard():
                asked = struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 12345, 1, 0)
                return struct.unpack('hhqqi4x', fcntl.fcntl(file, fcntl.F_GETLK, asked))[0] != fcntl.F_UNLCK
            """,
            LISTEN,
        ),
        NOT_ALLOWED,
    ),
    Talk(
        "a lock on a library",
        "fcntl.flock(file, fcntl.LOCK_EX)\ntime.sleep(4)",
        lines(
            """
            def heard():
                try: fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError: return True
                fcntl.flock(file, fcntl.LOCK_UN)
            """,
            LISTEN,
        ),
        NOT_ALLOWED,
    ),
    Talk(
        "the times of a device file",
        "for _ in range(200): os.utime('/dev/zero'); time.sleep(0.02)",
        lines(
            "start = os.stat('/dev/zero').st_mtime_ns",
            "def heard(): return os.stat('/dev/zero').st_mtime_ns != start",
            LISTEN,
        ),
        0.0,
        (Layer.READ_ONLY,),
    ),
    Talk(
        "a place in a library where one waits",
        f"""
        memory = mmap.mmap(file, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
        class View(ctypes.Structure): _fields_ = [('memory', ctypes.c_void_p), ('rest', ctypes.c_byte * 72)]
        view = View()
        ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(memory), ctypes.byref(view), 0)
        word = ctypes.c_int.from_address(view.memory).value
        class Time(ctypes.Structure): _fields_ = [('s', ctypes.c_long), ('ns', ctypes.c_long)]
        libc.syscall({FUTEX}, ctypes.c_void_p(view.memory), 0, word, ctypes.byref(Time(4, 0)), None, 0)
        time.sleep(4)
        """,
        lines(
            f"""
            memory = mmap.mmap(file, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
            class View(ctypes.Structure): _fields_ = [('memory', ctypes.c_void_p), ('rest', ctypes.c_byte * 72)]
            view = View()
            ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(memory), ctypes.byref(view), 0)
            def heard():
                return libc.syscall({FUTEX}, ctypes.c_void_p(view.memory), 1, 1, None, None, 0) > 0
            """,
            LISTEN,
        ),
        0.0,
    ),
)


@pytest.fixture(scope="module")
def neighbour(backend: str, network: NetworkFiles) -> Iterator[ZygoteSandbox]:
    """A second sandbox of the same backend, as a worker with two slots has. It is warm."""
    made = make_sandbox(backend, slot=1)
    assert value_of(inside(made, "return 1.0", network)) == 1.0
    yield made
    made.close()


@pytest.fixture(scope="module")
def second_outside(network: NetworkFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    made = Outside(network, tmp_path_factory.mktemp("second"))
    assert made.evaluate(function("return 1.0")) == 1.0
    yield made
    made.close()


@pytest.mark.thorough
@pytest.mark.parametrize("talk", [pytest.param(talk, id=talk.medium) for talk in TALKS])
def test_two_networks_at_once_do_not_hear_each_other(
    sandbox: ZygoteSandbox,
    neighbour: ZygoteSandbox,
    outside: Outside,
    second_outside: Outside,
    network: NetworkFiles,
    talk: Talk,
) -> None:
    """Control: two processes without a sandbox do."""
    say, hear = (lines(LIBRARY, body, "return 0.0") for body in (talk.say, talk.hear))
    with ThreadPoolExecutor(1) as other:
        saying = other.submit(second_outside.evaluate, function(say))
        assert outside.evaluate(function(hear)) == 1.0, "the control: not even without a sandbox is anything heard"
        saying.result()
        outcome = other.submit(inside, neighbour, say, network)
        heard = inside(sandbox, hear, network)
        outcome.result()
    if isinstance(talk.inside, float):
        assert value_of(heard) == talk.inside
    else:
        refusal = failure_of(heard)
        assert refusal.reason is Reason.RAISED
        assert talk.inside in refusal.detail


def inside(sandbox: ZygoteSandbox, body: str, network: NetworkFiles) -> Outcome:
    sandbox.start(Code({"complexity.py": function(body).encode()}, "digest"), Limits(wall_s=30.0))
    return sandbox.evaluate(network, 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only a worker that is root gives its sandboxes users of their own")
def test_two_networks_at_once_belong_to_different_users(
    sandbox: ZygoteSandbox, neighbour: ZygoteSandbox, network: NetworkFiles
) -> None:
    """The kernel counts by user what pipes hold, which files are watched and which descriptors are in flight."""
    assert [value_of(inside(one, "return 1.0", network)) for one in (sandbox, neighbour)] == [1.0, 1.0]
    assert sandbox.outside_user != neighbour.outside_user


def test_the_clock_counts_until_every_process_has_ended(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many processes take a while to end; the time is the measure's own, and a pooled limit counts it."""
    kill = supervise.Run._kill

    def slow_kill(run: supervise.Run) -> bool:
        threading.Event().wait(0.3)
        return kill(run)

    monkeypatch.setattr(supervise.Run, "_kill", slow_kill)
    outcome = failure_of(evaluate(function("time.sleep(1000)"), wall_s=0.5))
    assert outcome.reason is Reason.TIME_LIMIT
    assert outcome.wall_s is not None
    assert outcome.wall_s >= 0.8
