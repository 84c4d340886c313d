"""A zoo's own architecture.py: it builds networks inside the sandbox only, and its faults are never the measure's."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from model_zoo import NetworkTruth, Zoo, ZooError, open_zoo
from model_zoo.loading import load_network
from model_zoo.manifest import DatasetCard, ZooCard
from model_zoo.writer import new_zoo
from submissions.storage.states import Reason
from tests.worker.sandbox.sandboxed import NORMAL, failure_of, function, value_of
from worker.sandbox.protocol import Code, Limits, NetworkFiles, Sandbox, SandboxError
from worker.zoo_evaluation import network_files

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")

OWN = """
import dataclasses
import torch
from torch import nn

print("the width is hidden")

@dataclasses.dataclass
class Shape:
    width: "int"

class Twice(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.inner = nn.Linear(4, shape.width, bias=False)
        self.register_buffer("noise", torch.randn(shape.width), persistent=False)

    def forward(self, x):
        return 2 * self.inner(x.flatten(1)) + 0 * self.noise

def build(width):
    return Twice(Shape(width))
"""
OUTPUT = function("return model(dataset.inputs).detach().sum()")
WEIGHT = np.arange(8, dtype=np.float32).reshape(2, 4)


def custom_zoo(folder: Path, source: str = OWN, arguments: Mapping[str, object] | None = None) -> Zoo:
    architecture = {"family": "custom", "arguments": {"width": 2} if arguments is None else arguments}
    with new_zoo(folder) as writer:
        writer.architecture_code(source.encode())
        writer.training_data(np.ones((3, 1, 2, 2), np.float32), np.array([0, 1, 1]))
        truth = NetworkTruth(hyperparameters={}, metrics={"train_acc": 1.0, "test_acc": 0.5})
        writer.network("abc", architecture, {"inner.weight": WEIGHT}, {"inner.weight": WEIGHT / 2}, truth)
        card = DatasetCard(name="ones", source="none", licence="CC0")
        writer.finish(
            ZooCard(name="own", title="Own", dataset=card, input_shape=[1, 2, 2], classes=2, truth_public=True),
            [],
            test_size=10,
        )
    return open_zoo(folder)


def custom_network(folder: Path, source: str = OWN, arguments: Mapping[str, object] | None = None) -> NetworkFiles:
    return network_files(custom_zoo(folder, source, arguments), "abc")


def start(sandbox: Sandbox, source: str, **limits: float) -> None:
    generous = {"wall_s": 30.0, "memory_bytes": 2**30} | limits
    sandbox.start(Code({"complexity.py": source.encode()}, "digest"), Limits(**generous))  # type: ignore[arg-type]


@pytest.fixture
def own_network(tmp_path: Path) -> NetworkFiles:
    return custom_network(tmp_path / "own")


def test_a_measure_gets_the_network_that_the_zoos_own_code_builds(sandbox: Sandbox, own_network: NetworkFiles) -> None:
    start(sandbox, OUTPUT)
    assert value_of(sandbox.evaluate(own_network, 1)) == 3 * 2 * WEIGHT.sum()
    start(sandbox, function("return model.initial(dataset.inputs).detach().sum()"))
    assert value_of(sandbox.evaluate(own_network, 1)) == 3 * WEIGHT.sum()
    start(sandbox, function("return not model.training and all(p.requires_grad for p in model.parameters()) and 1.0"))
    assert value_of(sandbox.evaluate(own_network, 1)) == 1.0


def test_what_no_file_holds_is_the_same_each_time(sandbox: Sandbox, own_network: NetworkFiles) -> None:
    start(sandbox, function("return model.noise.sum() - 2 * model.initial.noise.sum()"))
    assert value_of(sandbox.evaluate(own_network, 1)) == value_of(sandbox.evaluate(own_network, 2)) != 0


def test_the_measures_own_module_of_that_name_is_not_shadowed(sandbox: Sandbox, own_network: NetworkFiles) -> None:
    files = {
        "architecture.py": b"NUMBER = 7.0\n",
        "complexity.py": function("import architecture\nreturn architecture.NUMBER").encode(),
    }
    sandbox.start(Code(files, "digest"), Limits())
    assert value_of(sandbox.evaluate(own_network, 1)) == 7.0


def test_what_it_prints_is_no_part_of_the_measures_log(sandbox: Sandbox, own_network: NetworkFiles) -> None:
    start(sandbox, function("print('mine')\nraise ValueError('so')"))
    failure = failure_of(sandbox.evaluate(own_network, 1))
    assert (failure.reason, failure.log) == (Reason.RAISED, "mine")


def test_it_gets_the_declared_arguments_and_nothing_else(sandbox: Sandbox, tmp_path: Path) -> None:
    source = (
        OWN + "\ndef build(**given):\n    assert given == {'a': [1], 'b': None}, given\n    return Twice(Shape(2))\n"
    )
    network = custom_network(tmp_path / "own", source, {"a": [1], "b": None})
    start(sandbox, OUTPUT)
    assert value_of(sandbox.evaluate(network, 1)) == 3 * 2 * WEIGHT.sum()


FAULTS = {
    "no python": ("def build(:", r"architecture\.py line 1: the file raised SyntaxError"),
    "raises when read": ("x = 1\n1 / 0", r"architecture\.py line 2: the file raised ZeroDivisionError"),
    "exits when read": ("import sys\nsys.exit(3)", r"architecture\.py line 2: the file raised SystemExit"),
    "no function": ("x = 1", r"architecture\.py: defines no function build"),
    "raises": ("def build(width):\n    raise KeyError(width)", r"architecture\.py line 2: build raised KeyError: 2"),
    "wrong arguments": ("def build(depth):\n    pass", r"architecture\.py: build raised TypeError"),
    "no module": ("def build(width):\n    return width", r"build returned a int, not a torch\.nn\.Module"),
    "another shape": (OWN.replace("Linear(4,", "Linear(5,"), r"'inner\.weight': torch\.float32 of shape \(2, 4\)"),
    "another name": (OWN.replace("inner", "other"), r"the tensor 'other\.weight' is missing"),
    "ends the process": (
        "import os\nos._exit(0)",
        r"architecture\.py, before the measure began: crashed, exit status 0",
    ),
    "dies": ("import os\nos.kill(os.getpid(), 9)", r"before the measure began: crashed, killed by SIGKILL"),
    "takes all memory": ("x = bytearray(2**31)", r"before the measure began: memory_limit|raised MemoryError"),
    "forks": ("import os\nfor _ in range(500):\n    os.fork() or os._exit(0)", r"architecture\.py"),
    "the network": (
        "import socket\nsocket.create_connection(('127.0.0.1', 80))",
        r"line 2: the file raised PermissionError",
    ),
    "the file system": ("open('/etc/passwd')", r"line 1: the file raised (PermissionError|FileNotFoundError)"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_its_faults_are_ours_not_the_measures(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    source, message = FAULTS[name]
    start(sandbox, NORMAL, memory_bytes=512 * 2**20)
    with pytest.raises(SandboxError, match=message):
        sandbox.evaluate(custom_network(tmp_path / "own", source), 1)


def test_too_little_time_for_any_network_is_the_limits_doing(sandbox: Sandbox, tmp_path: Path) -> None:
    start(sandbox, NORMAL, wall_s=0.2)
    forever = "import time\nwhile True:\n    time.sleep(1000)"
    failure = failure_of(sandbox.evaluate(custom_network(tmp_path / "own", forever), 1))
    assert failure.reason is Reason.TIME_LIMIT


def test_a_measure_cannot_blame_the_zoo(sandbox: Sandbox, own_network: NetworkFiles) -> None:
    body = """
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, b"a" + b"x" + bytes(8))
        except OSError:
            pass
    os._exit(0)
    """
    start(sandbox, function(body))
    assert failure_of(sandbox.evaluate(own_network, 1)).reason in (Reason.PROTOCOL, Reason.CRASHED)


def test_a_measures_own_faults_stay_its_own(sandbox: Sandbox, own_network: NetworkFiles) -> None:
    start(sandbox, function("raise ValueError('so')"))
    failure = failure_of(sandbox.evaluate(own_network, 1))
    assert (failure.reason, failure.detail) == (Reason.RAISED, "ValueError at complexity.py line 7")
    start(sandbox, "import nothing_of_that_name\n")
    assert failure_of(sandbox.evaluate(own_network, 1)).reason is Reason.IMPORT_ERROR


def test_a_declaration_without_the_file_is_our_fault(sandbox: Sandbox, own_network: NetworkFiles) -> None:
    start(sandbox, NORMAL)
    with pytest.raises(SandboxError, match="runs only inside a sandbox"):
        sandbox.evaluate(replace(own_network, architecture_file=None), 1)


def test_weights_alone_do_not_bring_code(sandbox: Sandbox, own_network: NetworkFiles, tmp_path: Path) -> None:
    """A zoo whose networks are all declared never hands its architecture.py over."""
    save_file({"1.weight": WEIGHT}, tmp_path / "weights")
    layers = [{"type": "flatten"}, {"type": "linear", "inputs": 4, "outputs": 2, "bias": False}]
    declared = replace(
        own_network, architecture={"family": "sequential", "layers": layers}, weights=tmp_path / "weights"
    )
    start(sandbox, function("return '_zoo_architecture' in sys.modules and 1.0 or 0.0"))
    assert value_of(sandbox.evaluate(replace(declared, architecture_file=None, initial=None), 1)) == 0.0


def test_nothing_outside_a_sandbox_executes_it(tmp_path: Path) -> None:
    zoo = custom_zoo(tmp_path / "own", "raise SystemExit('executed')")
    with pytest.raises(ZooError, match=r"architecture\.py: builds network abc, and runs only inside a sandbox"):
        load_network(zoo, "abc")
