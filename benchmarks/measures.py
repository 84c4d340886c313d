"""What each shipped measure costs on a network of the demo's size, and the winner beside the naive way to compute it.

Run with `python -m benchmarks.measures`; `--only NAME` for one. Each measure runs in the sandbox, on one processor, on
networks of `digits-cnn` (of the extended track: of `digits-bn`) that are spread over the zoo. Times are the
processor's, as the sandbox reports them, from the fork to the value: what else the machine does hardly counts. The
naive winner computes what the shipped one does, as the competition's entry did: for every layer the activations are
computed anew from the input, batch by batch, for the data and, class by class, for the mixtures, whose logits are the
last layer's.
"""

import itertools
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import click
import torch
from rich.console import Console
from rich.table import Table
from sklearn.metrics import davies_bouldin_score
from torch import nn
from torch.nn.functional import max_pool2d

from model_zoo import Zoo, open_zoo
from model_zoo.architectures import TrainingData
from model_zoo.loading import load_network, load_training_data
from server.commands.common import make_zoo
from submissions.baselines import BASELINES, HELPERS, Baseline, baseline_source
from submissions.settings import Settings
from submissions.zoos.tracks import Track
from worker.sandbox.backends.bubblewrap import BubblewrapLauncher
from worker.sandbox.protocol import Code, Limits, NetworkFiles, Value
from worker.sandbox.spawn import Spawner
from worker.sandbox.zygote_sandbox import ZygoteSandbox
from worker.zoo_evaluation import network_files

ALLOWED_S = {"s": 0.2, "m": 2.0, "h": 5.0}
NETWORKS = 8
ROUNDS = 5
NOTHING = b"def complexity(model, dataset):\n    return 0.0\n"
WINNER = "Davies-Bouldin times mixup"
WINNER_TARGET = 10
NAIVE_BATCH = 50


def seconds(sandbox: ZygoteSandbox, source: bytes, networks: Sequence[NetworkFiles]) -> list[float]:
    """Of the processor for each network: loading it, importing the measure and its helpers, and calling it."""
    sandbox.start(Code({"complexity.py": source}, "benchmark"), Limits())
    taken = []
    for network in networks:
        outcome = sandbox.evaluate(network, 1)
        assert isinstance(outcome, Value), outcome
        assert outcome.cpu_s is not None
        taken.append(outcome.cpu_s)
    return taken


def naive_activations(network: nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
    """The output of each layer, every one by a pass of its own from the input on, a batch at a time."""
    leaves = [module for module in network.modules() if not list(module.children())]
    outputs = []
    for count in range(1, len(leaves) + 1):
        parts = []
        for x in torch.split(inputs, NAIVE_BATCH):
            for module in leaves[:count]:
                x = module(x)
            parts.append(x)
        outputs.append(torch.cat(parts))
    return outputs


@torch.no_grad()
def naive_winner(network: nn.Module, dataset: TrainingData) -> float:
    """The Davies-Bouldin index of the first activation times the mean doubt about mixtures, the slow way."""
    leaves = [module for module in network.modules() if not list(module.children())]
    first = naive_activations(network, dataset.inputs)[[isinstance(leaf, nn.ReLU) for leaf in leaves].index(True)]
    points = max_pool2d(first, 4).flatten(1) if first.dim() == 4 else first
    doubts = []
    for label in range(dataset.classes):
        members = dataset.inputs[dataset.labels == label]
        for shift in range(1, len(members) // 2 + 1):
            outputs = naive_activations(network, (members + members.roll(-shift, dims=0)) / 2)[-1]
            doubts.append(1 - outputs.double().softmax(dim=1)[:, label])
    index = float(davies_bouldin_score(points.numpy(), dataset.labels.numpy()))
    return index * float(torch.cat(doubts).mean())


def best_of(rounds: int, work: Callable[[], float]) -> float:
    """The least of the processor's seconds that `work` takes."""
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return min(taken)


def compare_winner(zoo: Zoo, console: Console) -> bool:
    """The shipped winner against the naive one, in this process on one thread; both give the same value."""
    sys.path.insert(0, str(HELPERS.parent))
    names: dict[str, object] = {}
    exec(baseline_source(WINNER), names)
    shipped = names["complexity"]
    assert callable(shipped)
    dataset = load_training_data(zoo)
    ratios = []
    for entry in itertools.islice(zoo.networks, 0, None, max(1, len(zoo.networks) // NETWORKS)):
        network = load_network(zoo, entry.id)
        assert abs(naive_winner(network, dataset) / shipped(network, dataset) - 1) < 1e-4
        naive = best_of(ROUNDS, partial(naive_winner, network, dataset))
        ours = best_of(ROUNDS, partial(shipped, network, dataset))
        ratios.append(naive / ours)
    ratio = median(ratios)
    console.print(f"{WINNER}: {ratio:.1f} times as fast as the naive way (target {WINNER_TARGET})")
    return ratio >= WINNER_TARGET


def spread_networks(zoo: Zoo, track: Track = "standard") -> list[NetworkFiles]:
    """What a measure of the track gets of a few networks, spread over the zoo."""
    chosen = zoo.networks[:: max(1, len(zoo.networks) // NETWORKS)]
    return [network_files(zoo, entry.id, track) for entry in chosen]


def measure_costs(chosen: Sequence[Baseline], zoo: Zoo, extended: Zoo, console: Console) -> bool:
    """The table of every measure's time per network, beside what its cost class allows."""
    networks: dict[str, list[NetworkFiles]] = {
        "standard": spread_networks(zoo),
        "extended": spread_networks(extended, "extended"),
    }
    table = Table("measure", "group", "cost", "median", "slowest", "allowed", "holds", title=f"Seconds on {zoo.name}")
    sandbox = ZygoteSandbox(BubblewrapLauncher(Spawner()), 0)
    everything = True
    try:
        floor = median(seconds(sandbox, NOTHING, networks["standard"]))
        for baseline in chosen:
            taken = seconds(sandbox, baseline_source(baseline.name), networks[baseline.track])
            allowed = ALLOWED_S[baseline.cost]
            holds = median(taken) <= allowed
            everything &= holds
            figures = (f"{median(taken):.3f}", f"{max(taken):.3f}", f"{allowed:g}", "yes" if holds else "NO")
            table.add_row(baseline.name, baseline.group, baseline.cost, *figures)
    finally:
        sandbox.close()
    console.print(table)
    console.print(f"a measure that does nothing: {floor:.3f} s")
    return everything


@click.command()
@click.option("--only", multiple=True, help="Names of measures; all by default.")
def main(only: tuple[str, ...]) -> None:
    """Print the times; exit 1 where a target is missed."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    torch.set_num_threads(1)
    console = Console()
    zoo = open_zoo(make_zoo("digits-cnn", Settings()))
    chosen = [baseline for baseline in BASELINES if not only or baseline.name in only]
    holds = measure_costs(chosen, zoo, open_zoo(make_zoo("digits-bn", Settings())), console)
    if not only or WINNER in only:
        holds &= compare_winner(zoo, console)
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
