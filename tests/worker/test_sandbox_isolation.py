"""What a measure can reach, forge or leave behind: nothing but its own number."""

import socket
import sys
import textwrap
from pathlib import Path

import pyseccomp
import pytest

from model_zoo import open_zoo
from submissions.states import Reason
from tests.worker.conftest import Evaluate
from tests.worker.sandboxed import failure_of, function, value_of
from worker.sandbox.bubblewrap import BubblewrapLauncher
from worker.sandbox.protocol import NetworkFiles
from worker.sandbox.spawn import Spawner
from worker.sandbox.zygote_sandbox import ZygoteSandbox

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.socket().connect(('127.0.0.1', PORT))",
        "socket.create_connection(('192.0.2.1', 80), timeout=1)",
        "socket.socket(socket.AF_UNIX).connect('\\0gengap-test')",
        "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)",
        "socket.getaddrinfo('localhost', 80)",
        "open('/etc/passwd').read()",
        "open('/proc/self/environ').read()",
        "open('/proc/1/cmdline').read()",
        "open('HERE')",
        "open('ZOO/private/truth.json').read()",
        "open('ZOO/zoo.json').read()",
        "open('/gengap/worker/harness/zygote.py', 'a')",
        "open(torch.__file__, 'a')",
        "open('/usr/lib/x', 'w')",
        "os.mkdir('/x')",
        "os.mkdir('/dev/x')",
        "os.mount",
        "os.unshare",
        "os.memfd_create('x')",
        "os.chroot('/tmp')",
        "os.setuid(0)",
        "os.sethostname",
        "os.kill(1, 9) or os.kill(1, 0) or open('/nowhere')",
        "__import__('subprocess').run(['/bin/sh', '-c', 'true'], check=True)",
    ],
)
def test_nothing_of_the_host_can_be_reached(evaluate: Evaluate, tiny_zoo: Path, attempt: str) -> None:
    """Each attempt works without a sandbox (the control) or needs rights, and raises inside."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()  # the positive control
        attempt = attempt.replace("PORT", str(port))
        attempt = attempt.replace("ZOO", str(tiny_zoo)).replace("HERE", __file__)
        failure = failure_of(evaluate(function(f"{attempt}\nreturn 1.0")))
    assert failure.reason is Reason.RAISED


def test_environment_and_arguments_hold_no_secret(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENGAP_SECRET_KEY", "swordfish")
    body = """
    import gc
    text = repr(os.environ) + repr(sys.argv) + repr(sys.orig_argv)
    frame = sys._getframe()
    while frame is not None:
        text += repr(frame.f_locals)
        frame = frame.f_back
    raise ValueError(str("swordfish" in text or "truth" in text))
    """
    assert failure_of(evaluate(function(body))).message == "False"


def test_no_path_of_the_host_names_the_environment(evaluate: Evaluate) -> None:
    """It may lie below /tmp or a home folder; inside it has a name of its own."""
    assert sys.prefix != sys.base_prefix, "the tests run in the environment that make setup makes"
    body = f"""
    raise ValueError([sys.prefix, os.path.exists({sys.prefix!r}), any({sys.prefix!r} in p for p in sys.path)])
    """
    assert failure_of(evaluate(function(body))).message == "['/gengap/environment', False, False]"


def test_opaque_names_only(evaluate: Evaluate, tiny_zoo: Path) -> None:
    """Neither a network's id nor the zoo's folder can be found in descriptors or frames."""
    ids = [network.id for network in open_zoo(tiny_zoo).networks]
    body = f"""
    words = {[*ids, tiny_zoo.name]!r}
    text = ""
    frame = sys._getframe().f_back
    while frame is not None:
        text += repr(frame.f_locals) + repr(frame.f_globals.get("request"))
        frame = frame.f_back
    raise ValueError([word for word in words if word in text])
    """
    assert failure_of(evaluate(function(body))).message == "[]"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("[os.write(fd, b'v' + bytes(8)) for fd in DESCRIPTORS]\nreturn 1.0", Reason.PROTOCOL),
        ("[os.write(fd, b'v' + bytes(8)) for fd in DESCRIPTORS]\nos._exit(0)", None),
        ("[os.write(fd, b'z' + bytes(8)) for fd in DESCRIPTORS]\nos._exit(0)", Reason.PROTOCOL),
        ("[os.write(fd, b'x' + bytes(8)) for fd in DESCRIPTORS]\nos._exit(0)", Reason.PROTOCOL),
        ("[os.write(fd, b'v') for fd in DESCRIPTORS]\nos._exit(0)", Reason.PROTOCOL),
        ("while True: [os.write(fd, bytes(60_000)) for fd in DESCRIPTORS]", Reason.PROTOCOL),
        ("while True: os.write(list(pipes())[1], bytes(60_000))", Reason.PROTOCOL),
        ("os.closerange(0, 1000)\nreturn 1.0", Reason.CRASHED),
    ],
)
def test_a_forged_frame_decides_at_most_its_own_number(evaluate: Evaluate, body: str, reason: Reason | None) -> None:
    lookup = textwrap.dedent(
        """
        def pipes():
            import stat
            for fd in range(3, 200):
                try:
                    if stat.S_ISFIFO(os.fstat(fd).st_mode):
                        yield fd
                except OSError:
                    continue
        """
    )
    outcome = evaluate(function(lookup + "\n" + body.replace("DESCRIPTORS", "list(pipes())[:1]")))
    if reason is None:
        assert value_of(outcome) == 0.0
    else:
        assert failure_of(outcome).reason is reason


@pytest.mark.parametrize(
    "leave",
    [
        "open('/tmp/mark', 'w').close()",
        "open('/dev/shm/mark', 'w').close()",
        "os.environ['MARK'] = '1'",
        "sys.modules['mark'] = sys",
        "torch.mark = 1",
        "np.random.mark = 1",
        "__import__('builtins').mark = 1",
        "model.mark = type(model).mark = 1",
    ],
)
def test_nothing_is_carried_to_the_next_network(evaluate: Evaluate, leave: str) -> None:
    look = """
    import builtins
    return float(os.path.exists('/tmp/mark') or os.path.exists('/dev/shm/mark') or 'MARK' in os.environ
                 or 'mark' in sys.modules or hasattr(torch, 'mark') or hasattr(np.random, 'mark')
                 or hasattr(builtins, 'mark') or hasattr(model, 'mark'))
    """
    seen_at_once = function(leave + textwrap.dedent(look))
    assert value_of(evaluate(seen_at_once)) == 1.0, "the probe sees what it left itself"
    assert value_of(evaluate(function(look))) == 0.0


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


def test_the_filter_of_system_calls_holds(evaluate: Evaluate) -> None:
    layers = ZygoteSandbox(BubblewrapLauncher(Spawner())).layers
    assert layers["seccomp"], "libseccomp2 is among the packages that make setup installs"
    names = ("io_uring_setup", "ptrace", "keyctl", "userfaultfd", "bpf", "perf_event_open", "unshare", "setns", "mount")
    numbers = {name: pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in (*names, "memfd_create")}
    body = f"""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    raise ValueError([name for name, number in {numbers!r}.items()
                      if libc.syscall(number, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != 1])
    """
    assert failure_of(evaluate(function(body))).message == "[]"
