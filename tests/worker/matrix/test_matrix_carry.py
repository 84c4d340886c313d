"""The probe matrix: what a measure leaves for the next network, or for another submission's measure: nothing."""

import textwrap
from dataclasses import dataclass

import pyseccomp
import pytest

from submissions.storage.states import Reason
from tests.worker.conftest import Evaluate
from tests.worker.sandbox.outside import Outside
from tests.worker.sandbox.probes import Layer, Prey, lines
from tests.worker.sandbox.sandboxed import failure_of, function, value_of
from worker.sandbox.protocol import Code, Limits, NetworkFiles, Sandbox

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")

ADD_KEY, REQUEST_KEY = (pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in ("add_key", "request_key"))
PROCESS_KEYRING = -2


@dataclass(frozen=True)
class Carry:
    """`leave` leaves something, the expression `look` sees whether it is there. is_refused: it cannot even be left."""

    where: str
    leave: str
    look: str
    stopped_by: tuple[Layer, ...] = (Layer.FORK,)
    is_refused: bool = False

    @property
    def attack(self) -> str:
        return f"leaves something in {self.where}"

    @property
    def what_happens(self) -> str:
        return f"`{Reason.RAISED}`" if self.is_refused else "the next network does not see it"


CARRIES = (
    Carry("/tmp", "open('/tmp/$mark', 'w').close()", "os.path.exists('/tmp/$mark')", (Layer.SCRATCH,)),
    Carry("/dev/shm", "open('/dev/shm/$mark', 'w').close()", "os.path.exists('/dev/shm/$mark')", (Layer.SCRATCH,)),
    Carry(
        "its own code",
        "open('/tmp/measure/complexity.py', 'a').write('# ' + '$mark')",
        "'# ' + '$mark' in open('/tmp/measure/complexity.py').read()",
        (Layer.SCRATCH,),
    ),
    Carry(
        "a module beside its own",
        "open('/tmp/measure/later.py', 'w').write('MARK = 1')",
        "__import__('importlib').util.find_spec('later') is not None",
        (Layer.SCRATCH,),
    ),
    Carry("the environment", "os.environ['MARK'] = '1'", "'MARK' in os.environ"),
    Carry("sys.modules", "sys.modules['mark'] = sys", "'mark' in sys.modules"),
    Carry(
        "sys.path",
        "sys.path.append('mark')",
        "'mark' in sys.path",
    ),
    Carry("the builtins", "import builtins\nbuiltins.mark = 1", "hasattr(__import__('builtins'), 'mark')"),
    Carry("torch's modules", "torch.mark = torch.nn.mark = 1", "hasattr(torch, 'mark') or hasattr(torch.nn, 'mark')"),
    Carry(
        "torch's default type", "torch.set_default_dtype(torch.float64)", "torch.get_default_dtype() == torch.float64"
    ),
    Carry(
        "torch's switches",
        "torch.set_grad_enabled(False); torch.use_deterministic_algorithms(True)",
        "not torch.is_grad_enabled() or torch.are_deterministic_algorithms_enabled()",
    ),
    Carry(
        "torch's hooks on all modules",
        "torch.nn.modules.module.register_module_forward_hook(lambda *_: torch.ones(1))",
        "len(torch.nn.modules.module._global_forward_hooks) > 0",
    ),
    Carry(
        "torch's operators",
        """
        global library
        library = torch.library.Library('mark', 'DEF')
        library.define('mark() -> int')
        """,
        "hasattr(torch.ops.mark, 'mark')",
    ),
    Carry(
        "the random number generators",
        "import random\nrandom.mark = np.random.mark = 1",
        "hasattr(__import__('random'), 'mark') or hasattr(np.random, 'mark')",
    ),
    Carry(
        "the network and its class",
        "model.mark = type(model).mark = 1",
        "hasattr(model, 'mark') or hasattr(type(model), 'mark')",
    ),
    Carry(
        "the weights, in place",
        "next(model.parameters()).data.fill_(77)",
        "bool((next(model.parameters()) == 77).all())",
    ),
    Carry("the training data, in place", "dataset.inputs.fill_(77)", "bool((dataset.inputs == 77).all())"),
    Carry("the dataset's class", "type(dataset).mark = 1", "hasattr(type(dataset), 'mark')"),
    Carry(
        "signal handlers",
        "import signal\nsignal.signal(signal.SIGUSR1, print)",
        "__import__('signal').getsignal(10) is print",
    ),
    Carry("limits and mask of the process", "os.umask(0o123)", "os.umask(0o123) == 0o123"),
    Carry("the working folder", "os.chdir('/dev')", "os.getcwd() == '/dev'"),
    Carry("standard output", "sys.stdout.mark = 1", "hasattr(sys.stdout, 'mark')"),
    Carry(
        "a thread",
        """
        import threading
        threading.Thread(target=time.sleep, args=(1000,), name='mark', daemon=True).start()
        """,
        "any(t.name == 'mark' for t in __import__('threading').enumerate())",
    ),
    Carry("a descriptor", "os.dup2(os.open('/dev/null', 0), 200)", "open_descriptor(200)"),
    Carry(
        "objects that the garbage collector keeps",
        """
        global kept
        kept = type('Ma' + chr(114) + 'k', (), {})()
        kept.self = kept
        """,
        "any(type(o).__name__ == 'Ma' + chr(114) + 'k' for o in gc_objects())",
    ),
    Carry("a process", "os.fork() or time.sleep(1000)", "len(children()) > 0", (Layer.NAMESPACES,)),
    Carry(
        "a keyring",
        f"libc({ADD_KEY}, b'user', b'$mark', b'x', 1, {PROCESS_KEYRING})",
        f"libc({REQUEST_KEY}, b'user', b'$mark', None, 0) > 0",
        (Layer.SECCOMP,),
        True,
    ),
    Carry(
        "an abstract Unix socket",
        r"""
        global door
        door = socket.socket(socket.AF_UNIX)
        door.bind('\0$mark')
        door.listen()
        """,
        "socket.socket(socket.AF_UNIX).connect('\\0$mark') is None",
        (Layer.SECCOMP, Layer.NAMESPACES, Layer.LANDLOCK),
        True,
    ),
    Carry(
        "System V shared memory",
        "libc('shmget', 0x67676170, 1, 0o1600)",
        "libc('shmctl', libc('shmget', 0x67676170, 1, 0), 0, None) == 0",
        (Layer.SECCOMP, Layer.NAMESPACES),
        True,
    ),
)
HELPERS = """

def libc(call, *arguments):
    import ctypes
    library = ctypes.CDLL(None, use_errno=True)
    answer = library.syscall(call, *arguments) if type(call) is int else getattr(library, call)(*arguments)
    if answer == -1:
        raise OSError(ctypes.get_errno(), call)
    return answer


def open_descriptor(number):
    try:
        return os.fstat(number) is not None
    except OSError:
        return False


def gc_objects():
    import gc
    gc.unfreeze()
    return gc.get_objects()


def children():
    return [pid for pid in range(2, 500) if pid != os.getpid() and is_alive(pid)]


def is_alive(pid):
    try:
        return os.kill(pid, 0) is None
    except OSError:
        return False
"""


@pytest.mark.parametrize("carry", [pytest.param(carry, id=carry.where) for carry in CARRIES])
def test_nothing_is_carried_to_the_next_network_in(
    evaluate: Evaluate, outside: Outside, prey: Prey, carry: Carry
) -> None:
    """Control: whoever left it sees it, in the same process; outside, where in the sandbox it cannot be left."""
    look = f"return float({carry.look})"
    both = prey.fill(function(lines(carry.leave, look)) + HELPERS)
    if carry.is_refused:
        assert outside.evaluate(both) == 1.0
        assert failure_of(evaluate(both)).reason is Reason.RAISED
    else:
        assert value_of(evaluate(both)) == 1.0
        assert value_of(evaluate(prey.fill(function(look) + HELPERS))) == 0.0


def test_nothing_of_all_this_is_carried_to_another_submission(
    sandbox: Sandbox, network: NetworkFiles, prey: Prey
) -> None:
    """All of it left by one measure; then the same measure, and the one of a submission with another digest, look."""
    left = [carry for carry in CARRIES if not carry.is_refused]
    functions = [f"def leave_{n}(model, dataset):\n{indented(carry.leave)}" for n, carry in enumerate(left)]
    functions += [f"def look_{n}(model, dataset):\n    return {carry.look}\n" for n, carry in enumerate(left)]
    calls = [f"leave_{n}(model, dataset)" for n in range(len(left))]
    look = f"return float(sum(look(model, dataset) for look in {names('look', len(left))}))"
    head = prey.fill(HELPERS + "\n\n".join(functions))

    def value(digest: str, body: str) -> float:
        source = function(body) + head
        sandbox.start(Code({"complexity.py": source.encode()}, digest), Limits(wall_s=30.0))
        return value_of(sandbox.evaluate(network, 1))

    assert value("digest", lines(*calls, look)) == len(left)
    assert value("digest", look) == 0.0
    assert value("another", look) == 0.0


def indented(body: str) -> str:
    return textwrap.indent(lines(body), "    ") + "\n"


def names(word: str, count: int) -> str:
    return "[" + ", ".join(f"{word}_{n}" for n in range(count)) + "]"
