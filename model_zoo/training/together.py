"""Training networks of one shape together, each with its own rates, dropout and seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from model_zoo.training.stack import Stack, State, initial_state


@dataclass(frozen=True)
class NetworkPlan:
    """One network to train. `dropout_after` gives, by layer index, the features that dropout may zero."""

    architecture: Mapping[str, object]
    dropout_after: Mapping[int, int]
    learning_rate: float
    weight_decay: float
    dropout: float
    batch_size: int
    init_scale: float
    seed: int


@dataclass(frozen=True)
class StoppingRule:
    """Train until the cross-entropy on the training data is at most `loss`, or for `max_epochs`."""

    loss: float
    max_epochs: int


@dataclass(frozen=True)
class TrainedNetwork:
    """A network's weights before and after training, by `state_dict` name, and when it stopped."""

    initial: State
    weights: State
    epochs: int
    train_loss: float


Report = Callable[[int, float], None]


def train_together(
    plans: Sequence[NetworkPlan],
    inputs: Tensor,
    labels: Tensor,
    rule: StoppingRule,
    momentum: float,
    report: Report,
) -> list[TrainedNetwork]:
    """Train the networks of `plans`, which share architecture and batch size, by SGD with momentum.

    inputs: float32 (n, C, H, W); labels: int64 (n,). `report(networks done, median loss of the others)` is
    called after each epoch. A network that has reached the rule's loss leaves the stack, so its weights do
    not depend on the others. What a network draws depends on its own seed alone.
    """
    architecture, batch_size = plans[0].architecture, plans[0].batch_size
    draws = [Draws(plan, len(labels)) for plan in plans]
    initial = [draw.initial for draw in draws]
    stack = Stack(architecture, initial)
    velocity = torch.zeros_like(stack.flat)
    alive = list(range(len(plans)))
    trained: dict[int, TrainedNetwork] = {}
    rates, decays = _rates(stack, plans)
    for epoch in range(1, rule.max_epochs + 1):
        orders = torch.stack([draws[network].order() for network in alive], dim=1)
        kept = _kept(plans[0].dropout_after, [draws[network] for network in alive])
        for start in range(0, len(labels), batch_size):
            rows = orders[start : start + batch_size]
            factors = {index: mask[:, start : start + batch_size] for index, mask in kept.items()}
            logits = stack.logits(inputs[rows], training=True, kept=factors)
            loss = functional.cross_entropy(logits.flatten(0, 1), labels[rows.T].flatten(), reduction="sum") / len(rows)
            (gradient,) = torch.autograd.grad(loss, stack.flat)
            with torch.no_grad():
                velocity.mul_(momentum).add_(gradient.addcmul_(stack.flat, decays))
                stack.flat.addcmul_(velocity, rates, value=-1)
        losses = _losses(stack, inputs, labels)
        finished = (losses <= rule.loss) | (epoch == rule.max_epochs)
        if finished.any():
            for row in finished.nonzero().flatten().tolist():
                network = alive[row]
                weights = stack.state(row)
                trained[network] = TrainedNetwork(initial[network], weights, epoch, float(losses[row]))
            rows = (~finished).nonzero().flatten()
            alive = [alive[row] for row in rows.tolist()]
            velocity = stack.keep(rows, velocity)
            rates, decays = _rates(stack, [plans[network] for network in alive])
        report(len(trained), float(losses.median()))
        if not alive:
            break
    return [trained[network] for network in range(len(plans))]


class Draws:
    """All randomness of one network, from its own seed: the same in whatever company it is trained."""

    def __init__(self, plan: NetworkPlan, examples: int) -> None:
        generator = torch.Generator().manual_seed(plan.seed)
        self.initial = initial_state(plan.architecture, plan.init_scale, generator)
        # Streams of their own, so that a network with dropout sees the examples in the same order as without.
        self._orders = torch.Generator().manual_seed(plan.seed + 1)
        self._dropout = torch.Generator().manual_seed(plan.seed + 2)
        self._probability = plan.dropout
        self._examples = examples

    def order(self) -> Tensor:
        """One epoch's order of the examples: int64 of shape (n,)."""
        return torch.randperm(self._examples, generator=self._orders)

    def kept(self, features: int) -> Tensor:
        """One epoch's dropout factors (n, features): 0 with the plan's probability, else 1 / (1 - p)."""
        if self._probability == 0:
            return torch.ones(self._examples, features)
        drawn = torch.rand(self._examples, features, generator=self._dropout)
        return (drawn >= self._probability) / (1 - self._probability)


def _rates(stack: Stack, plans: Sequence[NetworkPlan]) -> tuple[Tensor, Tensor]:
    """Learning rates and weight decays of the stack's networks, laid out like its parameters."""
    return (
        stack.spread(torch.tensor([plan.learning_rate for plan in plans])),
        stack.spread(torch.tensor([plan.weight_decay for plan in plans])),
    )


def _kept(dropout_after: Mapping[int, int], draws: Sequence[Draws]) -> dict[int, Tensor]:
    return {index: torch.stack([draw.kept(features) for draw in draws]) for index, features in dropout_after.items()}


@torch.no_grad()
def _losses(stack: Stack, inputs: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each network on all of the data: shape (count,)."""
    logits = stack.logits(inputs.unsqueeze(1).expand(-1, stack.count, -1, -1, -1), training=False)
    repeated = labels.repeat(stack.count)
    losses = functional.cross_entropy(logits.flatten(0, 1), repeated, reduction="none")
    return losses.view(stack.count, -1).mean(dim=1)
