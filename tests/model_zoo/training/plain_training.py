"""The same training written out for one network with torch's own modules and optimizers: slow, and plainly right."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_zoo.architectures import build
from model_zoo.recipes import RecipeTraining
from model_zoo.training.batched.course import Course, TrainedNetwork, TrainingSet, evaluates_loss_after, initial_weights
from model_zoo.training.batched.draws import Draws, kept_values
from model_zoo.training.plan import NetworkPlan
from tests.model_zoo.training.plain_augmentation import augmented_alone


def train_together(
    plans: Sequence[NetworkPlan], data: TrainingSet, rules: RecipeTraining, device: torch.device
) -> list[TrainedNetwork]:
    """The whole course of a group at once: the trained networks in the order of `plans`."""
    course, trained = Course(plans, data, rules, device), []
    while course.alive:
        trained += course.advance()
    return sorted(trained, key=lambda network: network.place)


def train_alone(plan: NetworkPlan, place: int, data: TrainingSet, rules: RecipeTraining) -> TrainedNetwork:
    """The training of the network at `place` of a group, with the same draws."""
    inputs, labels = data.inputs, data.labels[place]
    draws = Draws(plan, len(labels))
    network = build(plan.architecture)
    network.load_state_dict(initial_weights(plan))
    optimizer = _optimizer(plan, network)
    step = 0
    for epoch in range(1, rules.max_epochs + 1):
        optimizer.param_groups[0]["lr"] = plan.settings.learning_rate * rules.rate_factor(epoch)
        network.train()
        order = draws.order()
        for start in range(0, len(labels), draws.steps * plan.settings.batch_size):
            block = order[start : start + draws.steps * plan.settings.batch_size]
            for rows, kept in zip(
                torch.split(block, plan.settings.batch_size), kept_values([plan], [draws]), strict=False
            ):
                seen = inputs[rows]
                if data.augmentation is not None:
                    seen = augmented_alone(seen, data.augmentation, plan.randomness.augmentation_seed, step)
                step += 1

                def loss(x: Tensor = seen, rows: Tensor = rows, kept: dict[int, Tensor] = kept) -> Tensor:
                    for index, module in enumerate(network):
                        x = module(x)
                        if index in kept:
                            x = x * kept[index][0, : len(rows)].view(x.shape)
                    return functional.cross_entropy(x, labels[rows])

                if plan.settings.optimizer == "sam":
                    _climb_and_step(network, optimizer, loss, plan.settings.rho)
                else:
                    _step(optimizer, loss)
        network.eval()
        with torch.no_grad():
            measured = float(functional.cross_entropy(network(inputs), labels))
        if evaluates_loss_after(epoch, rules.max_epochs) and measured <= rules.stop_loss:
            break
    return TrainedNetwork(place, network.state_dict(), epoch, measured)


def train_one_after_another(
    plans: Sequence[NetworkPlan], data: TrainingSet, rules: RecipeTraining
) -> list[TrainedNetwork]:
    return [train_alone(plan, place, data, rules) for place, plan in enumerate(plans)]


def _optimizer(plan: NetworkPlan, network: nn.Module) -> torch.optim.Optimizer:
    settings = plan.settings
    if settings.optimizer == "adam":
        return torch.optim.Adam(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    return torch.optim.SGD(
        network.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )


def _step(optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> None:
    optimizer.zero_grad()
    loss().backward()  # type: ignore[no-untyped-call]  # torch's stub
    optimizer.step()


def _climb_and_step(
    network: nn.Module, optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor], rho: float
) -> None:
    """SAM: the gradient at the point that lies `rho` uphill; batch norm keeps the statistics of the first pass."""
    parameters = list(network.parameters())
    before = [parameter.detach().clone() for parameter in parameters]
    slopes = torch.autograd.grad(loss(), parameters)
    statistics = {name: buffer.clone() for name, buffer in network.named_buffers()}
    length = torch.sqrt(sum((slope.square().sum() for slope in slopes), torch.zeros(())))
    with torch.no_grad():
        for parameter, slope in zip(parameters, slopes, strict=True):
            parameter.add_(slope * rho / (length + 1e-12))
    optimizer.zero_grad()
    loss().backward()  # type: ignore[no-untyped-call]  # torch's stub
    with torch.no_grad():
        for parameter, was in zip(parameters, before, strict=True):
            parameter.copy_(was)
        for name, buffer in network.named_buffers():
            buffer.copy_(statistics[name])
    optimizer.step()
