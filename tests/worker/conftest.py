"""A warm sandbox for the tests of this room, and a network to put into it."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from model_zoo import open_zoo
from tests.docker_engine import close_docker_launcher, wait_for_the_spare
from tests.services import wait_until
from tests.worker.sandbox.leftovers import containers_of, traces
from tests.worker.sandbox.outside import Outside
from tests.worker.sandbox.probes import Attempt, Prey
from tests.worker.sandbox.sandboxed import BACKENDS, NORMAL, make_sandbox, value_of
from worker.sandbox.protocol import Code, Limits, NetworkFiles, Outcome
from worker.sandbox.zygote_sandbox import ZygoteSandbox
from worker.zoo_evaluation import network_files

Evaluate = Callable[..., Outcome]


@pytest.fixture(scope="session", autouse=True)
def _the_docker_launcher_ends() -> Iterator[None]:
    yield
    close_docker_launcher()


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def sandbox(backend: str) -> Iterator[ZygoteSandbox]:
    """A warm sandbox of each backend."""
    made = make_sandbox(backend)
    yield made
    made.close()


@pytest.fixture(scope="session")
def network(tiny_zoo: Path) -> NetworkFiles:
    zoo = open_zoo(tiny_zoo)
    return network_files(zoo, zoo.networks[0].id)


@pytest.fixture
def evaluate(sandbox: ZygoteSandbox, network: NetworkFiles) -> Evaluate:
    """Evaluate the body of a measure (or whole files) on one network."""

    def run(source: str | dict[str, bytes], *, seed: int = 1, **limits: float) -> Outcome:
        files = {"complexity.py": source.encode()} if isinstance(source, str) else source
        generous = {"wall_s": 30.0, "memory_bytes": 2**30} | limits
        sandbox.start(Code(files, "digest"), Limits(**generous))  # type: ignore[arg-type]
        return sandbox.evaluate(network, seed)

    return run


@pytest.fixture(scope="session")
def prey(tiny_zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prey]:
    """Open doors and secrets of this machine, all of them real, for probes to reach for."""
    folder = tmp_path_factory.mktemp("prey")
    mark, door = f"mark-{uuid4().hex[:12]}", f"door-{uuid4().hex[:12]}"
    secret, code, path = folder / "secret", folder / f"{uuid4().hex}.zip", folder / "engine.sock"
    for file in (secret, code):
        file.write_text("swordfish")
    os.environ["DATABASE_PASSWORD"] = "swordfish"
    words = ("swordfish", mark, str(tiny_zoo), str(secret), *(network.id for network in open_zoo(tiny_zoo).networks))
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as named,
    ):
        abstract.bind(f"\0{door}")
        named.bind(str(path))
        abstract.listen(128)
        named.listen(128)
        yield Prey(
            port=listener.getsockname()[1],
            abstract=door,
            socket=str(path),
            secret=str(secret),
            code=str(code),
            zoo=str(tiny_zoo),
            pid=os.getpid(),
            variable="DATABASE_PASSWORD",
            mark=mark,
            words_backwards=tuple(word[::-1] for word in words),
        )
    del os.environ["DATABASE_PASSWORD"]


@pytest.fixture(scope="session")
def outside(prey: Prey, network: NetworkFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    made = Outside(network, tmp_path_factory.mktemp("outside"))
    yield made
    made.close()


@pytest.fixture
def attempt(prey: Prey, outside: Outside, evaluate: Evaluate) -> Attempt:
    """Try a probe: its control first, then in the sandbox."""
    return Attempt(prey, outside, evaluate)


@pytest.fixture(scope="session")
def _warm(sandbox: ZygoteSandbox, network: NetworkFiles, prey: Prey) -> None:
    """The zygote runs from now on; what is compared before and after a test holds it on both sides."""
    sandbox.start(Code({"complexity.py": NORMAL.encode()}, "digest"), Limits())
    assert value_of(sandbox.evaluate(network, 1)) == 20.0


@pytest.fixture
def the_next_network_is_unaffected(
    _warm: None, backend: str, evaluate: Evaluate, prey: Prey, outside: Outside
) -> Iterator[None]:
    """After whatever a test did: a normal measure gets its value, and nothing that was not there before is left."""
    if backend == "docker":
        wait_for_the_spare()
    before, containers = traces(prey.mark), containers_of(backend)
    yield
    assert value_of(evaluate(NORMAL)) == 20.0
    wait_until(lambda: traces(prey.mark) <= before, "the end of everything that the test has started")
    wait_until(lambda: containers_of(backend) <= containers, "the removal of every container but those there before")
