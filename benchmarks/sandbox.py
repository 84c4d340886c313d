"""What a network costs in the sandbox, beside a fresh process with its own `import torch` for each network.

Run with `python -m benchmarks.sandbox`. Same machine, same networks, same trivial measure, one at a time, in
turns. The naive way runs bubblewrap too, with the same view of the machine, but no zygote. Times are medians.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from model_zoo import Zoo, open_zoo
from tests.factories import make_tiny_zoo
from worker.evaluator import network_files
from worker.sandbox.bubblewrap import BubblewrapLauncher, command_line
from worker.sandbox.protocol import Code, Limits, Value
from worker.sandbox.spawn import Spawner
from worker.sandbox.zygote_sandbox import ZygoteSandbox

MEASURE = "def complexity(model, dataset):\n    return float(sum(p.numel() for p in model.parameters()))\n"
NAIVE = f"""
import sys
sys.path.insert(0, "/gengap")
import numpy, scipy, sklearn, torch
from model_zoo.architectures import load_network, load_training_data
import json, os
weights, data, architecture = sys.argv[1:4]
model = load_network(json.loads(architecture), os.open(weights, os.O_RDONLY), None)
dataset = load_training_data(os.open(data, os.O_RDONLY), 10)
{MEASURE}
print(complexity(model, dataset))
"""
NAIVE_NETWORKS = 5
NETWORKS = 96


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        zoo = open_zoo(make_tiny_zoo(Path(folder) / "zoo", copies=NETWORKS // 4))
        sandbox = ZygoteSandbox(BubblewrapLauncher(Spawner()))
        try:
            begin = time.perf_counter()
            sandbox.start(Code({"complexity.py": MEASURE.encode()}, "benchmark"), Limits())
            start_s = time.perf_counter() - begin
            ours = _times(lambda index: _ours(sandbox, zoo, index), NETWORKS)
            naive = _times(lambda index: _naive(zoo, index), NAIVE_NETWORKS)
        finally:
            sandbox.close()
    table = Table(title="seconds for one network, trivial measure")
    for column in ("way", "networks", "median", "95th percentile", "ratio"):
        table.add_column(column, justify="left" if column == "way" else "right")
    table.add_row("fresh process, import torch", str(len(naive)), f"{median(naive):.3f}", "", "1")
    ratio = median(naive) / median(ours)
    table.add_row(
        "zygote: a fork", str(len(ours)), f"{median(ours):.3f}", f"{quantiles(ours, n=20)[-1]:.3f}", f"{ratio:.0f}"
    )
    console = Console()
    console.print(table)
    console.print(f"The zygote itself starts in {start_s:.1f} s, once for a worker's slot.")


def _times(evaluate: Callable[[int], None], count: int) -> list[float]:
    times = []
    for index in range(count):
        begin = time.perf_counter()
        evaluate(index)
        times.append(time.perf_counter() - begin)
    return times


def _ours(sandbox: ZygoteSandbox, zoo: Zoo, index: int) -> None:
    network = zoo.networks[index % len(zoo.networks)]
    assert isinstance(sandbox.evaluate(network_files(zoo, network.id), 1), Value)


def _naive(zoo: Zoo, index: int) -> None:
    network = network_files(zoo, zoo.networks[index % len(zoo.networks)].id)
    command = command_line()
    inside = ["/gengap/weights", "/gengap/data"]
    for file, name in zip((network.weights, network.training_data), inside, strict=True):
        at = command.index("--proc")
        command[at:at] = ["--ro-bind", str(file), name]
    architecture = json.dumps(network.architecture)
    entry = command.index("-c") + 1
    subprocess.run([*command[:entry], NAIVE, *inside, architecture], check=True, capture_output=True)


if __name__ == "__main__":
    main()
