"""Words for the tests of the sandbox: measures from a few lines, and what an outcome must be."""

import textwrap

import psutil

from worker.sandbox.protocol import Failure, Outcome, Value

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
