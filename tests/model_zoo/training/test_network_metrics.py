"""What the truth records of a network: accuracies, losses, calibration, shifted and attacked test sets, true risk."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import norm
from torch import Tensor, nn
from torch.nn import functional

from model_zoo.manifest import DatasetCard
from model_zoo.recipes import Recipe, RecipeRobust, named_recipe
from model_zoo.training.calibration import smooth_ece
from model_zoo.training.datasets import Split, load_split
from model_zoo.training.network_metrics import metrics, robust_accuracy
from model_zoo.training.randomness import randomness_of
from tests.model_zoo.tiny_recipes import BASE, TINY_CNN

CARD = DatasetCard(name="tiny", source="drawn", licence="CC0-1.0")
FULL = Recipe.model_validate(
    BASE
    | {
        "family": "mlp",
        "dataset": {"name": "digits", "training_size": 300, "shift": {"kind": "rotation", "amount": 20.0}},
        "robust": {"epsilon": 0.05, "steps": 3},
        "axes": {"width": [8]},
        "fixed": {
            "depth": 1,
            "learning_rate": 0.1,
            "weight_decay": 0.0,
            "dropout": 0.0,
            "batch_size": 10,
            "init_scale": 1.0,
        },
    }
)
Confidences = NDArray[np.float64]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Small tensors only lose by more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def split() -> Split:
    return load_split(FULL.dataset, randomness_of(FULL))


@pytest.fixture(scope="module")
def network(split: Split) -> nn.Module:
    """A network that has learned something, with batch norm so that eval mode matters."""
    torch.manual_seed(1)
    made = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(made.parameters(), lr=0.5)
    inputs, labels = torch.from_numpy(split.train_inputs), torch.from_numpy(split.train_labels)
    for _ in range(40):
        optimizer.zero_grad()
        functional.cross_entropy(made(inputs), labels).backward()  # type: ignore[no-untyped-call]  # torch's stub
        optimizer.step()
    return made


def literal_smooth_ece(confidences: Confidences, correct: NDArray[np.bool_]) -> float:
    """The definition written out: every pair of example and place, every reflection, and bisection over widths."""
    places = (np.arange(4000) + 0.5) / 4000

    def error(width: float) -> float:
        smoothed = np.zeros_like(places)
        for confidence, right in zip(confidences, correct, strict=True):
            for period in range(-4, 5):
                density = norm.pdf(places, confidence + 2 * period, width)
                density += norm.pdf(places, -confidence + 2 * period, width)
                smoothed += (right - confidence) * density / len(confidences)
        return float(np.abs(smoothed).mean())

    low, high = 0.0, 1.0
    for _ in range(14):
        width = (low + high) / 2
        low, high = (width, high) if error(width) > width else (low, width)
    return (low + high) / 2


@pytest.mark.parametrize("count", [1, 7, 60])
@pytest.mark.parametrize("seed", range(2))
def test_smooth_ece_is_what_its_definition_says(count: int, seed: int) -> None:
    generator = np.random.default_rng([seed, count])
    confidences = generator.uniform(0.1, 1, size=count) ** 0.5
    correct = generator.uniform(size=count) < confidences**2
    assert smooth_ece(confidences, correct) == pytest.approx(literal_smooth_ece(confidences, correct), abs=1e-3)


@st.composite
def judged(draw: st.DrawFn) -> tuple[Confidences, NDArray[np.bool_]]:
    size = draw(st.integers(1, 50))
    return (
        draw(hnp.arrays(np.float64, size, elements=st.floats(0, 1))),
        draw(hnp.arrays(np.bool_, size)),
    )


@given(judged=judged(), seed=st.integers(0, 100))
def test_smooth_ece_lies_between_the_mean_error_and_the_mean_absolute_error(
    judged: tuple[Confidences, NDArray[np.bool_]], seed: int
) -> None:
    confidences, correct = judged
    error = smooth_ece(confidences, correct)
    grain = 1e-3  # confidences are rounded to a grid
    assert abs((correct - confidences).mean()) - grain <= error <= np.abs(correct - confidences).mean() + grain
    order = np.random.default_rng(seed).permutation(len(correct))
    assert smooth_ece(confidences[order], correct[order]) == pytest.approx(error, abs=1e-6)


@pytest.mark.parametrize(("confidence", "right", "expected"), [(1.0, True, 0.0), (1.0, False, 1.0), (0.5, True, 0.5)])
def test_smooth_ece_of_one_confidence(confidence: float, right: bool, expected: float) -> None:
    assert smooth_ece(np.full(20, confidence), np.full(20, right)) == pytest.approx(expected, abs=1e-3)


def test_smooth_ece_of_many_calibrated_confidences_is_small() -> None:
    generator = np.random.default_rng(0)
    confidences = generator.uniform(size=200_000)
    assert smooth_ece(confidences, generator.uniform(size=200_000) < confidences) < 0.01


def test_smooth_ece_of_what_is_not_finite_is_nan() -> None:
    assert math.isnan(smooth_ece(np.array([0.5, math.nan]), np.array([True, False])))


def test_metrics_are_those_that_the_recipe_promises(network: nn.Module, split: Split) -> None:
    assert metrics(network, split, FULL).keys() == FULL.metrics - {"epochs"}
    plain = load_split(TINY_CNN.dataset, randomness_of(TINY_CNN))
    assert metrics(network, plain, TINY_CNN).keys() == TINY_CNN.metrics - {"epochs"}


def test_metrics_are_what_torch_says_of_all_examples_at_once(network: nn.Module, split: Split) -> None:
    measured = metrics(network, split, FULL)
    assert not network.training
    assert split.shifted_inputs is not None
    for which, inputs, labels in (
        ("train", split.train_inputs, split.train_labels),
        ("test", split.test_inputs, split.test_labels),
        ("ood", split.shifted_inputs, split.test_labels),
    ):
        with torch.no_grad():
            logits = network(torch.from_numpy(inputs))
        decided = logits.argmax(dim=1)
        right = decided.numpy() == labels
        assert measured[f"{which}_acc"] == right.mean()
        if which != "ood":
            loss = functional.cross_entropy(logits, torch.from_numpy(labels))
            assert measured[f"{which}_loss"] == pytest.approx(float(loss), rel=1e-5)
            confidences = logits.double().softmax(dim=1).max(dim=1).values.numpy()
            expected = pytest.approx(smooth_ece(confidences, right), abs=1e-6)
            assert measured[f"{which}_calibration"] == expected
    assert measured["ood_acc"] < measured["test_acc"]
    assert measured["robust_acc"] < measured["test_acc"]


@pytest.mark.parametrize("batch_size", [1, 7, 300])
def test_metrics_do_not_depend_on_the_batch_size(network: nn.Module, split: Split, batch_size: int) -> None:
    rows = slice(0, 60)
    few = dataclasses.replace(
        split,
        train_inputs=split.train_inputs[rows],
        train_labels=split.train_labels[rows],
        test_inputs=split.test_inputs[rows],
        test_labels=split.test_labels[rows],
        shifted_inputs=None,
    )
    assert metrics(network, few, FULL, batch_size) == pytest.approx(metrics(network, few, FULL), abs=1e-5)


def test_a_diverged_network_has_metrics_that_are_not_finite(split: Split) -> None:
    layer = nn.Linear(64, 10)
    nn.init.constant_(layer.weight, math.nan)
    diverged = nn.Sequential(nn.Flatten(), layer)
    measured = metrics(diverged, split, FULL)
    assert math.isnan(measured["train_loss"])
    assert math.isnan(measured["test_calibration"])


def two_classes(inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> Split:
    return Split(CARD, 2, inputs, labels, inputs, labels)


@pytest.mark.parametrize("steps", [1, 2, 7])
@settings(max_examples=25)
@given(seed=st.integers(0, 1000), epsilon=st.floats(0.01, 1))
def test_an_attack_on_a_linear_network_finds_the_worst_case(steps: int, seed: int, epsilon: float) -> None:
    """An example withstands where its margin exceeds epsilon times the L1 norm of the weights' difference."""
    generator = np.random.default_rng(seed)
    inputs = generator.standard_normal((40, 1, 1, 5)).astype(np.float32)
    labels = generator.integers(2, size=40)
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Flatten(), nn.Linear(5, 2))
    weight, bias = (parameter.detach().double().numpy() for parameter in network.parameters())
    margins = (2 * labels - 1) * (inputs.reshape(40, 5) @ (weight[1] - weight[0]) + bias[1] - bias[0])
    reach = epsilon * np.abs(weight[1] - weight[0]).sum()
    assume((np.abs(margins - reach) > 1e-4).all())
    attack = RecipeRobust(epsilon=epsilon, steps=steps)
    assert robust_accuracy(network, two_classes(inputs, labels), attack, batch_size=16) == (margins > reach).mean()


class Watched(nn.Module):
    """A linear network that remembers between which values its inputs lay, and how far from the first batch."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 2)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach().clone())
        result: Tensor = self.linear(x.flatten(1))
        return result


@pytest.mark.parametrize(("high", "least", "most"), [(1.0, 0.0, 1.0), (1.5, -0.3, 1.8)])
def test_an_attack_stays_within_epsilon_and_in_the_range_of_pictures(high: float, least: float, most: float) -> None:
    inputs = np.random.default_rng(0).uniform(0, high, size=(50, 1, 1, 5)).astype(np.float32)
    inputs[0] = 0
    inputs[1] = high
    network = Watched()
    attack = RecipeRobust(epsilon=0.3, steps=4)
    robust_accuracy(network, two_classes(inputs, np.arange(50) % 2), attack, batch_size=50)
    assert len(network.seen) == 5
    for attacked in network.seen:
        assert float((attacked - network.seen[0]).abs().max()) <= 0.3 + 1e-6
        assert float(attacked.min()) >= least - 1e-6
        assert float(attacked.max()) <= most + 1e-6
    assert not torch.equal(network.seen[-1], network.seen[0])


def test_the_true_gap_is_the_true_risk_less_the_training_error() -> None:
    recipe = named_recipe("linear-risk")
    split = load_split(recipe.dataset, randomness_of(recipe))
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(recipe.dataset.input_shape[-1], 2))
    measured: dict[str, Any] = metrics(network, split, recipe)
    assert split.true_risk is not None
    assert measured["true_risk"] == split.true_risk(network)
    assert measured["true_gap"] == pytest.approx(measured["true_risk"] - (1 - measured["train_acc"]))
    assert measured["true_risk"] == pytest.approx(1 - measured["test_acc"], abs=5 * 0.5 / math.sqrt(4000))
