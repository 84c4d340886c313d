"""Same code, same network, same seed: the same float64 to the last bit, in any sandbox, at any time."""

import struct
from collections.abc import Iterator

import pytest

from tests.worker.sandbox.sandboxed import NORMAL, function, make_sandbox, value_of
from worker.sandbox.protocol import Code, Limits, NetworkFiles
from worker.sandbox.zygote_sandbox import ZygoteSandbox

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")

SOURCES = {
    "torch": "return torch.randn(1000).sum() + torch.rand(()) * torch.randperm(1000)[0]",
    "numpy": "return float(np.random.randn(1000).sum() + np.random.permutation(1000)[0])",
    "python": "import random\nreturn random.gauss(0, 1) + random.choice(range(10**6))",
    "the hash of strings": "return float(hash('a string') % 10**9)",
    "the order of sets": "words = {str(n) for n in range(100)}\nreturn float(int(''.join(list(words)[:6])))",
    "a shuffled loader": """
        loader = torch.utils.data.DataLoader(dataset, batch_size=4, shuffle=True)
        return float(sum(i * labels.sum() for i, (_, labels) in enumerate(loader)))
    """,
    "training": """
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for images, labels in dataset.batches(4):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
        return sum(p.norm() for p in model.parameters())
    """,
    "two threads of torch": """
        torch.set_num_threads(2)
        x = torch.randn(500, 500)
        return (x @ x).sum() + x.sum()
    """,
    "threads of Python": """
        from concurrent.futures import ThreadPoolExecutor
        x = torch.randn(64, 1000)
        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(lambda row: float(row.exp().sum()), x))
    """,
    "scikit-learn": """
        from sklearn.cluster import KMeans
        return float(KMeans(3, n_init=2).fit(np.random.rand(200, 5)).inertia_)
    """,
}


@pytest.fixture(scope="module")
def another_sandbox(backend: str) -> Iterator[ZygoteSandbox]:
    """Another zygote, with addresses of its own, on another processor."""
    made = make_sandbox(backend, slot=1)
    made.start(Code({"complexity.py": NORMAL.encode()}, "digest"), Limits())
    yield made
    made.close()


def bits(sandbox: ZygoteSandbox, network: NetworkFiles, body: str, seed: int, cpus: int) -> bytes:
    sandbox.start(Code({"complexity.py": function(body).encode()}, "digest"), Limits(cpus=cpus))
    return struct.pack("<d", value_of(sandbox.evaluate(network, seed)))


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("what", SOURCES)
def test_the_same_seed_gives_the_same_bits(
    sandbox: ZygoteSandbox, another_sandbox: ZygoteSandbox, network: NetworkFiles, what: str, cpus: int
) -> None:
    first = bits(sandbox, network, SOURCES[what], 7, cpus)
    assert bits(sandbox, network, SOURCES[what], 7, cpus) == first
    assert bits(another_sandbox, network, SOURCES[what], 7, cpus) == first


@pytest.mark.parametrize("what", ["torch", "numpy", "python", "a shuffled loader", "scikit-learn"])
def test_another_seed_gives_other_numbers(sandbox: ZygoteSandbox, network: NetworkFiles, what: str) -> None:
    """The control: these do depend on chance."""
    assert bits(sandbox, network, SOURCES[what], 7, 1) != bits(sandbox, network, SOURCES[what], 8, 1)
