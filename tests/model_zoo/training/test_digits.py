"""The two demo zoos as they are trained on this machine: complete, measured rightly, and worth predicting."""

import math
from pathlib import Path

import pytest
import torch
from scipy.stats import kendalltau
from torch.nn import functional

from model_zoo import Zoo, loading, open_zoo
from model_zoo.gap_summary import summarize_gaps
from model_zoo.recipes import named_recipe


@pytest.fixture(params=["digits_mlp", "digits_cnn"])
def zoo(request: pytest.FixtureRequest) -> Zoo:
    folder: Path = request.getfixturevalue(request.param)
    return open_zoo(folder)


def test_the_grid_is_complete(zoo: Zoo) -> None:
    zoo.verify()
    truth = zoo.truth()
    assert len(truth.axes) >= 5
    assert len(zoo.networks) == math.prod(len(axis.values) for axis in truth.axes) >= 64
    points = {tuple(network.hyperparameters[axis.name] for axis in truth.axes) for network in truth.networks.values()}
    assert len(points) == len(zoo.networks)


def test_recorded_accuracies_and_losses_are_those_of_the_files(zoo: Zoo) -> None:
    truth, train, test = zoo.truth(), loading.load_training_data(zoo), loading.load_test_data(zoo)
    assert truth.test_size == len(test)
    assert len(train) + len(test) == 1797
    for entry in zoo.networks:
        network = loading.load_network(zoo, entry.id)
        metrics = truth.networks[entry.id].metrics
        for data, which in ((train, "train"), (test, "test")):
            with torch.no_grad():
                logits = network(data.inputs)
            accuracy = float((logits.argmax(1) == data.labels).double().mean())
            assert accuracy == pytest.approx(metrics[f"{which}_acc"], abs=1 / len(data))
            loss = float(functional.cross_entropy(logits, data.labels))
            assert loss == pytest.approx(metrics[f"{which}_loss"], rel=1e-3, abs=1e-5)


def test_the_gaps_differ_by_more_than_the_test_sets_noise(zoo: Zoo) -> None:
    summary = summarize_gaps(zoo.truth())
    assert summary.spread >= 3
    assert summary.least > 0


def test_nearly_all_networks_reach_the_same_training_loss(zoo: Zoo) -> None:
    recipe = named_recipe(zoo.name)
    metrics = [network.metrics for network in zoo.truth().networks.values()]
    reached = [network for network in metrics if network["train_loss"] <= recipe.training.stop_loss * 1.001]
    assert len(reached) >= 0.95 * len(metrics)
    assert all(network["train_acc"] >= 0.99 for network in reached)
    assert all(network["epochs"] == recipe.training.max_epochs for network in metrics if network not in reached)


def test_a_measure_of_the_weights_tells_something_of_the_gap(zoo: Zoo) -> None:
    gaps, values, targets = zoo.truth().gaps(), [], []
    for entry in zoo.networks:
        network = loading.load_network(zoo, entry.id)
        assert isinstance(network.initial, torch.nn.Module)
        pairs = zip(network.parameters(), network.initial.parameters(), strict=True)
        moved = sum(float((now - before).detach().square().sum()) for now, before in pairs)
        squared = sum(float(now.detach().square().sum()) for now in network.parameters())
        values.append((moved, squared))
        targets.append(gaps[entry.id])
    by_measure = [abs(kendalltau(column, targets).statistic) for column in zip(*values, strict=True)]
    assert max(by_measure) >= 0.1


def test_half_of_the_convolutional_networks_have_batch_norm(digits_cnn: Path) -> None:
    zoo = open_zoo(digits_cnn)
    kinds = [str(entry.architecture) for entry in zoo.networks]
    assert sum("batchnorm2d" in kind for kind in kinds) == len(kinds) / 2
    assert all("conv2d" in kind for kind in kinds)
