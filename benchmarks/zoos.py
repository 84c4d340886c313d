"""How fast zoos are trained, loaded, imported and checked; training against the same networks one after another.

Run with `python -m benchmarks.zoos` on a quiet machine: a busy one distorts both sides. The naive side is what one
writes first: an nn.Module, torch.optim.SGD and loss.backward(), one network after another, once with a DataLoader and
once with rows of the tensors, on torch's usual number of threads. It has the same networks, batches and stopping rule;
what it draws is its own. Of each group of networks of one shape it trains the middle one, for a second at most; its
time per epoch, times the epochs that the batched side took for the group, is the naive side's time. The batched side's
is the wall-clock time of the whole recipe, with starting its processes, measuring and writing.

Importing and checking run as the commands run them, each in a child process whose start counts. PGDL's sample task is
looked for in ../shared/data; without it that row is left out.
"""

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from model_zoo import Zoo, open_zoo
from model_zoo.architectures import build
from model_zoo.importers.import_process import import_in_child
from model_zoo.loading import load_network
from model_zoo.recipes import Recipe, named_recipe
from model_zoo.training.batched.course import evaluates_loss_after, initial_weights
from model_zoo.training.datasets import load_split
from model_zoo.training.make import train_zoo
from model_zoo.training.plan import NetworkPlan, PlannedNetwork, grouped, planned_networks
from model_zoo.training.pool import training_set
from model_zoo.training.randomness import randomness_of
from worker.zoo_intake.check_process import check_in_child

DEMO_RECIPES = ("digits-mlp", "digits-cnn")
SAMPLE = Path(__file__).parents[2] / "shared" / "data" / "pgdl_sample"
NAIVE_S = 1.0  # for one network of each group on each naive side
ROUNDS = 2

Batches = Callable[[], Iterator[tuple[Tensor, Tensor]]]  # an epoch's


def by_loader(inputs: Tensor, labels: Tensor, batch_size: int) -> Batches:
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=batch_size, shuffle=True)
    return lambda: iter(loader)


def by_rows(inputs: Tensor, labels: Tensor, batch_size: int) -> Batches:
    return lambda: ((inputs[rows], labels[rows]) for rows in torch.split(torch.randperm(len(labels)), batch_size))


NAIVE_WAYS = {"DataLoader": by_loader, "rows": by_rows}


def naive_network(plan: NetworkPlan) -> nn.Module:
    """The plan's network with dropout layers, its weights those that the batched side begins with."""
    network = build(plan.architecture)
    network.load_state_dict(initial_weights(plan))
    modules: list[nn.Module] = []
    for index, module in enumerate(network):
        modules.append(module)
        if index in plan.dropout_after and plan.settings.dropout:
            modules.append(nn.Dropout(plan.settings.dropout))
    return nn.Sequential(*modules)


def naive_epoch_s(recipe: Recipe, plan: NetworkPlan, inputs: Tensor, labels: Tensor, way: str) -> float:
    """Seconds of an epoch of one network trained alone, with its share of looking at the loss."""
    network = naive_network(plan)
    settings, rules = plan.settings, recipe.training
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )
    batches = NAIVE_WAYS[way](inputs, labels, settings.batch_size)
    start = time.perf_counter()
    epoch, loss, passed = 0, float("inf"), 0.0
    while epoch < rules.max_epochs and loss > rules.stop_loss and passed < NAIVE_S:
        epoch += 1
        network.train()
        for x, y in batches():
            optimizer.zero_grad()
            functional.cross_entropy(network(x), y).backward()  # type: ignore[no-untyped-call]  # torch's stub
            optimizer.step()
        if evaluates_loss_after(epoch, rules.max_epochs):
            network.eval()
            with torch.no_grad():
                loss = float(functional.cross_entropy(network(inputs), labels))
        passed = time.perf_counter() - start
    return passed / epoch


def naive_seconds(recipe: Recipe, networks: Sequence[PlannedNetwork], epochs: Sequence[float], way: str) -> float:
    """One network in the middle of each group stands for the group's epochs."""
    split = load_split(recipe.dataset, randomness_of(recipe))
    total = 0.0
    for group in grouped(networks, "cpu"):
        plan = networks[group[len(group) // 2]].plan
        data = training_set(split, [plan.settings])
        total += sum(epochs[place] for place in group) * naive_epoch_s(recipe, plan, data.inputs, data.labels[0], way)
    return total


def batched(recipe: Recipe, folder: Path) -> tuple[float, Zoo]:
    """Seconds from the recipe to the zoo folder, with starting the processes, measuring and writing."""
    start = time.perf_counter()
    train_zoo(recipe, folder, lambda _: None)
    return time.perf_counter() - start, open_zoo(folder)


def epochs_of(zoo: Zoo, networks: Sequence[PlannedNetwork]) -> list[float]:
    """How many epochs each planned network took, in the plan's order."""
    by_point = {
        tuple(sorted(network.hyperparameters.items())): network.metrics["epochs"]
        for network in zoo.truth().networks.values()
    }
    return [by_point[tuple(sorted(network.hyperparameters.items()))] for network in networks]


def against_naive(console: Console, folder: Path) -> list[Zoo]:
    """Both sides in turns, so that a busy machine slows both; the least of the rounds counts."""
    cores = len(os.sched_getaffinity(0))
    table = Table(title=f"recipe to zoo folder on {cores} cores, least of {ROUNDS}", title_justify="left")
    for heading in ("recipe", "networks", "epochs", "together", *(f"alone, {way}" for way in NAIVE_WAYS), "ratios"):
        table.add_column(heading, justify="left" if heading == "recipe" else "right")
    zoos = []
    for name in DEMO_RECIPES:
        recipe = named_recipe(name)
        split = load_split(recipe.dataset, randomness_of(recipe))
        networks = planned_networks(recipe, randomness_of(recipe), split.input_shape, split.classes)
        ours: list[float] = []
        naive: dict[str, list[float]] = {way: [] for way in NAIVE_WAYS}
        for turn in range(ROUNDS):
            seconds, zoo = batched(recipe, folder / f"{name}-{turn}")
            ours.append(seconds)
            for way, times in naive.items():
                times.append(naive_seconds(recipe, networks, epochs_of(zoo, networks), way))
        zoos.append(zoo)
        table.add_row(
            name,
            str(len(networks)),
            f"{sum(epochs_of(zoo, networks)):.0f}",
            f"{min(ours):.1f} s",
            *(f"{min(times):.1f} s" for times in naive.values()),
            " / ".join(f"{min(times) / min(ours):.1f}" for times in naive.values()),
        )
    console.print(table)
    return zoos


def loading(console: Console, zoos: Sequence[Zoo]) -> None:
    table = Table(title="loading networks, and peak memory of the largest process so far", title_justify="left")
    for heading in ("zoo", "networks per second", "this process", "a training process"):
        table.add_column(heading, justify="left" if heading == "zoo" else "right")
    for zoo in zoos:
        start = time.perf_counter()
        for entry in zoo.networks:
            load_network(zoo, entry.id)
        passed = time.perf_counter() - start
        peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        table.add_row(zoo.name, f"{len(zoo.networks) / passed:.0f}", *(f"{peak / 1024:.0f} MiB" for peak in peaks))
    console.print(table)


def commands(console: Console, zoos: Sequence[Zoo], folder: Path) -> None:
    table = Table(title="import and check, with the start of their processes", title_justify="left")
    for heading in ("what", "networks", "seconds", "verdict"):
        table.add_column(heading, justify="right" if heading in ("networks", "seconds") else "left")
    task = SAMPLE / "input_data" / "task1_sample"
    if task.is_dir():
        start = time.perf_counter()
        request = {"task": task, "reference": SAMPLE / "reference_data", "out": folder / "imported"}
        import_in_child("pgdl", request, lambda *_: None)
        passed = time.perf_counter() - start
        table.add_row(
            "import of PGDL's sample task", str(len(open_zoo(folder / "imported").networks)), f"{passed:.1f}", ""
        )
    for zoo in zoos:
        start = time.perf_counter()
        report = check_in_child(zoo.folder, lambda *_: None)
        passed = time.perf_counter() - start
        table.add_row(f"check of {zoo.name}", str(len(zoo.networks)), f"{passed:.1f}", report.verdict)
    console.print(table)


def main() -> None:
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as folder:
        zoos = against_naive(console, Path(folder))
        loading(console, zoos)
        commands(console, zoos, Path(folder))


if __name__ == "__main__":
    main()
