"""How fast zoos are trained: in batches of networks, against the same networks one after another.

Run with `python -m benchmarks.zoos`. Both sides run in turns in this process on one thread, on the same
networks, with the same draws, steps and stopping rule; so they stop at the same epochs. One group (networks of
one shape) of each kind stands for its zoo. Then each whole zoo is trained as `gengap zoo make` does it.
Times are medians.
"""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from model_zoo.recipes import RECIPES, Recipe, named_recipe
from model_zoo.training import train_zoo
from model_zoo.training.datasets import load_split
from model_zoo.training.plan import grouped, planned_networks
from model_zoo.training.together import NetworkPlan, StoppingRule, TrainedNetwork, train_together
from tests.model_zoo.plain import train_one_after_another

REPEATS = 3


@dataclass(frozen=True)
class Task:
    """One group of a recipe: the networks and what they are trained on."""

    plans: list[NetworkPlan]
    inputs: Tensor
    labels: Tensor
    rule: StoppingRule
    momentum: float

    def together(self) -> list[TrainedNetwork]:
        return train_together(self.plans, self.inputs, self.labels, self.rule, self.momentum, lambda _done, _loss: None)

    def one_after_another(self) -> list[TrainedNetwork]:
        return train_one_after_another(self.plans, self.inputs, self.labels, self.rule, self.momentum)


def tasks(recipe: Recipe) -> list[Task]:
    """The recipe's costliest and cheapest groups."""
    split = load_split(recipe.dataset, recipe.seed)
    networks = planned_networks(recipe, split.input_shape, split.classes)
    groups = grouped(networks)
    return [
        Task(
            plans=[networks[place].plan for place in places],
            inputs=torch.from_numpy(split.train_inputs),
            labels=torch.from_numpy(split.train_labels),
            rule=StoppingRule(recipe.training.stop_loss, recipe.training.max_epochs),
            momentum=recipe.training.momentum,
        )
        for places in (groups[0], groups[-1])
    ]


def seconds(action: Callable[[], list[TrainedNetwork]]) -> tuple[float, list[TrainedNetwork]]:
    start = time.perf_counter()
    trained = action()
    return time.perf_counter() - start, trained


def against_one_after_another(console: Console) -> None:
    table = Table(title=f"one group on one thread, median of {REPEATS}", title_justify="left")
    for heading in ("recipe", "networks", "parameters each", "epochs in all", "one by one", "together", "ratio"):
        table.add_column(heading, justify="left" if heading == "recipe" else "right")
    for name in RECIPES:
        for task in tasks(named_recipe(name)):
            slow_s, fast_s = [], []
            for _ in range(REPEATS):
                slow, alone = seconds(task.one_after_another)
                fast, together = seconds(task.together)
                slow_s.append(slow)
                fast_s.append(fast)
            epochs = [sum(network.epochs for network in trained) for trained in (alone, together)]
            table.add_row(
                name,
                str(len(task.plans)),
                str(sum(tensor.numel() for tensor in alone[0].initial.values())),
                " / ".join(map(str, epochs)),
                f"{median(slow_s):.2f} s",
                f"{median(fast_s):.2f} s",
                f"{median(slow_s) / median(fast_s):.1f}",
            )
    console.print(table)


def whole_zoos(console: Console) -> None:
    cores = len(os.sched_getaffinity(0))
    table = Table(title=f"whole zoos on {cores} cores, median of {REPEATS}", title_justify="left")
    for heading in ("recipe", "networks", "seconds", "networks per second"):
        table.add_column(heading, justify="left" if heading == "recipe" else "right")
    for name in RECIPES:
        recipe, times = named_recipe(name), []
        for _ in range(REPEATS):
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                train_zoo(recipe, Path(folder) / "zoo", lambda _: None)
                times.append(time.perf_counter() - start)
        networks = len(recipe.grid())
        table.add_row(name, str(networks), f"{median(times):.1f}", f"{networks / median(times):.1f}")
    console.print(table)


def main() -> None:
    torch.set_num_threads(1)
    console = Console(width=110)
    against_one_after_another(console)
    whole_zoos(console)


if __name__ == "__main__":
    main()
