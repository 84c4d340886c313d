"""The probe matrix: measures that reach for the network, files, other processes and the kernel's back doors."""

import sys

import pyseccomp
import pytest

from tests.worker.conftest import Evaluate
from tests.worker.sandbox.probes import REFUSED, Attempt, Control, Layer, Probe, each, lines, refused
from tests.worker.sandbox.sandboxed import function, value_of
from worker.sandbox.protocol import NetworkFiles

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")

NETWORK = (Layer.NO_NETWORK, Layer.SECCOMP, Layer.LANDLOCK)
HIDDEN = (Layer.NAMESPACES, Layer.LANDLOCK)
UNCHANGEABLE = (Layer.READ_ONLY, Layer.CAPABILITIES, Layer.LANDLOCK)
PROCESSES = (Layer.NAMESPACES, Layer.CAPABILITIES)
NOT_ALLOWED = "PermissionError"
CLONE, CLONE3 = (pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in ("clone", "clone3"))
CANNOT_WRITE = f"{REFUSED}|OSError"  # OSError: a read-only file system

# What the kernel answers to senseless arguments shows that the call reached it; the filter answers EPERM to any.
SENSELESS = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def is_refused(number, errno):
    return libc.syscall(number, -1, -1, -1, -1, -1, -1) == -1 and ctypes.get_errno() == errno
"""


def system_calls(purpose: str, *names: str) -> Probe:
    """All of these calls. Outside, the control, the kernel must take each; inside, the filter must refuse each."""
    numbers = {name: pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in names}
    body = f"""
    refused = [name for name, number in {numbers!r}.items() if is_refused(number, 1)]
    if len(refused) == {len(names)}: raise PermissionError
    if refused: raise OSError(refused)
    """
    called = ", ".join(f"`{name}`" for name in names)
    return refused(f"{purpose}: {called}", lines(SENSELESS, body), Layer.SECCOMP, says=NOT_ALLOWED)


@each(
    refused("a listener on the host's loopback", "socket.create_connection(('127.0.0.1', $port), 1)", *NETWORK),
    refused(
        "the same by UDP",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', $port))",
        *NETWORK,
    ),
    refused("an external address", "socket.create_connection(('192.0.2.1', 80), 1)", *NETWORK, control=Control.NONE),
    refused(
        "an IPv6 address",
        "socket.socket(socket.AF_INET6).connect(('::1', $port))",
        *NETWORK,
        control=Control.NONE,
    ),
    refused("resolving a name", "socket.getaddrinfo('localhost', 80)", *NETWORK, says="gaierror"),
    refused("listening for others", "socket.create_server(('127.0.0.1', 0))", *NETWORK),
    refused("an abstract Unix socket of the host", r"socket.socket(socket.AF_UNIX).connect('\0$abstract')", *NETWORK),
    refused(
        "a Unix socket in a folder, as docker.sock",
        "socket.socket(socket.AF_UNIX).connect('$socket')",
        *HIDDEN,
        Layer.SECCOMP,
    ),
    refused("a raw socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", *NETWORK, control=Control.AS_ROOT),
    refused(
        "a packet socket", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3)", *NETWORK, control=Control.AS_ROOT
    ),
    refused(
        "a vsock to the hypervisor",
        "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)",
        Layer.SECCOMP,
        control=Control.NONE,
    ),
    refused("a netlink socket", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)", Layer.SECCOMP),
    refused(
        "a socket of the kernel's crypto",
        "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)",
        Layer.SECCOMP,
        control=Control.NONE,
    ),
    Probe(
        "a file of ours left open: its times and number tell the order of training",
        """
        import stat
        found, null = 0, os.stat('/dev/null').st_rdev
        for descriptor in range(3, 1024):
            try:
                status = os.fstat(descriptor)
            except OSError:
                continue
            found += not stat.S_ISFIFO(status.st_mode) and status.st_rdev != null
        return float(found)
        """,
        0.0,
        stopped_by=(Layer.EMPTY,),
        control=Control.OUTSIDE,
    ),
)
def test_no_connection_leads_out(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    refused("the host's /etc/passwd", "open('/etc/passwd').read()", *HIDDEN),
    refused("the host's /etc/shadow", "open('/etc/shadow').read()", *HIDDEN, control=Control.AS_ROOT),
    refused("another submission's code", "open('$code').read()", *HIDDEN),
    refused("a file that only the worker's user may read", "open('$secret').read()", *HIDDEN),
    refused("the store of zoos", "os.listdir('$zoo')", *HIDDEN),
    refused("truth.json", "open('$zoo/private/truth.json').read()", *HIDDEN),
    refused("the weights of other networks", "os.listdir('$zoo/public/networks')", *HIDDEN),
    refused("a folder above its own, by ..", "open('/tmp/../../../$secret').read()", *HIDDEN),
    refused(
        "a symbolic link out",
        """
        name = '/tmp/$mark'
        os.symlink('$secret', name)
        try: open(name).read()
        finally: os.unlink(name)
        """,
        *HIDDEN,
    ),
    refused(
        "a hard link to a file outside",
        """
        name = '$secret-link'
        os.link('$secret', name)
        os.unlink(name)
        """,
        *HIDDEN,
    ),
    refused(
        "the host's disks",
        "open(next(f'/dev/{n}' for n in ('vda', 'sda', 'nvme0n1', 'loop0') if os.path.exists(f'/dev/{n}')), 'rb')",
        *HIDDEN,
        Layer.CAPABILITIES,
        says="StopIteration|PermissionError",
        control=Control.NONE,
    ),
    refused("the kernel's memory and log", "open('/dev/mem', 'rb')", *HIDDEN, Layer.CAPABILITIES, control=Control.NONE),
    refused("/proc/kcore", "open('/proc/kcore', 'rb')", *HIDDEN, Layer.CAPABILITIES, control=Control.NONE),
    refused("/sys", "os.listdir('/sys/kernel')", *HIDDEN),
    refused("environment variables through /proc", "open('/proc/self/environ', 'rb').read()", *HIDDEN),
    Probe(
        "environment variables of the worker",
        "return float('swordfish' in repr(os.environ) + repr(sys.argv) + repr(sys.orig_argv))",
        0.0,
        stopped_by=(Layer.EMPTY,),
        control=Control.OUTSIDE,
    ),
)
def test_no_secret_can_be_read(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    refused("the interpreter's libraries", "open(torch.__file__, 'a')", *UNCHANGEABLE, says=CANNOT_WRITE),
    refused(
        "the interpreter",
        "os.open(os.path.realpath(sys.executable), os.O_WRONLY)",
        *UNCHANGEABLE,
        says=CANNOT_WRITE,
        control=Control.NONE,
    ),
    refused(
        "our harness", "open(sys.modules[type(dataset).__module__].__file__, 'a')", *UNCHANGEABLE, says=CANNOT_WRITE
    ),
    refused(
        "a folder on the import path",
        "os.mkdir(os.path.dirname(torch.__file__) + '/$mark')",
        *UNCHANGEABLE,
        says=CANNOT_WRITE,
        control=Control.NONE,
    ),
    refused(
        "modes of the interpreter's files",
        "os.chmod(torch.__file__, os.stat(torch.__file__).st_mode)",
        *UNCHANGEABLE,
        says=CANNOT_WRITE,
    ),
    refused(
        "times of the interpreter's files",
        """
        status = os.stat(torch.__file__)
        os.utime(torch.__file__, ns=(status.st_atime_ns, status.st_mtime_ns))
        """,
        *UNCHANGEABLE,
        says=CANNOT_WRITE,
    ),
    refused(
        "the root folder",
        "os.mkdir('/$mark')\nos.rmdir('/$mark')",
        *UNCHANGEABLE,
        says=CANNOT_WRITE,
        control=Control.AS_ROOT,
    ),
    refused(
        "system folders",
        "os.mkdir('/usr/lib/$mark')\nos.rmdir('/usr/lib/$mark')",
        *UNCHANGEABLE,
        says=CANNOT_WRITE,
        control=Control.AS_ROOT,
    ),
    refused(
        "/dev",
        "os.mkdir('/dev/$mark')\nos.rmdir('/dev/$mark')",
        *UNCHANGEABLE,
        says=CANNOT_WRITE,
        control=Control.AS_ROOT,
    ),
    refused(
        "/proc/sys",
        "open('/proc/sys/kernel/core_pattern', 'r+').close()",
        *UNCHANGEABLE,
        says=CANNOT_WRITE,
        control=Control.AS_ROOT,
    ),
    refused("/proc/self/mem", "open('/proc/self/mem', 'r+b').close()", *HIDDEN),
    refused(
        "device nodes",
        """
        os.mknod('/tmp/$mark', 0o20666, os.makedev(1, 1))
        os.unlink('/tmp/$mark')
        """,
        Layer.SECCOMP,
        Layer.CAPABILITIES,
        Layer.LANDLOCK,
        control=Control.AS_ROOT,
    ),
)
def test_nothing_shared_can_be_changed(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    refused("signalling a process of the host", "os.kill($pid, 0)", *PROCESSES, says="ProcessLookupError"),
    refused("listing processes", "os.listdir('/proc/$pid')", *PROCESSES),
    refused("the memory of a process of the host", "open('/proc/$pid/mem', 'rb')", *PROCESSES, control=Control.AS_ROOT),
    refused("the memory of our init", "open('/proc/1/mem', 'rb')", *PROCESSES, control=Control.NONE),
    refused("the environment of our init", "open('/proc/1/environ', 'rb')", *PROCESSES, control=Control.NONE),
    Probe(
        "killing our init",
        """
        for number in (9, 19, 15, 11):
            try:
                os.kill(1, number)
                os.kill(os.getppid(), number)
            except PermissionError:
                continue
        return 1.0
        """,
        1.0,
        stopped_by=(Layer.NAMESPACES, Layer.LANDLOCK),
    ),
    Probe(
        "killing everything it can see, itself apart",
        "try: os.kill(-1, 9)\nexcept OSError: pass\nreturn 1.0",
        1.0,
        stopped_by=(Layer.NAMESPACES,),
    ),
    refused("a program of the system", "__import__('subprocess').run(['/bin/sh', '-c', 'true'], check=True)", *HIDDEN),
    refused("becoming root", "os.setuid(0)", Layer.SECCOMP, Layer.CAPABILITIES, control=Control.AS_ROOT),
    refused("a lower nice value", "os.nice(-1)", Layer.CAPABILITIES, control=Control.AS_ROOT),
    refused(
        "real-time priority",
        "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))",
        Layer.SECCOMP,
        Layer.CAPABILITIES,
        control=Control.AS_ROOT,
    ),
    refused(
        "roomier limits",
        """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 10**6))
        """,
        Layer.CAPABILITIES,
        says="PermissionError|ValueError",
        control=Control.NONE,
    ),
    refused(
        "an interpreter of its own, in place of itself",
        "os.execv(sys.executable, [sys.executable, '-c', 'print(1.0)'])",
        Layer.SECCOMP,
        Layer.LANDLOCK,
        says=NOT_ALLOWED,
        control=Control.NONE,
    ),
)
def test_no_other_process_can_be_touched(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    system_calls("calls past the filter", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    system_calls("control of another process", "ptrace"),
    system_calls("another process's memory", "process_vm_readv", "process_vm_writev", "move_pages"),
    system_calls("another process's files", "pidfd_getfd", "kcmp"),
    system_calls("keyrings", "keyctl", "add_key", "request_key"),
    system_calls("races in the kernel", "userfaultfd"),
    system_calls("files that no limit of files counts", "memfd_create", "memfd_secret"),
    system_calls("another view of the files", "mount", "umount2", "pivot_root", "chroot"),
    system_calls("the same by the newer calls", "fsopen", "fsmount", "open_tree", "move_mount", "mount_setattr"),
    system_calls("new namespaces", "unshare"),
    system_calls("others' namespaces", "setns"),
    system_calls("programs in the kernel", "bpf"),
    system_calls("side channels by counters", "perf_event_open"),
    system_calls("files by number, past every folder", "open_by_handle_at", "name_to_handle_at"),
    system_calls("kernel modules and another kernel", "init_module", "finit_module", "kexec_load"),
    system_calls("the host's swap, name, log and quotas", "swapon", "sethostname", "syslog", "quotactl"),
    system_calls("watching files", "fanotify_init", "inotify_init1"),
    system_calls("the kernel's older asynchronous calls", "io_setup"),
    system_calls("System V and POSIX message passing", "shmget", "semget", "mq_open"),
    system_calls("address space layout made predictable", "personality"),
    system_calls("any socket", "socket"),
    refused(
        "`clone` into a new user namespace",
        f"""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        child = libc.syscall({CLONE}, 0x10000000 | 17, 0, 0, 0, 0)
        if child == 0: os._exit(0)
        if child == -1: raise OSError(ctypes.get_errno(), 'clone')
        os.waitpid(child, 0)
        """,
        Layer.SECCOMP,
        says=NOT_ALLOWED,
    ),
    refused(
        "`clone3`, whose flags a filter cannot see",
        lines(SENSELESS, f"if is_refused({CLONE3}, 38): raise PermissionError"),
        Layer.SECCOMP,
        says=NOT_ALLOWED,
    ),
)
def test_system_calls_that_no_measure_needs_are_refused(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


def test_no_path_of_the_host_names_the_environment(evaluate: Evaluate) -> None:
    """It may lie below /tmp or a home folder; inside it has a name of its own."""
    assert sys.prefix != sys.base_prefix, "the tests run in the environment that make setup makes"
    body = f"""
    return float(os.path.exists({sys.prefix!r}) or any({sys.prefix!r} in p for p in [sys.prefix, *sys.path]))
    """
    assert value_of(evaluate(function(body))) == 0.0


def test_weights_and_data_edited_in_place_stay_as_they_are_on_disk(evaluate: Evaluate, network: NetworkFiles) -> None:
    before = network.weights.read_bytes(), network.training_data.read_bytes()
    body = """
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        dataset.inputs.zero_()
    return float(sum(p.abs().sum() for p in model.parameters()))
    """
    assert value_of(evaluate(function(body))) == 0.0
    assert (network.weights.read_bytes(), network.training_data.read_bytes()) == before
