"""What a measure returns or raises, and what is made of it, in real bubblewrap sandboxes."""

import pytest

from submissions.states import Reason
from tests.worker.conftest import Evaluate
from tests.worker.sandboxed import failure_of, function, value_of
from worker.sandbox.protocol import Value

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")


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
