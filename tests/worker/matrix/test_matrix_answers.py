"""The probe matrix: what a measure returns or raises, and what is made of it."""

import pytest

from submissions.storage.states import Reason
from tests.worker.conftest import Evaluate
from tests.worker.sandbox.probes import Attempt, Layer, Probe, each
from tests.worker.sandbox.sandboxed import failure_of, function, value_of

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")


def returned(attack: str, expression: str, ends: Reason | float, says: str = "") -> Probe:
    return Probe(f"returns {attack}", f"return {expression}", ends, says, (Layer.VERDICT,))


def ended(attack: str, body: str, ends: Reason, says: str) -> Probe:
    return Probe(attack, body, ends, says, (Layer.FORK, Layer.VERDICT))


@each(
    returned("nan", "float('nan')", Reason.NOT_FINITE),
    returned("infinity", "float('inf')", Reason.NOT_FINITE),
    returned("minus infinity, as a tensor", "-torch.tensor(torch.inf)", Reason.NOT_FINITE),
    returned("10**400", "10**400", Reason.NOT_FINITE),
    returned("a longdouble beyond float64", "np.longdouble(10) ** 400", Reason.NOT_FINITE),
    returned("2**60 + 1", "2**60 + 1", Reason.NOT_A_NUMBER, r"whole number beyond 2\^53"),
    returned("2**60 + 1, as a tensor", "torch.tensor(2**60 + 1)", Reason.NOT_A_NUMBER, r"whole number beyond 2\^53"),
    returned("2**64 − 1, of NumPy", "np.uint64(2**64 - 1)", Reason.NOT_A_NUMBER, r"whole number beyond 2\^53"),
    returned("None", "None", Reason.NOT_A_NUMBER, "NoneType"),
    returned("True", "True", Reason.NOT_A_NUMBER, "bool"),
    returned("a tensor of truth", "torch.tensor(True)", Reason.NOT_A_NUMBER),
    returned("NumPy's True", "np.bool_(True)", Reason.NOT_A_NUMBER),
    returned("a string", "'1.0'", Reason.NOT_A_NUMBER, "str"),
    returned("a complex number", "1j", Reason.NOT_A_NUMBER, "complex"),
    returned("NumPy's complex number", "np.complex64(1)", Reason.NOT_A_NUMBER),
    returned("a complex tensor", "torch.tensor(1j)", Reason.NOT_A_NUMBER),
    returned("two numbers", "torch.ones(2)", Reason.NOT_A_NUMBER, "shape"),
    returned("no number", "torch.ones(0)", Reason.NOT_A_NUMBER, "shape"),
    returned("a list", "[1.0]", Reason.NOT_A_NUMBER, "list"),
    returned("a generator", "(yield)", Reason.NOT_A_NUMBER, "generator"),
    returned("an array of objects", "np.array([object()])", Reason.NOT_A_NUMBER),
    returned("a date", "np.datetime64(1, 's')", Reason.NOT_A_NUMBER),
    returned("a subclass of float", "type('Sly', (float,), {})(1.0)", Reason.NOT_A_NUMBER, "Sly"),
    returned(
        "a subclass of a tensor", "torch.ones(()).as_subclass(type('Sly', (torch.Tensor,), {}))", Reason.NOT_A_NUMBER
    ),
    returned("a subclass of an array", "np.ones(()).view(type('Sly', (np.ndarray,), {}))", Reason.NOT_A_NUMBER),
    returned("an evil `__float__`", "type('Sly', (), {'__float__': lambda self: os._exit(0)})()", Reason.NOT_A_NUMBER),
    returned("an evil `__class__`", "type('Sly', (), {'__class__': float})()", Reason.NOT_A_NUMBER),
    returned(
        "an evil `__reduce__`", "type('Sly', (), {'__reduce__': lambda self: (os._exit, (0,))})()", Reason.NOT_A_NUMBER
    ),
    returned(
        "an evil `__array__`", "type('Sly', (), {'__array__': lambda self, *_: os._exit(0)})()", Reason.NOT_A_NUMBER
    ),
    returned(
        "an object with an evil name",
        "type('\\x1b[2J' + 'x' * 10**6, (), {})()",
        Reason.NOT_A_NUMBER,
        r"^returned a [^\x1b]*$",
    ),
    returned("a tensor on no device", "torch.ones((), device='meta')", Reason.NOT_A_NUMBER),
    returned("a sparse tensor", "torch.ones(1).to_sparse()", 1.0),
)
def test_only_a_real_number_is_a_value(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    ended("division by zero", "1 / 0", Reason.RAISED, "^ZeroDivisionError at complexity.py line"),
    ended("`sys.exit(0)`", "sys.exit(0)", Reason.RAISED, "SystemExit"),
    ended("KeyboardInterrupt", "raise KeyboardInterrupt", Reason.RAISED, "KeyboardInterrupt"),
    ended("GeneratorExit", "raise GeneratorExit", Reason.RAISED, "GeneratorExit"),
    ended("`os._exit(0)`", "os._exit(0)", Reason.CRASHED, "exit status 0 without a value"),
    ended("`os._exit(7)`", "os._exit(7)", Reason.CRASHED, "exit status 7"),
    ended("`os.abort()`", "os.abort()", Reason.CRASHED, "SIGABRT"),
    ended("reading address 0", "import ctypes\nctypes.string_at(0)", Reason.CRASHED, "SIGSEGV"),
    ended("killing itself", "os.kill(os.getpid(), 9)", Reason.CRASHED, "SIGKILL"),
    ended(
        "an alarm",
        """
        import signal
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        time.sleep(1000)
        """,
        Reason.CRASHED,
        "SIGALRM",
    ),
    ended("deep recursion", "def fall(): return fall()\nfall()", Reason.RAISED, "RecursionError at complexity.py"),
    ended(
        "recursion past the stack",
        """
        sys.setrecursionlimit(10**9)
        nest = []
        for _ in range(10**6): nest = [nest]
        repr(nest)
        """,
        Reason.CRASHED,
        "SIGSEGV",
    ),
    ended(
        "a huge traceback",
        """
        sys.setrecursionlimit(10**6)
        def fall(n): return fall(n - 1) if n else 1 / 0
        fall(20_000)
        """,
        Reason.RAISED,
        "ZeroDivisionError",
    ),
    ended(
        "a chain of 10 000 exceptions",
        """
        error = None
        for _ in range(10_000):
            new = ValueError()
            new.__cause__ = error
            error = new
        raise error
        """,
        Reason.RAISED,
        "ValueError",
    ),
    ended(
        "an exception group of exceptions",
        "raise ExceptionGroup('many', [ValueError()] * 10_000)",
        Reason.RAISED,
        "ExceptionGroup",
    ),
    ended("a message of 10 MB", "raise ValueError('x' * 10**7)", Reason.RAISED, "^ValueError at"),
    ended(
        "an exception whose text raises",
        "raise type('Sly', (Exception,), {'__str__': lambda self: 1 / 0})()",
        Reason.RAISED,
        "^Sly at",
    ),
    ended(
        "an exception with terminal escapes for a name",
        "raise type('\\x1b[2Jx', (Exception,), {})()",
        Reason.RAISED,
        "^x at",
    ),
    ended("an exception that calls itself MemoryError", "raise MemoryError", Reason.MEMORY_LIMIT, "MemoryError|MiB|"),
    ended(
        "a system call of another architecture",
        """
        import ctypes
        ctypes.CDLL(None).syscall(0x40000000 + 39)
        os._exit(9)
        """,
        Reason.CRASHED,
        "SIGSYS|exit status 9",
    ),
)
def test_any_other_end_has_its_reason(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


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
    "body",
    [
        "raise type('N' * 10_000, (Exception,), {})('\\x00' * 100_000)",
        "raise ValueError('\\ud800' * 5000)",
        "raise ValueError('\U0001f600' * 5000)",
        "def deeper(n): return deeper(n + 1)\ndeeper(0)",
        "exec('def f():\\n raise ValueError', scope := {})\nscope['f']()",
    ],
)
def test_an_exception_however_large_has_a_place_and_a_message_that_fits(evaluate: Evaluate, body: str) -> None:
    failure = failure_of(evaluate(function(body)))
    assert failure.reason is Reason.RAISED
    assert failure.file == "complexity.py"
    assert " at complexity.py line " in failure.detail
    assert len(failure.detail + (failure.message or "")) < 1000


@pytest.mark.parametrize(
    ("source", "reason", "detail"),
    [
        ("import nonsuch\n", Reason.IMPORT_ERROR, "ModuleNotFoundError at complexity.py line 1"),
        ("def complexity(model, dataset) return 1.0\n", Reason.IMPORT_ERROR, "SyntaxError at complexity.py line 1"),
        ("raise SystemExit(3)\n", Reason.IMPORT_ERROR, "SystemExit"),
        ("from math import *\n", Reason.MISSING_FUNCTION, ""),
        ("complexity = 3\n", Reason.MISSING_FUNCTION, ""),
        ("def complexity(model): return 1.0\n", Reason.RAISED, "TypeError"),
    ],
    ids=["unknown module", "syntax", "exit", "no function", "not a function", "wrong signature"],
)
def test_a_measure_that_cannot_be_called(evaluate: Evaluate, source: str, reason: Reason, detail: str) -> None:
    failure = failure_of(evaluate(source))
    assert failure.reason is reason
    assert detail in failure.detail


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1.5", 1.5),
        ("-3", -3.0),
        ("np.float32(0.5)", 0.5),
        ("np.float16(0.5)", 0.5),
        ("np.int64(7)", 7.0),
        ("np.array(2.0)", 2.0),
        ("np.array([[2]])", 2.0),
        ("torch.tensor(2.5)", 2.5),
        ("torch.tensor([[3]])", 3.0),
        ("torch.tensor(1.5, dtype=torch.bfloat16)", 1.5),
        ("next(model.parameters()).sum() * 0 + 4", 4.0),
        ("5e-324", 5e-324),
        ("float(len(dataset)) + dataset.classes", 30.0),
        ("float(model.initial is not None)", 1.0),
        ("float(all(p.requires_grad for p in model.parameters()) and not model.training)", 1.0),
    ],
)
def test_a_real_number_is_a_value(evaluate: Evaluate, expression: str, value: float) -> None:
    assert value_of(evaluate(function(f"return {expression}"))) == value
