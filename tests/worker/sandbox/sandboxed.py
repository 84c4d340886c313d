"""Words for the tests of the sandbox: backends, measures from a few lines, and what an outcome must be."""

import textwrap

import psutil

from submissions.settings import Settings
from tests.docker_engine import docker_launcher
from worker.sandbox.backends import backend_names, find_backend
from worker.sandbox.protocol import Failure, Outcome, Value
from worker.sandbox.zygote_sandbox import Launcher, ZygoteSandbox

BACKENDS = backend_names()
MIB = 2**20
NORMAL = "def complexity(model, dataset):\n    return float(len(dataset))\n"


def make_launcher(backend: str) -> Launcher:
    """What starts this backend's zygotes; skips the test where the machine cannot run it."""
    return docker_launcher() if backend == "docker" else find_backend(backend).launcher(Settings(), False)


def make_sandbox(backend: str = "bubblewrap", *, slot: int = 0) -> ZygoteSandbox:
    return ZygoteSandbox(make_launcher(backend), slot)


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
