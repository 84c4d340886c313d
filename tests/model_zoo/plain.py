"""The same training written out for one network with torch's own modules and optimizer: slow, and plainly right."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_zoo.architectures import build
from model_zoo.training.together import Draws, NetworkPlan, StoppingRule, TrainedNetwork


def train_alone(
    plan: NetworkPlan, inputs: Tensor, labels: Tensor, rule: StoppingRule, momentum: float
) -> TrainedNetwork:
    draws = Draws(plan, len(labels))
    network = build(plan.architecture)
    assert isinstance(network, nn.Sequential)
    network.load_state_dict(draws.initial)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=plan.learning_rate, momentum=momentum, weight_decay=plan.weight_decay
    )
    epoch, loss = 0, float("inf")
    while loss > rule.loss and epoch < rule.max_epochs:
        epoch += 1
        order = draws.order()
        kept = {index: draws.kept(features) for index, features in plan.dropout_after.items()}
        network.train()
        for start in range(0, len(labels), plan.batch_size):
            rows = order[start : start + plan.batch_size]
            x = inputs[rows]
            for index, module in enumerate(network):
                x = module(x)
                if plan.dropout and index in kept:
                    x = x * kept[index][start : start + plan.batch_size]
            optimizer.zero_grad()
            functional.cross_entropy(x, labels[rows]).backward()  # type: ignore[no-untyped-call]  # torch's stub
            optimizer.step()
        network.eval()
        with torch.no_grad():
            loss = float(functional.cross_entropy(network(inputs), labels))
    return TrainedNetwork(draws.initial, network.state_dict(), epoch, loss)


def train_one_after_another(
    plans: Sequence[NetworkPlan], inputs: Tensor, labels: Tensor, rule: StoppingRule, momentum: float
) -> list[TrainedNetwork]:
    return [train_alone(plan, inputs, labels, rule, momentum) for plan in plans]
