"""What a network costs in the sandbox, beside the naive ways: a fresh process, or `docker run`, for each network.

Run with `python -m benchmarks.sandbox`; `--forks` says after how many networks the zygote's growth is looked at. Same
machine, same networks, same trivial measure, in the same run. The naive ways pay a start of Python and `import torch`
per network; they are measured on a few networks, as many at a time as ours, and scaled to 96. The first runs
bubblewrap too, with the same view of the machine, but no zygote; the second is tried where an engine answers.
"""

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from unittest.mock import patch

import click
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table
from safetensors.numpy import save_file

from benchmarks.naive import NaiveWay, naive_ways
from model_zoo import open_zoo
from tests.factories import make_tiny_zoo
from worker.sandbox import zygote_sandbox
from worker.sandbox.backends.bubblewrap import BubblewrapLauncher
from worker.sandbox.handover import introduction
from worker.sandbox.protocol import Code, Limits, NetworkFiles, SandboxError, Value
from worker.sandbox.spawn import Spawner
from worker.sandbox.zygote_sandbox import ZygoteSandbox
from worker.zoo_evaluation import network_files

TRIVIAL = "def complexity(model, dataset):\n    return float(sum(p.numel() for p in model.parameters()))\n"
BURNING = """
import time
def complexity(model, dataset):
    end = time.process_time() + 0.5
    while time.process_time() < end: pass
    return 1.0
"""
WAITING = "import time\ndef complexity(model, dataset):\n    time.sleep(1000)\n"
# time.monotonic() is one clock for all processes: when was the measure imported, when called?
TELLING = "import time\nBEGIN = time.monotonic()\ndef complexity(model, dataset):\n    return BEGIN\n"

NETWORKS = 96
NAIVE_NETWORKS = 4
BURN_S, BURN_NETWORKS = 0.5, 16
REPEATS = 30
LARGE_SIDE = 5000  # float32 weights of side x side: 100 MB
MB = 10**6


@dataclass(frozen=True)
class Figure:
    """One line of the table. ratio: to the naive way, where that does the same."""

    what: str
    measured: str
    target: str
    holds: bool
    ratio: str = ""


class Bench:
    """As many warm sandboxes as there are processors for them (at most two), and networks to put into them."""

    def __init__(self, folder: Path) -> None:
        zoo = open_zoo(make_tiny_zoo(folder / "zoo", copies=NETWORKS // 4))
        self.networks = [network_files(zoo, network.id) for network in zoo.networks]
        self.large = large_network(folder, self.networks[0])
        launcher = BubblewrapLauncher(Spawner())
        self.slots = min(2, len(os.sched_getaffinity(0)))
        self.sandboxes = [ZygoteSandbox(launcher, slot) for slot in range(self.slots)]

    def close(self) -> None:
        for sandbox in self.sandboxes:
            sandbox.close()

    def start(self, source: str) -> None:
        for sandbox in self.sandboxes:
            sandbox.start(Code({"complexity.py": source.encode()}, "benchmark"), Limits())

    def one(self, network: NetworkFiles) -> float:
        """Seconds of one network in the first sandbox."""
        begin = time.perf_counter()
        value_of(self.sandboxes[0], network)
        return time.perf_counter() - begin

    def all(self, networks: Sequence[NetworkFiles]) -> float:
        """Seconds of all these networks, one at a time in each sandbox."""
        left = iter(networks)
        lock = threading.Lock()

        def serve(sandbox: ZygoteSandbox) -> None:
            while True:
                with lock:
                    network = next(left, None)
                if network is None:
                    return
                value_of(sandbox, network)

        begin = time.perf_counter()
        with ThreadPoolExecutor(self.slots) as threads:
            for done in [threads.submit(serve, sandbox) for sandbox in self.sandboxes]:
                done.result()
        return time.perf_counter() - begin


def value_of(sandbox: ZygoteSandbox, network: NetworkFiles) -> float:
    outcome = sandbox.evaluate(network, 1)
    assert isinstance(outcome, Value), outcome
    return outcome.value


def large_network(folder: Path, like: NetworkFiles) -> NetworkFiles:
    """A network of one layer with 100 MB of weights; nothing runs it forward."""
    weights = folder / "large.safetensors"
    rng = np.random.default_rng(0)
    weight = rng.random((LARGE_SIDE, LARGE_SIDE), dtype=np.float32)
    save_file({"1.weight": weight, "1.bias": np.zeros(LARGE_SIDE, np.float32)}, weights)
    weights.chmod(0o644)
    layers = [{"type": "flatten"}, {"type": "linear", "inputs": LARGE_SIDE, "outputs": LARGE_SIDE}]
    return NetworkFiles({"family": "sequential", "layers": layers}, weights, None, like.training_data, like.classes)


def throughput(bench: Bench, naive: Sequence[tuple[NaiveWay, float]]) -> Iterator[Figure]:
    bench.start(TRIVIAL)
    took = bench.all(bench.networks)
    ratios = [f"{each / took:.0f} x {way.name}" for way, each in naive]
    yield Figure(
        f"{NETWORKS} tiny networks, {bench.slots} at a time",
        f"{took:.1f} s",
        "6 s and 30 x",
        took <= 6 and all(each / took >= 30 for _, each in naive),
        ", ".join(ratios),
    )


def overhead(bench: Bench) -> Iterator[Figure]:
    bench.start(TRIVIAL)
    times = [bench.one(network) for network in bench.networks]
    middle, late = median(times), quantiles(times, n=20)[-1]
    yield Figure("one network after another: median", f"{middle * 1e3:.0f} ms", "60 ms", middle <= 0.06)
    yield Figure("the same: 95th percentile", f"{late * 1e3:.0f} ms", "120 ms", late <= 0.12)
    large = median(bench.one(bench.large) for _ in range(REPEATS))
    yield Figure("a network of 100 MB: median", f"{large * 1e3:.0f} ms", "150 ms", large <= 0.15)


def first_value(bench: Bench, naive: Sequence[tuple[NaiveWay, float]]) -> Iterator[Figure]:
    """From a claimed submission's files in hand to its first value: what the zygote must be told, and one network."""
    bench.start(TRIVIAL)
    times = []
    for number in range(REPEATS):
        begin = time.perf_counter()
        code = Code({"complexity.py": f"# {number}\n{TRIVIAL}".encode()}, f"submission {number}")
        bench.sandboxes[0].start(code, Limits())
        value_of(bench.sandboxes[0], bench.networks[number])
        times.append(time.perf_counter() - begin)
    took = median(times)
    ratios = ", ".join(f"{each / NETWORKS * bench.slots / took:.0f} x {way.name}" for way, each in naive)
    yield Figure("from claimed to first value, warm: median", f"{took * 1e3:.0f} ms", "200 ms", took <= 0.2, ratios)


def busy(bench: Bench) -> Iterator[Figure]:
    bench.start(BURNING)
    took = bench.all(bench.networks[:BURN_NETWORKS])
    share = BURN_S * BURN_NETWORKS / (took * bench.slots)
    yield Figure(f"{BURN_S} s of work each: share of {bench.slots} cores", f"{share:.0%}", "90 %", share >= 0.9)


def memory(bench: Bench, forks: int) -> Iterator[Figure]:
    sandbox = bench.sandboxes[0]
    bench.start(TRIVIAL)
    value_of(sandbox, bench.networks[0])
    with running(sandbox, bench.networks[0]) as processes:
        private = sum(private_bytes(process) for process in processes)
    yield Figure("private memory of a running network", f"{private / MB:.0f} MB", "40 MB", private <= 40 * MB)
    bench.start(TRIVIAL)
    zygotes = processes_below()
    before = sum(process.memory_info().rss for process in zygotes)
    for index in range(forks):
        value_of(bench.sandboxes[index % bench.slots], bench.networks[index % NETWORKS])
    grown = sum(process.memory_info().rss for process in zygotes) - before
    assert processes_below() == zygotes, "a zygote was replaced, or a process is left"
    yield Figure(f"growth of the zygotes over {forks} forks", f"{grown / MB:+.1f} MB", "1 MB", grown <= MB)


def processes_below() -> list[psutil.Process]:
    return list(psutil.Process().children(recursive=True))


@contextmanager
def running(sandbox: ZygoteSandbox, network: NetworkFiles) -> Iterator[list[psutil.Process]]:
    """The processes of one network (keeper, init, participant) whose measure has been called and waits."""
    before = set(processes_below())
    sandbox.start(Code({"complexity.py": WAITING.encode()}, "waiting"), Limits(wall_s=1000))

    def evaluate() -> None:
        try:
            sandbox.evaluate(network, 1)
        except SandboxError:
            return  # interrupted, as below

    thread = threading.Thread(target=evaluate)
    thread.start()
    time.sleep(1)  # long after it has loaded everything
    yield [process for process in processes_below() if process not in before]
    sandbox.interrupt()
    thread.join()


def private_bytes(process: psutil.Process) -> int:
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def phases(bench: Bench) -> Table:
    """Where the milliseconds of a tiny network go, by what can be seen from outside and told from inside."""
    bench.start(TELLING)
    introductions: list[float] = []

    def noted(channel: socket.socket) -> tuple[int, int]:
        told = introduction(channel)
        introductions.append(time.monotonic())
        return told

    rows: list[tuple[float, float, float]] = []
    with patch.object(zygote_sandbox, "introduction", noted):
        for network in bench.networks[:REPEATS]:
            begin = time.monotonic()
            imported = value_of(bench.sandboxes[0], network)
            rows.append((introductions[-1] - begin, imported - introductions[-1], time.monotonic() - imported))
    table = Table(title=f"where a tiny network's time goes, medians of {REPEATS}", title_justify="left")
    table.add_column("phase")
    table.add_column("ms", justify="right")
    names = (
        "hand over, fork the zygote, new namespaces, fork init",
        "control group, mounts, fork, limits, filters, loading, until the measure is imported",
        "the call, the answer, the end of all its processes",
    )
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        table.add_row(name, f"{median(column) * 1e3:.1f}")
    return table


def naive_seconds(way: NaiveWay, bench: Bench) -> float:
    """Seconds of 96 networks, scaled from a few, as many at a time as there are sandboxes."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(bench.slots) as threads:
        list(threads.map(lambda network: way.run(network, TRIVIAL), bench.networks[:NAIVE_NETWORKS]))
    return (time.perf_counter() - begin) * NETWORKS / NAIVE_NETWORKS


@click.command()
@click.option("--forks", default=500, show_default=True, help="Networks after which the zygotes' growth is looked at.")
def main(forks: int) -> None:
    """Measure, and print a table of targets and what was measured."""
    console = Console(width=120)
    console.print(
        f"Load before this run: {os.getloadavg()[0]:.1f}. Above 0.3 others compete, and the figures are theirs too."
    )
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            begin = time.perf_counter()
            bench.start(TRIVIAL)
            start_s = time.perf_counter() - begin
            naive = [(way, naive_seconds(way, bench)) for way in naive_ways()]
            steps: Sequence[Callable[[], Iterator[Figure]]] = (
                lambda: throughput(bench, naive),
                lambda: overhead(bench),
                lambda: first_value(bench, naive),
                lambda: busy(bench),
                lambda: memory(bench, forks),
            )
            figures = [figure for step in steps for figure in step()]
            console.print(summary(figures))
            console.print(phases(bench))
        finally:
            bench.close()
    for way, seconds in naive:
        console.print(f"{way.name}: {seconds:.0f} s for {NETWORKS} networks, scaled from {NAIVE_NETWORKS}.")
    console.print(f"{bench.slots} zygotes started in {start_s:.1f} s, once for a worker.")


def summary(figures: Sequence[Figure]) -> Table:
    table = Table(title="the sandbox, beside the naive ways", title_justify="left")
    for column in ("what", "measured", "target", "holds", "naive way"):
        table.add_column(column, justify="left" if column in ("what", "naive way") else "right")
    for figure in figures:
        table.add_row(figure.what, figure.measured, figure.target, "yes" if figure.holds else "NO", figure.ratio or "—")
    return table


if __name__ == "__main__":
    main()
