"""Training all networks of a zoo, on each core one group at a time in a process of one thread. Used by `make`."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from model_zoo.architectures import build
from model_zoo.manifest import ZooError
from model_zoo.recipes import RecipeTraining
from model_zoo.training.datasets import Split
from model_zoo.training.plan import PlannedNetwork, grouped
from model_zoo.training.together import NetworkPlan, Report, StoppingRule, train_together

_DIED = "a training process died (out of memory?); nothing was written, so run it again"


@dataclass(frozen=True)
class Progress:
    """How far a training is: networks done of all, and the median loss in the group last heard of."""

    done: int
    total: int
    loss: float


Watcher = Callable[[Progress], None]


@dataclass(frozen=True)
class Result:
    """A trained network's weights, by `state_dict` name, and its metrics, as the zoo will have them."""

    weights: Mapping[str, NDArray[Any]]
    initial: Mapping[str, NDArray[Any]]
    metrics: dict[str, float]


@dataclass(frozen=True)
class _Group:
    """A worker's task: networks that train together. `places` are theirs among all networks."""

    places: Sequence[int]
    plans: Sequence[NetworkPlan]
    training: RecipeTraining
    split: Split


@dataclass(frozen=True)
class _Heard:
    """A worker's word after each epoch."""

    done: int
    loss: float


def train_all(
    networks: Sequence[PlannedNetwork], training: RecipeTraining, split: Split, watch: Watcher
) -> list[Result]:
    """Train `networks` and measure them; results in the same order. Raises ZooError."""
    waiting = [
        _Group(places, [networks[place].plan for place in places], training, split)
        for places in reversed(grouped(networks))
    ]
    running: dict[Connection, _Group] = {}
    done: dict[Connection, int] = {}
    results: dict[int, Result] = {}
    watch(Progress(0, len(networks), float("nan")))
    with _workers(min(len(os.sched_getaffinity(0)), len(waiting))) as idle:
        while waiting or running:
            while waiting and idle:
                connection = idle.pop()
                running[connection] = waiting.pop()
                _send(connection, running[connection])
            ready = wait(list(running))
            for connection in [worker for worker in running if worker in ready]:
                match _heard(connection):
                    case _Heard() as heard:
                        done[connection] = heard.done
                        watch(Progress(len(results) + sum(done.values()), len(networks), heard.loss))
                    case made:
                        done[connection] = 0
                        results |= dict(zip(running.pop(connection).places, made, strict=True))
                        idle.append(connection)
    return [results[place] for place in range(len(networks))]


def _send(connection: Connection, group: _Group) -> None:
    try:
        connection.send(group)
    except OSError:
        raise ZooError(_DIED) from None


def _heard(connection: Connection) -> _Heard | list[Result]:
    try:
        message: _Heard | list[Result] = connection.recv()
    except (EOFError, OSError):
        raise ZooError(_DIED) from None
    return message


@contextmanager
def _workers(count: int) -> Iterator[list[Connection]]:
    """Connections to `count` fresh processes. They end when theirs is closed, or when this process dies."""
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    connections, processes = [], []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            connections.append(ours)
            processes.append(process)
        yield list(connections)
    finally:
        for connection in connections:
            connection.close()
        for process in processes:
            process.join()


def _work(connection: Connection) -> None:
    """Train one group after another until the other end of `connection` is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the connection
    torch.set_num_threads(1)  # one process a core; and the same bytes on any number of cores
    try:
        while True:
            group: _Group = connection.recv()
            connection.send(_train_group(group, lambda done, loss: connection.send(_Heard(done, loss))))
    except (EOFError, OSError):
        return


def _train_group(group: _Group, report: Report) -> list[Result]:
    split, rule = group.split, StoppingRule(group.training.stop_loss, group.training.max_epochs)
    inputs, labels = torch.from_numpy(split.train_inputs), torch.from_numpy(split.train_labels)
    test_inputs, test_labels = torch.from_numpy(split.test_inputs), torch.from_numpy(split.test_labels)
    trained = train_together(group.plans, inputs, labels, rule, group.training.momentum, report)
    results = []
    for plan, made in zip(group.plans, trained, strict=True):
        network = build(plan.architecture)
        network.load_state_dict(made.weights)
        train_acc, train_loss = accuracy_and_loss(network, inputs, labels)
        test_acc, test_loss = accuracy_and_loss(network, test_inputs, test_labels)
        metrics = {
            "train_acc": train_acc,
            "test_acc": test_acc,
            "train_loss": train_loss,
            "test_loss": test_loss,
            "epochs": float(made.epochs),
        }
        results.append(Result(_arrays(made.weights), _arrays(made.initial), metrics))
    return results


@torch.no_grad()
def accuracy_and_loss(network: nn.Module, inputs: Tensor, labels: Tensor) -> tuple[float, float]:
    """The network's accuracy and mean cross-entropy on inputs (n, C, H, W), in eval mode."""
    logits = network.eval()(inputs)
    correct = int((logits.argmax(dim=1) == labels).sum())
    return correct / len(labels), float(functional.cross_entropy(logits, labels))


def _arrays(state: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    return {name: tensor.numpy() for name, tensor in state.items()}
