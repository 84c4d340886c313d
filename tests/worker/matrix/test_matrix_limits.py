"""The probe matrix: measures that take more than their share, of time, memory, processes, files or output."""

import pytest

from submissions.storage.states import Reason
from tests.worker.sandbox.probes import Attempt, Control, Layer, Probe, each, lines, then_one
from tests.worker.sandbox.sandboxed import MIB

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")

SHORT = {"wall_s": 0.5}
FEW = {"processes": 10, "memory_bytes": 2**34}  # without control groups, pages shared by processes count for each
MANY = {"processes": 64, "memory_bytes": 2**34}
SMALL, LARGE = {"memory_bytes": 128 * MIB}, {"memory_bytes": 2**30, "scratch_bytes": 512 * MIB}
MEMORY_FENCES = (Layer.GROUPS, Layer.KERNEL_LIMITS)
PROCESS_FENCES = (Layer.GROUPS, Layer.KERNEL_LIMITS)


def too_long(attack: str, body: str) -> Probe:
    return Probe(attack, body, Reason.TIME_LIMIT, "longer than 0.5 s", (Layer.CLOCK,), limits=SHORT)


def too_much_memory(attack: str, body: str) -> Probe:
    """256 MiB, which succeeds where there is room for it."""
    return Probe(
        attack,
        then_one(body),
        Reason.MEMORY_LIMIT,
        "",
        MEMORY_FENCES,
        Control.ROOMIER,
        limits=SMALL,
        roomier=LARGE,
    )


def too_many(attack: str, body: str, error: str) -> Probe:
    """20 of them, which succeed where there is room for them."""
    return Probe(
        attack,
        then_one(body),
        Reason.RAISED,
        error,
        PROCESS_FENCES,
        Control.ROOMIER,
        limits=FEW,
        roomier=MANY,
    )


def too_much_output(attack: str, write: str) -> Probe:
    return Probe(
        attack,
        lines("block = 'x' * 1000", write, "return 1.0"),
        Reason.OUTPUT_FLOOD,
        "more than 100000 bytes",
        (Layer.COUNTERS,),
        Control.ROOMIER,
        limits={"log_bytes": 100_000},
        roomier={"log_bytes": 2**20},
    )


@each(
    too_long("an infinite loop", "while True: pass"),
    too_long("an infinite loop in C", "sum(iter(int, 1))"),
    too_long("sleeping forever", "time.sleep(1000)"),
    too_long(
        "ignoring every signal that can be ignored",
        """
        import signal
        for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
            try:
                signal.signal(number, signal.SIG_IGN)
            except OSError:
                continue
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True: time.sleep(1)
        """,
    ),
    too_long("stopping itself with SIGSTOP", "os.kill(os.getpid(), 19)"),
    too_long(
        "catching everything",
        """
        while True:
            try:
                time.sleep(1000)
            except BaseException:
                continue
        """,
    ),
    too_long("a loop in a child while the parent sleeps", "if os.fork(): time.sleep(1000)\nwhile True: pass"),
    too_long(
        "a loop in a thread that outlives the function",
        """
        import threading
        def hold(*_):
            while True: time.sleep(1)
        threading.Thread(target=hold).start()
        hold()
        """,
    ),
    too_long(
        "an exception whose text takes forever",
        "raise type('Slow', (Exception,), {'__str__': lambda self: time.sleep(1000)})()",
    ),
    too_long(
        "a fork bomb that catches its errors",
        """
        while True:
            try:
                os.fork()
            except OSError:
                time.sleep(1000)
        """,
    ),
)
def test_time_is_kept_outside(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    Probe(
        "burning in several processes at once",
        "[os.fork() for _ in range(2)]\nwhile True: pass",
        Reason.TIME_LIMIT,
        "more processor time than 0.5 s",
        (Layer.GROUPS, Layer.CLOCK),
        limits={"cpu_s": 0.5},
    ),
    Probe(
        "burning in children that end and are replaced",
        """
        while True:
            if os.fork() == 0:
                end = time.process_time() + 0.05
                while time.process_time() < end: pass
                os._exit(0)
            os.wait()
        """,
        Reason.TIME_LIMIT,
        "more processor time than 0.5 s",
        (Layer.GROUPS, Layer.CLOCK),
        limits={"cpu_s": 0.5},
    ),
    Probe(
        "burning in threads",
        """
        import threading
        def burn():
            while True: torch.ones(100, 100) @ torch.ones(100, 100)
        threading.Thread(target=burn).start()
        burn()
        """,
        Reason.TIME_LIMIT,
        "more processor time than 0.5 s",
        (Layer.GROUPS, Layer.CLOCK),
        limits={"cpu_s": 0.5},
    ),
)
def test_processor_time_is_counted_outside_over_all_processes(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    Probe(
        "using more processors than granted",
        """
        try:
            os.sched_setaffinity(0, range(os.cpu_count()))
        except OSError:
            pass
        return float(len(os.sched_getaffinity(0)))
        """,
        1.0,
        stopped_by=(Layer.PROCESSORS, Layer.SECCOMP),
        control=Control.ROOMIER,
        roomier={"cpus": 2},
    ),
    Probe(
        "running threads and children on other processors",
        """
        import ctypes
        read_end, write_end = os.pipe()
        for _ in range(4):
            if os.fork() == 0:
                try:
                    os.sched_setaffinity(0, range(os.cpu_count()))
                except OSError:
                    pass
                end = time.monotonic() + 0.2
                while time.monotonic() < end:
                    os.write(write_end, bytes([ctypes.CDLL(None).sched_getcpu()]))
                    sum(range(1000))
                os._exit(0)
        os.close(write_end)
        seen = set()
        while chunk := os.read(read_end, 65536):
            seen.update(chunk)
        return float(len(seen))
        """,
        1.0,
        stopped_by=(Layer.PROCESSORS, Layer.SECCOMP),
    ),
)
def test_a_measure_runs_on_the_processors_granted_to_it(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    too_much_memory("hoarding Python objects", "hoard = [bytearray(2**22) for _ in range(64)]"),
    too_much_memory("hoarding tensors", "hoard = [torch.ones(2**20) for _ in range(64)]"),
    too_much_memory(
        "shared anonymous memory",
        """
        import mmap
        shared = mmap.mmap(-1, 2**28)
        for at in range(0, 2**28, 4096): shared[at] = 1
        """,
    ),
    too_much_memory(
        "files in /tmp, which are memory",
        "for n in range(64): open(f'/tmp/{n}', 'wb').write(bytes(2**22))",
    ),
    too_much_memory(
        "files in /dev/shm, which are memory",
        "for n in range(64): open(f'/dev/shm/{n}', 'wb').write(bytes(2**22))",
    ),
    too_much_memory(
        "a little in each of many processes",
        """
        read_end, write_end = os.pipe()
        for _ in range(4):
            if os.fork() == 0:
                os.close(read_end)
                hoard = bytes(bytearray(b"x") * 2**26)
                os.write(write_end, b"x")
                time.sleep(1000)
        os.close(write_end)
        for _ in range(4):
            os.read(read_end, 1) or os.wait()
        """,
    ),
)
def test_memory_is_limited_over_all_processes(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    too_many("a fork bomb", "for _ in range(20): os.fork() or time.sleep(1000)", "BlockingIOError"),
    too_many(
        "a thread bomb",
        """
        import threading
        for _ in range(20):
            threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        """,
        "RuntimeError",
    ),
    too_many(
        "processes in sessions of their own",
        "for _ in range(20): os.fork() or (os.setsid(), time.sleep(1000))",
        "BlockingIOError",
    ),
)
def test_processes_are_limited(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    Probe(
        "more files in /tmp than there is space",
        "open('/tmp/full', 'wb').write(bytes(2**25))\nreturn 1.0",
        Reason.RAISED,
        "OSError",
        (Layer.SCRATCH, Layer.KERNEL_LIMITS),
        Control.ROOMIER,
        limits={"scratch_bytes": 16 * MIB},
    ),
    Probe(
        "more files in /dev/shm than there is space, which /tmp shares",
        """
        open('/tmp/half', 'wb').write(bytes(2**23))
        open('/dev/shm/half', 'wb').write(bytes(2**24))
        return 1.0
        """,
        Reason.RAISED,
        "OSError",
        (Layer.SCRATCH, Layer.KERNEL_LIMITS),
        Control.ROOMIER,
        limits={"scratch_bytes": 16 * MIB},
    ),
    Probe(
        "an inode flood: 20 000 empty files",
        """
        import shutil, tempfile
        folder = tempfile.mkdtemp()
        try:
            for n in range(20_000): os.close(os.open(f'{folder}/{n}', os.O_CREAT))
        finally:
            shutil.rmtree(folder)
        return 1.0
        """,
        Reason.RAISED,
        "OSError",
        (Layer.SCRATCH,),
        Control.OUTSIDE,
    ),
    Probe(
        "hoarding open files",
        "hoard = [os.dup(1) for _ in range(400)]\nreturn 1.0",
        Reason.RAISED,
        "OSError",
        (Layer.KERNEL_LIMITS,),
        Control.OUTSIDE,
    ),
)
def test_files_are_limited(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    too_much_output("a flood of print", "for _ in range(500): print(block)"),
    too_much_output("a flood on standard error", "for _ in range(500): print(block, file=sys.stderr)"),
    too_much_output("a flood past Python's buffers", "for _ in range(500): os.write(1, block.encode())"),
    too_much_output(
        "a flood from a child",
        """
        if os.fork() == 0:
            for _ in range(500): os.write(1, block.encode())
            os._exit(0)
        os.wait()
        """,
    ),
)
def test_output_is_limited(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    Probe(
        "a daemon that outlives the measure",
        """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(1000)
            os._exit(0)
        return 1.0
        """,
        1.0,
        stopped_by=(Layer.NAMESPACES,),
    ),
    Probe(
        "work left to atexit and finalizers",
        """
        import atexit, weakref
        atexit.register(time.sleep, 1000)
        weakref.finalize(model, time.sleep, 1000)
        return 1.0
        """,
        1.0,
        stopped_by=(Layer.FORK,),
    ),
    Probe(
        "a thread that never ends",
        """
        import threading
        threading.Thread(target=time.sleep, args=(1000,)).start()
        return 1.0
        """,
        1.0,
        stopped_by=(Layer.FORK,),
    ),
)
def test_nothing_outlives_its_network(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)
