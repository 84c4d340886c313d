"""Trains all networks of a zoo in parallel: one single-threaded process per core, each with one group at a time."""

import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

import torch

from model_zoo.architectures import build
from model_zoo.manifest import ZooError
from model_zoo.recipes import Recipe, RecipeAugmentation, TrainingSettings
from model_zoo.training.batched.course import Course, TrainedNetwork, TrainingSet, TrajectoryState
from model_zoo.training.datasets import Split, load_split
from model_zoo.training.network_metrics import metrics
from model_zoo.training.plan import PlannedNetwork, grouped, planned_networks, relative_cost
from model_zoo.training.randomness import Randomness
from model_zoo.training.training_process import Progress, Watcher
from model_zoo.training.work_folder import FinishedNetwork, WorkFolder

_DIED = "a training process died (out of memory?); run it again, it goes on where it stood"
_REPORT_S = 0.25
_Status = tuple[int, float | None]  # of a worker's group: number of finished networks, median loss of the others


class DivergedError(ZooError):
    """A network's loss is no longer finite."""


@dataclass(frozen=True)
class Task:
    """What every process needs to know.

    Attributes
    ----------
    recipe : Recipe
    randomness : Randomness
    data : Path or None
        Folder of downloaded datasets.
    work : WorkFolder
    device : str
    snapshot_s : float
        Interval in seconds between snapshots of a group.
    """

    recipe: Recipe
    randomness: Randomness
    data: Path | None
    work: WorkFolder
    device: str
    snapshot_s: float


def train_all(task: Task, networks: Sequence[PlannedNetwork], jobs: int | None, watch: Watcher) -> None:
    """Train and measure the networks that are not in the work folder yet.

    Parameters
    ----------
    task : Task
    networks : sequence of PlannedNetwork
    jobs : int or None
        Number of processes; None: one per core.
    watch : callable
        Called with a Progress.

    Raises
    ------
    ZooError
        If a network diverges or a process dies.
    """
    groups = grouped(networks, task.device)
    waiting = [group for group in reversed(groups) if not all(task.work.has_network(place) for place in group)]
    reporter = _ProgressReporter(networks, [group for group in groups if group not in waiting], watch)
    cores = 1 if task.device == "cuda" else jobs or len(os.sched_getaffinity(0))
    running: dict[Connection, list[int]] = {}
    with _workers(task, min(cores, len(waiting))) as idle:
        while waiting or running:
            while waiting and idle:
                connection = idle.pop()
                running[connection] = waiting.pop()
                with _alive_at_the_other_end():
                    connection.send(running[connection])
            ready = wait(list(running))
            for connection in [worker for worker in running if worker in ready]:
                with _alive_at_the_other_end():
                    message: _Status | ZooError = connection.recv()
                if isinstance(message, ZooError):
                    raise message
                group, (done, loss) = running[connection], message
                reporter.update(group, done, loss)
                if done == len(group):
                    del running[connection]
                    idle.append(connection)


class _ProgressReporter:
    """Computes progress for the watcher: finished networks, and the time left from the share of the work done."""

    def __init__(self, networks: Sequence[PlannedNetwork], finished: Sequence[Sequence[int]], watch: Watcher) -> None:
        self._costs = [relative_cost(network.plan) for network in networks]
        self._watch = watch
        self._done = {group[0]: len(group) for group in finished}  # by a group's first network
        self._start_s, self._cost_before = time.monotonic(), self._cost_done()
        self._report(None)

    def update(self, group: Sequence[int], done: int, loss: float | None) -> None:
        self._done[group[0]] = done
        self._report(loss)

    def _report(self, loss: float | None) -> None:
        cost, passed_s = self._cost_done(), time.monotonic() - self._start_s
        share = (cost - self._cost_before) / max(sum(self._costs) - self._cost_before, 1e-9)
        left_s = passed_s * (1 - share) / share if share else None
        self._watch(Progress(sum(self._done.values()), len(self._costs), loss, left_s))

    def _cost_done(self) -> float:
        return sum(count * self._costs[first] for first, count in self._done.items())


@contextmanager
def _alive_at_the_other_end() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError):
        raise ZooError(_DIED) from None


@contextmanager
def _workers(task: Task, count: int) -> Iterator[list[Connection]]:
    """Start `count` processes and yield connections to them.

    Each ends when its connection is closed or this process dies. They are forks of a server that has imported
    everything and done nothing: torch's threads do not survive a fork of this process, and two imports of torch take as
    long as training a small zoo.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__])
    connections, processes = [], []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, task), daemon=True)
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


def _work(connection: Connection, task: Task) -> None:
    """Train one group after another until the other end of `connection` is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the connection
    torch.set_num_threads(1)  # one process a core; and the same bytes on any number of cores
    try:
        split = load_split(task.recipe.dataset, task.randomness, task.data)
        networks = planned_networks(task.recipe, task.randomness, split.input_shape, split.classes)
        with task.work.held():
            while True:
                places: list[int] = connection.recv()
                training = _GroupTraining(task, split, {place: networks[place] for place in places}, connection.send)
                training.run()
    except (EOFError, OSError):
        return
    except ZooError as error:
        connection.send(error)


class _GroupTraining:
    """One group's training in a worker, from its snapshot if it has one."""

    def __init__(
        self, task: Task, split: Split, networks: Mapping[int, PlannedNetwork], report: Callable[[_Status], None]
    ) -> None:
        self._task, self._split, self._networks, self._report = task, split, networks, report
        self._places = list(networks)
        self._reported_s = self._saved_s = time.monotonic()
        plans = [network.plan for network in networks.values()]
        data = training_set(split, [plan.settings for plan in plans], task.recipe.augmentation)
        self._course = Course(plans, data, task.recipe.training, torch.device(task.device))
        if (snapshot := task.work.snapshot(self._places[0])) is not None:
            self._course.restore(snapshot)

    def run(self) -> None:
        """Train to the end, reporting progress and saving snapshots at intervals."""
        while self._course.alive:
            for trained in self._course.advance():
                self._finish(trained)
            for state in self._course.take_trajectory_states():
                self._keep(state)
            if self._course.alive:
                self._save_and_report(time.monotonic())
        self._task.work.drop_snapshot(self._places[0])
        self._report_status()

    def _save_and_report(self, now_s: float) -> None:
        if now_s - self._saved_s >= self._task.snapshot_s:
            self._task.work.set_snapshot(self._places[0], self._course.snapshot())
            self._saved_s = now_s
        if now_s - self._reported_s >= _REPORT_S:
            self._report_status()
            self._reported_s = now_s

    def _report_status(self) -> None:
        done = len(self._places) - len(self._course.alive)
        self._report((done, self._course.loss if math.isfinite(self._course.loss) else None))

    def _keep(self, state: TrajectoryState) -> None:
        """Keep a state for the trajectory; only networks of the grid have one, siblings do not."""
        place = self._places[state.place]
        if self._networks[place].sibling == 0:
            weights = {name: tensor.cpu() for name, tensor in state.weights.items()}
            self._task.work.add_trajectory_state(place, state.epoch, weights)

    def _finish(self, trained: TrainedNetwork) -> None:
        place = self._places[trained.place]
        network = self._networks[place]
        if not math.isfinite(trained.train_loss):
            raise DivergedError(
                f"recipe {self._task.recipe.name}: training diverged at {dict(network.hyperparameters)}; "
                "lower the learning rate or the initial scale"
            )
        module = build(network.plan.architecture)
        module.load_state_dict(trained.weights)
        measured = metrics(module.to(self._task.device).eval(), self._split, self._task.recipe)
        weights = {name: tensor.cpu() for name, tensor in trained.weights.items()}
        self._task.work.add_network(place, FinishedNetwork(weights, {**measured, "epochs": float(trained.epochs)}))


def training_set(
    split: Split, settings: Sequence[TrainingSettings], augmentation: RecipeAugmentation | None = None
) -> TrainingSet:
    """Make the training data of networks with these settings, which have the same training size."""
    labels = torch.stack([torch.from_numpy(split.labels_for(setting)) for setting in settings])
    return TrainingSet(torch.from_numpy(split.train_inputs[: labels.shape[1]]), labels, augmentation)
