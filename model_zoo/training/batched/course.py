"""The training of a group of networks of one shape, each with its own rates, dropout and random numbers.

`pool` runs it in blocks of steps, and may save a snapshot between two blocks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from model_zoo.recipes import RecipeAugmentation, RecipeTraining
from model_zoo.training.augmentation import augmented
from model_zoo.training.batched.draws import Draws, block_steps, initial_state, kept_values
from model_zoo.training.batched.optimizers import optimizer_of
from model_zoo.training.batched.perceptron import PerceptronStack, is_perceptron
from model_zoo.training.batched.stack import Batch, LayerStack, Stack, State
from model_zoo.training.plan import NetworkPlan

_EVALUATIONS = 50
_LOGITS_INPUTS = 2**22  # input values of all networks in one evaluation of the loss
_VECTOR, _BUFFER = "vector.", "buffer."

T = TypeVar("T")


def evaluates_loss_after(epoch: int, last: int) -> bool:
    """Whether the loss of the stopping rule is evaluated after `epoch` (from 1) of at most `last`.

    It is after each of the first 99, then often enough that no network trains more than 2 % too long.
    """
    return epoch % max(1, epoch // _EVALUATIONS) == 0 or epoch == last


@dataclass(frozen=True)
class TrainingSet:
    """The data that a group trains on.

    Attributes
    ----------
    inputs : torch.Tensor
        float32, (n, C, H, W).
    labels : torch.Tensor
        int64, (networks, n): each network has its own.
    augmentation : RecipeAugmentation or None
        How steps change their inputs. The loss of the stopping rule is on the unchanged inputs.
    """

    inputs: Tensor
    labels: Tensor
    augmentation: RecipeAugmentation | None = None


@dataclass(frozen=True)
class TrainedNetwork:
    """A network that has finished training.

    Attributes
    ----------
    place : int
        Its index in the group.
    weights : dict
        By `state_dict` name.
    epochs : int
        When it stopped.
    train_loss : float
        At that time; not finite if the training diverged.
    """

    place: int
    weights: State
    epochs: int
    train_loss: float


@dataclass(frozen=True)
class TrajectoryState:
    """A network's weights after an epoch of the recipe's trajectory, and its index in the group."""

    place: int
    epoch: int
    weights: State


class Course:
    """The training of a group of networks with the same architecture, batch size and optimizer.

    A network that has reached the stopping loss, or diverged, leaves the group. A network's random numbers depend on
    its plan alone.

    Parameters
    ----------
    plans : sequence of NetworkPlan
    data : TrainingSet
    rules : RecipeTraining
    device : torch.device

    Attributes
    ----------
    alive : list of int
        Indices of the networks still in training.
    epoch : int
        The current epoch, from 1.
    loss : float
        Median training loss when it was last evaluated.
    """

    def __init__(
        self, plans: Sequence[NetworkPlan], data: TrainingSet, rules: RecipeTraining, device: torch.device
    ) -> None:
        self._plans, self._rules, self._device = plans, rules, device
        self._inputs, self._labels = data.inputs.to(device), data.labels.to(device)
        self._augmentation = data.augmentation
        self._draws = [Draws(plan, len(data.inputs)) for plan in plans]
        self._block_examples = block_steps(plans[0], len(data.inputs)) * plans[0].settings.batch_size
        self._orders: Tensor | None = None
        self._block = 0
        self._trajectory_states: list[TrajectoryState] = []
        self.alive = list(range(len(plans)))
        self.epoch, self.loss = 1, math.nan
        states = [initial_weights(plan) for plan in plans]
        kind = PerceptronStack if is_perceptron(plans[0].architecture) else LayerStack
        self._stack: Stack = kind(plans[0].architecture, states, device)
        self._optimizer = optimizer_of([plan.settings for plan in plans], self._stack)

    def advance(self) -> list[TrainedNetwork]:
        """Train one block of steps, at most an epoch, and return the networks that finished with it."""
        if self._orders is None:
            self._orders = torch.stack([draw.order() for draw in self._of_alive(self._draws)])
            self._optimizer.set_factor(self._rules.rate_factor(self.epoch))
        batch_size, block = self._plans[0].settings.batch_size, self._block_examples
        rows = self._orders[:, self._block * block :][:, :block].to(self._device)
        plans, draws = self._of_alive(self._plans), self._of_alive(self._draws)
        steps = zip(torch.split(rows, batch_size, dim=1), kept_values(plans, draws), strict=False)
        for step, (own, kept) in enumerate(steps, start=self._steps_before()):
            size = own.shape[1]
            factors = {layer: factor[:, :size].to(self._device) for layer, factor in kept.items()}
            inputs = torch.unflatten(self._inputs.index_select(0, own.flatten()), 0, own.shape)
            if self._augmentation is not None:
                inputs = augmented(
                    inputs, self._augmentation, [plan.randomness.augmentation_seed for plan in plans], step
                )
            self._optimizer.step(self._stack, Batch(inputs, self._labels.gather(1, own), factors))
        self._block += 1
        if self._block * block < len(self._inputs):
            return []
        return self._end_epoch()

    def snapshot(self) -> dict[str, Tensor]:
        """Return the whole state, for `restore`. To be called between two calls of `advance`."""
        orders = {} if self._orders is None else {"orders": self._orders}
        return {
            "position": torch.tensor([self.epoch, self._block, self._optimizer.steps]),
            "loss_and_factor": torch.tensor([self.loss, self._optimizer.factor], dtype=torch.float64),
            "alive": torch.tensor(self.alive),
            "flat": self._stack.flat,
            "draws": torch.stack([draw.state for draw in self._of_alive(self._draws)]),
            **orders,
            **{f"{_BUFFER}{name}": buffer for name, buffer in self._stack.buffers.items()},
            **{f"{_VECTOR}{name}": vector for name, vector in self._optimizer.vectors.items()},
        }

    def restore(self, snapshot: Mapping[str, Tensor]) -> None:
        """Continue from a snapshot, with exactly the numbers of an uninterrupted training."""
        self.epoch, self._block, steps = snapshot["position"].tolist()
        self.loss, factor = snapshot["loss_and_factor"].tolist()
        self._orders = snapshot.get("orders")
        self._keep(snapshot["alive"])
        for draw, state in zip(self._of_alive(self._draws), snapshot["draws"], strict=True):
            draw.state = state
        self._stack.flat.copy_(snapshot["flat"])
        for name, buffer in self._stack.buffers.items():
            buffer.copy_(snapshot[f"{_BUFFER}{name}"])
        vectors = {name: snapshot[f"{_VECTOR}{name}"].to(self._device) for name in self._optimizer.vectors}
        self._optimizer.resume(vectors, steps, factor)

    def _steps_before(self) -> int:
        """Compute how many steps each network has made."""
        batch_size = self._plans[0].settings.batch_size
        return (self.epoch - 1) * -(-len(self._inputs) // batch_size) + self._block * self._block_examples // batch_size

    def take_trajectory_states(self) -> list[TrajectoryState]:
        """Return the weights for trajectories that were collected since the last call."""
        states, self._trajectory_states = self._trajectory_states, []
        return states

    def _end_epoch(self) -> list[TrainedNetwork]:
        epoch, self.epoch, self._block, self._orders = self.epoch, self.epoch + 1, 0, None
        trained = self._stopped(epoch) if evaluates_loss_after(epoch, self._rules.max_epochs) else []
        if epoch in self._rules.trajectory:
            self._trajectory_states += [
                TrajectoryState(place, epoch, self._stack.state(row)) for row, place in enumerate(self.alive)
            ]
        return trained

    def _stopped(self, epoch: int) -> list[TrainedNetwork]:
        losses = self._losses()
        self.loss = float(losses.median())
        stopped = (losses <= self._rules.stop_loss) | ~losses.isfinite() | (epoch == self._rules.max_epochs)
        trained = [
            TrainedNetwork(self.alive[row], self._stack.state(row), epoch, float(losses[row]))
            for row in stopped.nonzero().flatten().tolist()
        ]
        if trained:
            self._keep((~stopped).nonzero().flatten())
        return trained

    def _keep(self, rows: Tensor) -> None:
        vectors = {name: self._stack.kept(vector, rows) for name, vector in self._optimizer.vectors.items()}
        self.alive = [self.alive[row] for row in rows.tolist()]
        self._stack.keep(rows)
        self._labels = self._labels[rows]
        if self.alive:
            steps, factor = self._optimizer.steps, self._optimizer.factor
            self._optimizer = optimizer_of([plan.settings for plan in self._of_alive(self._plans)], self._stack)
            self._optimizer.resume(vectors, steps, factor)

    def _of_alive(self, of_all: Sequence[T]) -> list[T]:
        return [of_all[network] for network in self.alive]

    @torch.no_grad()
    def _losses(self) -> Tensor:
        """Compute the mean cross-entropy of each network on all of its data: shape (count,)."""
        size = max(1, _LOGITS_INPUTS // (self._stack.count * self._inputs[0].numel()))
        total = torch.zeros(self._stack.count, device=self._device)
        for inputs, own in zip(torch.split(self._inputs, size), torch.split(self._labels, size, dim=1), strict=True):
            logits = self._stack.logits(inputs)
            losses = functional.cross_entropy(logits.flatten(0, 1), own.flatten(), reduction="none")
            total += losses.view(self._stack.count, -1).sum(dim=1)
        return (total / len(self._inputs)).cpu()


def initial_weights(plan: NetworkPlan) -> State:
    """Make the plan's weights before training."""
    return initial_state(plan.architecture, plan.settings.init_scale, plan.randomness.generator("initial weights"))
