"""A warm sandbox for the tests of this room, and a network to put into it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model_zoo import open_zoo
from tests.services import wait_until
from tests.worker.sandboxed import NORMAL, processes, value_of
from worker.evaluator import network_files
from worker.sandbox import cgroups
from worker.sandbox.bubblewrap import BubblewrapLauncher
from worker.sandbox.protocol import Code, Limits, NetworkFiles, Outcome, Sandbox
from worker.sandbox.spawn import Spawner
from worker.sandbox.zygote_sandbox import ZygoteSandbox

Evaluate = Callable[..., Outcome]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    made = ZygoteSandbox(BubblewrapLauncher(Spawner()))
    yield made
    made.close()


@pytest.fixture(scope="session")
def network(tiny_zoo: Path) -> NetworkFiles:
    zoo = open_zoo(tiny_zoo)
    return network_files(zoo, zoo.networks[0].id)


@pytest.fixture
def evaluate(sandbox: Sandbox, network: NetworkFiles) -> Evaluate:
    """Evaluate the body of a measure (or whole files) on one network."""

    def run(source: str | dict[str, bytes], *, seed: int = 1, **limits: float) -> Outcome:
        files = {"complexity.py": source.encode()} if isinstance(source, str) else source
        generous = {"wall_s": 30.0, "memory_bytes": 2**30} | limits
        sandbox.start(Code(files, "digest"), Limits(**generous))  # type: ignore[arg-type]
        return sandbox.evaluate(network, seed)

    return run


@pytest.fixture
def the_next_network_is_unaffected(evaluate: Evaluate) -> Iterator[None]:
    """After whatever a test did: a normal measure gets its value, and no process or control group is left."""
    assert value_of(evaluate(NORMAL)) == 20.0
    before = processes()
    yield
    assert value_of(evaluate(NORMAL)) == 20.0
    wait_until(lambda: processes() <= before, "the end of what the test has started")
    for controller in ("memory", "pids"):
        parent = cgroups.parent_of(controller)
        assert not parent or not list(parent.glob(f"gengap-{os.getpid()}-*"))
