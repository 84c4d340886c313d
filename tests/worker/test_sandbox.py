"""What a measure can do in the sandbox, and what becomes of it, in real bubblewrap sandboxes."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from model_zoo import open_zoo
from submissions.states import Reason
from tests.services import wait_until
from tests.worker.conftest import Evaluate
from worker.sandbox import cgroups
from worker.sandbox.bubblewrap import BubblewrapSandbox
from worker.sandbox.protocol import Code, Failure, Limits, NetworkFiles, Outcome, Sandbox, SandboxError, Value
from worker.sandbox.spawn import Spawner

MIB = 2**20
NORMAL = "def complexity(model, dataset):\n    return float(len(dataset))\n"


def function(body: str) -> str:
    """A measure with this body; the modules that tests need are imported."""
    head = "import os, socket, sys, time\nimport numpy as np\nimport torch\n\n\ndef complexity(model, dataset):\n"
    return head + textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n"


def value_of(outcome: Outcome) -> float:
    assert isinstance(outcome, Value), outcome
    return outcome.value


def failure_of(outcome: Outcome) -> Failure:
    assert isinstance(outcome, Failure), outcome
    return outcome


def processes() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


@pytest.fixture(autouse=True)
def _the_next_network_is_unaffected(evaluate: Evaluate) -> Iterator[None]:
    """After whatever a test did: a normal measure gets its value, and no process or control group is left."""
    assert value_of(evaluate(NORMAL)) == 20.0
    before = processes()
    yield
    assert value_of(evaluate(NORMAL)) == 20.0
    wait_until(lambda: processes() <= before, "the end of what the test has started")
    for controller in ("memory", "pids"):
        parent = cgroups.parent_of(controller)
        assert not parent or not list(parent.glob(f"gengap-{os.getpid()}-*"))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1.5", 1.5),
        ("-3", -3.0),
        ("np.float32(0.5)", 0.5),
        ("np.int64(7)", 7.0),
        ("torch.tensor(2.5)", 2.5),
        ("torch.tensor([[3]])", 3.0),
        ("next(model.parameters()).sum() * 0 + 4", 4.0),
        ("np.array(2.0)", 2.0),
        ("5e-324", 5e-324),
        ("float(len(dataset)) + dataset.classes", 30.0),
        ("float(model.initial is not None)", 1.0),
        ("float(all(p.requires_grad for p in model.parameters()) and not model.training)", 1.0),
    ],
)
def test_a_real_number_is_a_value(evaluate: Evaluate, expression: str, value: float) -> None:
    assert value_of(evaluate(function(f"return {expression}"))) == value


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("float('nan')", Reason.NOT_FINITE),
        ("float('inf')", Reason.NOT_FINITE),
        ("-torch.tensor(torch.inf)", Reason.NOT_FINITE),
        ("10**400", Reason.NOT_FINITE),
        ("None", Reason.NOT_A_NUMBER),
        ("True", Reason.NOT_A_NUMBER),
        ("torch.tensor(True)", Reason.NOT_A_NUMBER),
        ("np.bool_(True)", Reason.NOT_A_NUMBER),
        ("'1.0'", Reason.NOT_A_NUMBER),
        ("1j", Reason.NOT_A_NUMBER),
        ("np.complex64(1)", Reason.NOT_A_NUMBER),
        ("torch.ones(2)", Reason.NOT_A_NUMBER),
        ("[1.0]", Reason.NOT_A_NUMBER),
        ("type('Sly', (float,), {})(1.0)", Reason.NOT_A_NUMBER),
        ("type('Sly', (), {'__float__': lambda self: 1.0, '__class__': float})()", Reason.NOT_A_NUMBER),
        ("1 / 0", Reason.RAISED),
        ("sys.exit(0)", Reason.RAISED),
        ("(_ for _ in ()).throw(KeyboardInterrupt())", Reason.RAISED),
        ("os._exit(0)", Reason.CRASHED),
        ("os._exit(7)", Reason.CRASHED),
        ("os.kill(os.getpid(), 11)", Reason.CRASHED),
        ("os.kill(os.getpid(), 9)", Reason.CRASHED),
    ],
)
def test_anything_else_is_a_failure_with_its_reason(evaluate: Evaluate, expression: str, reason: Reason) -> None:
    assert failure_of(evaluate(function(f"return {expression}"))).reason is reason


def test_a_failure_names_exception_file_and_line_of_the_participants_own(evaluate: Evaluate) -> None:
    files = {
        "complexity.py": b"from helper import middle\n\n\ndef complexity(model, dataset):\n    return middle()\n",
        "helper.py": b"import torch\n\n\ndef middle():\n    return torch.ones(2) @ torch.ones(3)\n",
    }
    failure = failure_of(evaluate(files))
    assert (failure.reason, failure.file, failure.line) == (Reason.RAISED, "helper.py", 5)
    assert failure.detail == "RuntimeError at helper.py line 5"
    assert failure.message is not None
    assert "size" in failure.message


@pytest.mark.parametrize(
    ("source", "reason", "detail"),
    [
        ("import nonsuch\ndef complexity(model, dataset): return 1.0\n", Reason.IMPORT_ERROR, "line 1"),
        ("raise SystemExit(3)\n", Reason.IMPORT_ERROR, "SystemExit"),
        ("from math import *\n", Reason.MISSING_FUNCTION, ""),
        ("complexity = 3\n", Reason.MISSING_FUNCTION, ""),
    ],
)
def test_a_measure_that_cannot_be_called(evaluate: Evaluate, source: str, reason: Reason, detail: str) -> None:
    failure = failure_of(evaluate(source))
    assert failure.reason is reason
    assert detail in failure.detail


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "time.sleep(1000)",
        "import signal\nfor n in (2, 15, 20): signal.signal(n, signal.SIG_IGN)\nwhile True: time.sleep(1)",
        "os.kill(os.getpid(), 19)",
        "if os.fork(): time.sleep(1000)\nwhile True: pass",
        "import threading\nthreading.Thread(target=lambda: time.sleep(1000)).start()\nwhile True: time.sleep(1)",
    ],
)
def test_the_clock_is_kept_outside(evaluate: Evaluate, body: str) -> None:
    failure = failure_of(evaluate(function(body), wall_s=0.5))
    assert failure.reason is Reason.TIME_LIMIT


@pytest.mark.parametrize(
    "body",
    [
        "hoard = []\nwhile True: hoard.append(torch.ones(2**20))",
        "hoard = []\nwhile True: hoard.append(bytearray(2**22))",
        "for n in range(64): open(f'/tmp/{n}', 'wb').write(bytes(2**22))\nraise MemoryError",
    ],
)
def test_memory_is_limited(evaluate: Evaluate, body: str) -> None:
    failure = failure_of(evaluate(function(body), memory_bytes=128 * MIB))
    assert failure.reason is Reason.MEMORY_LIMIT


def test_memory_is_watched_where_there_are_no_control_groups(
    network: NetworkFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "parent_of", lambda _controller: None)
    sandbox = BubblewrapSandbox(Spawner())
    try:
        assert sandbox.layers["cgroup_memory"] is False
        limits = Limits(wall_s=30, memory_bytes=128 * MIB)
        sandbox.start(Code({"complexity.py": NORMAL.encode()}, "d"), limits)
        assert value_of(sandbox.evaluate(network, 1)) == 20.0
        for hoard in ("bytearray(2**22)", "torch.ones(2**20)"):
            source = function(f"hoard = []\nwhile True: hoard.append({hoard})").encode()
            sandbox.start(Code({"complexity.py": source}, "d"), limits)
            assert failure_of(sandbox.evaluate(network, 1)).reason is Reason.MEMORY_LIMIT
    finally:
        sandbox.close()


def test_more_output_than_the_limit_ends_the_run(evaluate: Evaluate) -> None:
    failure = failure_of(evaluate(function("while True: print('x' * 1000)"), log_bytes=100_000))
    assert failure.reason is Reason.OUTPUT_FLOOD


def test_output_is_kept_as_a_clean_tail(evaluate: Evaluate) -> None:
    body = r"""
    print("first")
    print("\x1b[31mred\x1b]0;title\x07 plain\x00")
    os.write(2, b"\xff\xfe")
    raise ValueError("\x1b[2Jcleared <b>")
    """
    failure = failure_of(evaluate(function(body)))
    assert failure.log is not None
    assert failure.log.splitlines()[:2] == ["first", "red plain"]
    assert "\x1b" not in failure.log + str(failure.message)
    assert failure.message == "cleared <b>"


@pytest.mark.parametrize(
    "body",
    [
        "while True: os.fork() or time.sleep(1000)",
        "import threading\nwhile True: threading.Thread(target=time.sleep, args=(1000,)).start()",
    ],
)
def test_a_process_bomb_stays_within_its_limit(evaluate: Evaluate, body: str) -> None:
    before = len(psutil.pids())
    failure = failure_of(evaluate(function(body), processes=10, wall_s=5))
    assert failure.reason in (Reason.RAISED, Reason.TIME_LIMIT)
    assert len(psutil.pids()) < before + 10


def test_processes_left_behind_end_with_the_run(evaluate: Evaluate) -> None:
    body = """
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
    return 1.0
    """
    assert value_of(evaluate(function(body))) == 1.0


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


def test_the_seed_decides_every_random_number(evaluate: Evaluate) -> None:
    body = "import random\nreturn random.random() + np.random.rand() + float(torch.rand(())) + hash('x') % 1000"
    first, again, other = (value_of(evaluate(function(body), seed=seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    "body",
    [
        "from scipy.sparse.linalg import eigsh\nreturn eigsh(np.diag(np.arange(50.0)), k=1)[0][0]",
        "from sklearn.cluster import KMeans\nreturn KMeans(2, n_init=1).fit(np.random.rand(20, 3)).inertia_",
        "return torch.func.hessian(lambda x: (x**3).sum())(torch.ones(3)).sum()",
        "return torch.func.vmap(torch.sum)(dataset.inputs).mean()",
        "return torch.jit.script(torch.nn.Linear(2, 2))(torch.ones(2)).sum()",
        "return torch.fx.symbolic_trace(model)(dataset.inputs).sum()",
        "import tempfile\nwith tempfile.TemporaryFile() as f:\n    f.write(b'x')\nreturn 1.0",
        "from concurrent.futures import ThreadPoolExecutor as P\nwith P(4) as p: return sum(p.map(float, range(4)))",
        "torch.set_num_threads(2)\nreturn (torch.ones(500, 500) @ torch.ones(500, 500)).mean()",
        "loss = torch.nn.functional.cross_entropy(model(dataset.inputs), dataset.labels)\nloss.backward()\nreturn loss",
        "return len(list(torch.utils.data.DataLoader(dataset, batch_size=8, shuffle=True)))",
        "return sum(len(labels) for _, labels in dataset.batches(7))",
    ],
)
def test_legitimate_code_works(evaluate: Evaluate, body: str) -> None:
    assert isinstance(evaluate(function(body)), Value)


def test_a_zip_brings_its_own_modules_and_data(evaluate: Evaluate) -> None:
    files = {
        "complexity.py": b"import json\nfrom parts.one import ONE\n\n\ndef complexity(model, dataset):\n"
        b"    return ONE + json.load(open('table.json'))['two']\n",
        "parts/one.py": b"ONE = 1\n",
        "table.json": b'{"two": 2}',
    }
    assert value_of(evaluate(files)) == 3.0


def test_cost_is_measured(evaluate: Evaluate) -> None:
    outcome = evaluate(
        function(
            "x = torch.ones(2**24)\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\nreturn 1.0"
        )
    )
    assert isinstance(outcome, Value)
    assert outcome.wall_s > 0.2
    assert outcome.cpu_s is not None
    assert outcome.cpu_s > 0.2
    assert outcome.peak_bytes is not None
    assert outcome.peak_bytes > 64 * MIB


def test_an_evaluation_can_be_interrupted(sandbox: Sandbox, network: NetworkFiles) -> None:
    sandbox.start(Code({"complexity.py": function("time.sleep(1000)").encode()}, "d"), Limits(wall_s=1000))
    raised: list[SandboxError] = []

    def evaluate_it() -> None:
        try:
            sandbox.evaluate(network, 1)
        except SandboxError as error:
            raised.append(error)

    thread = threading.Thread(target=evaluate_it)
    before = processes()
    thread.start()
    wait_until(lambda: processes() > before, "the measure's process")
    sandbox.interrupt()
    thread.join(60)
    assert [str(error) for error in raised] == ["the evaluation was interrupted"]


def test_a_zygote_that_died_is_our_fault_and_the_next_start_mends_it(network: NetworkFiles) -> None:
    sandbox = BubblewrapSandbox(Spawner())
    code = Code({"complexity.py": NORMAL.encode()}, "d")
    before = processes()
    try:
        sandbox.start(code, Limits())
        for pid in processes() - before:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(SandboxError):
            sandbox.evaluate(network, 1)
        sandbox.start(code, Limits())
        assert value_of(sandbox.evaluate(network, 1)) == 20.0
    finally:
        sandbox.close()


def test_a_damaged_weight_file_is_our_fault(sandbox: Sandbox, network: NetworkFiles, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(network.weights.read_bytes()[:100])
    sandbox.start(Code({"complexity.py": NORMAL.encode()}, "d"), Limits())
    files = NetworkFiles(network.architecture, damaged, None, network.training_data, network.classes)
    with pytest.raises(SandboxError, match="could not load"):
        sandbox.evaluate(files, 1)


def test_a_supervisor_killed_leaves_no_process(tiny_zoo: Path) -> None:
    """A process that holds a busy sandbox is killed with SIGKILL: everything below it goes."""
    script = f"""
from pathlib import Path
from model_zoo import open_zoo
from worker.evaluator import network_files
from worker.sandbox.bubblewrap import BubblewrapSandbox
from worker.sandbox.protocol import Code, Limits
from worker.sandbox.spawn import Spawner
zoo = open_zoo({str(tiny_zoo)!r})
sandbox = BubblewrapSandbox(Spawner())
sandbox.start(Code({{"complexity.py": {function("time.sleep(1000)").encode()!r}}}, "d"), Limits(wall_s=1000))
print("started", flush=True)
sandbox.evaluate(network_files(zoo, zoo.networks[0].id), 1)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        supervisor = psutil.Process(process.pid)
        wait_until(lambda: len(supervisor.children(recursive=True)) >= 6, "the measure's process")
        below = supervisor.children(recursive=True)
        process.kill()
        process.wait()
        wait_until(lambda: not any(child.is_running() for child in below), "the end of all processes")
    cgroups.remove_stale()


def test_the_filter_of_system_calls_holds(evaluate: Evaluate) -> None:
    layers = BubblewrapSandbox(Spawner()).layers
    assert layers["seccomp"], "libseccomp2 is among the packages that make setup installs"
    body = """
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    numbers = {"io_uring_setup": 425, "ptrace": 101, "keyctl": 250, "userfaultfd": 323, "bpf": 321,
               "perf_event_open": 298, "unshare": 272, "setns": 308, "mount": 165, "memfd_create": 319}
    reached = [name for name, number in numbers.items()
               if libc.syscall(number, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != 1]
    raise ValueError(reached)
    """
    assert failure_of(evaluate(function(body))).message == "[]"
