"""Datasets that come with Gengap or are drawn: their splits, label noise, shifts and the true risk of a linear task."""

import dataclasses
import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import ndimage
from torch import nn

from model_zoo.manifest import ZooError
from model_zoo.recipes import RecipeDataset, TrainingSettings
from model_zoo.training.datasets import Split, load_split
from model_zoo.training.datasets.linear import LinearRisk
from model_zoo.training.datasets.noise import noisy_labels
from model_zoo.training.randomness import Seeded

DRAWN: dict[str, dict[str, Any]] = {
    "teacher": {"training_size": 200, "test_size": 300, "dimension": 12, "classes": 4},
    "gaussian-mixture": {"training_size": 200, "test_size": 300, "dimension": 12, "classes": 4, "separation": 3.0},
    "noisy-linear": {"training_size": 200, "test_size": 300, "dimension": 12, "noise": 0.5},
}
SETTINGS = TrainingSettings("sgd", 0.1, 0.0, 0.0, 10, 1.0, 0.9, 0.05, 0.0, None)


def split_of(name: str, seed: int = 3, **options: Any) -> Split:
    dataset: RecipeDataset = TypeAdapter(RecipeDataset).validate_python(
        {"name": name, **DRAWN.get(name, {}), **options}
    )
    return load_split(dataset, Seeded(seed))


def arrays(split: Split) -> list[Any]:
    return [split.train_inputs, split.train_labels, split.test_inputs, split.test_labels]


def test_digits_are_cut_by_label_and_none_is_in_both_parts() -> None:
    split = split_of("digits", training_size=200)
    assert split.train_inputs.shape == (200, 1, 8, 8)
    assert len(split.train_labels) + len(split.test_labels) == 1797
    assert np.bincount(split.train_labels).tolist() == pytest.approx([20] * 10, abs=1)
    seen = {scan.tobytes() for scan in split.train_inputs}
    assert not seen & {scan.tobytes() for scan in split.test_inputs}


def test_digits_with_a_test_size_have_a_part_of_the_rest() -> None:
    whole, part = split_of("digits", training_size=200), split_of("digits", training_size=200, test_size=500)
    assert np.array_equal(whole.train_inputs, part.train_inputs)
    assert len(part.test_labels) == 500
    assert {scan.tobytes() for scan in part.test_inputs} <= {scan.tobytes() for scan in whole.test_inputs}


@pytest.mark.parametrize(
    "sizes", [{"training_size": 5}, {"training_size": 1790}, {"training_size": 90, "test_size": 5}]
)
def test_sizes_that_the_digits_do_not_have_are_told(sizes: dict[str, int]) -> None:
    with pytest.raises(ZooError, match=r"(training|test)_size .*: must be"):
        split_of("digits", **sizes)


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_data_have_the_sizes_asked_for_and_come_from_the_seed(name: str) -> None:
    split = split_of(name)
    assert split.train_inputs.shape == (200, 1, 1, 12)
    assert split.test_inputs.shape == (300, 1, 1, 12)
    assert split.train_inputs.dtype == np.float32
    assert split.train_labels.dtype == np.int64
    assert set(np.concatenate([split.train_labels, split.test_labels])) == set(range(split.classes))
    for same, other, own in zip(arrays(split_of(name)), arrays(split_of(name, seed=4)), arrays(split), strict=True):
        assert np.array_equal(same, own)
        assert not np.array_equal(other, own)
    assert pickle.loads(pickle.dumps(split)).input_shape == split.input_shape, "training processes get it by pickle"


def test_a_class_that_was_never_drawn_is_told() -> None:
    with pytest.raises(
        ZooError, match=r"no example of class \d+ in the training set; take more, or other random numbers"
    ):
        split_of("gaussian-mixture", training_size=5, classes=12)


def test_the_centres_of_a_mixture_are_as_far_from_0_as_asked() -> None:
    split = split_of("gaussian-mixture", training_size=20_000, test_size=200, separation=5.0)
    for label in range(split.classes):
        centre = split.train_inputs[split.train_labels == label].mean(axis=(0, 1, 2))
        assert np.linalg.norm(centre) == pytest.approx(5, abs=0.15)


def test_no_class_of_a_teacher_is_rare() -> None:
    split = split_of("teacher", training_size=4000, classes=10, teacher_depth=2)
    assert np.bincount(split.train_labels).min() > 100


# Label noise


@given(
    classes=st.integers(2, 12),
    size=st.integers(1, 300),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 2**32),
)
def test_label_noise_changes_its_share_and_a_larger_share_changes_more_of_the_same(
    classes: int, size: int, shares: tuple[float, float], seed: int
) -> None:
    labels = np.random.default_rng(0).integers(classes, size=size)
    before = labels.copy()
    less, more = (
        noisy_labels(labels, classes, share, Seeded(seed).generator("label noise")) for share in sorted(shares)
    )
    assert np.array_equal(labels, before)
    for noisy, share in zip((less, more), sorted(shares), strict=True):
        assert (noisy != labels).sum() == round(share * size)
        assert noisy.min() >= 0
        assert noisy.max() < classes
    spoilt = less != labels
    assert np.array_equal(less[spoilt], more[spoilt])


def test_wrong_labels_are_spread_evenly_over_the_other_classes() -> None:
    noisy = noisy_labels(np.full(40_000, 3), 5, 1.0, np.random.default_rng(7))
    assert np.bincount(noisy, minlength=5) / 40_000 == pytest.approx([0.25, 0.25, 0.25, 0, 0.25], abs=0.01)


def test_label_noise_of_a_dataset_is_on_its_training_labels_alone() -> None:
    clean, noisy = split_of("digits", training_size=200), split_of("digits", training_size=200, label_noise=0.25)
    assert (clean.train_labels != noisy.train_labels).sum() == 50
    assert np.array_equal(clean.test_labels, noisy.test_labels)
    assert np.array_equal(clean.train_inputs, noisy.train_inputs)


def test_a_network_is_trained_with_the_labels_of_its_own_noise_and_size() -> None:
    noisy = split_of("digits", training_size=200, label_noise=0.25)
    clean = split_of("digits", training_size=200)
    same = dataclasses.replace(SETTINGS, label_noise=0.25)
    assert np.array_equal(noisy.labels_for(same), noisy.train_labels), "the dataset's noise is not added twice"
    assert np.array_equal(clean.labels_for(same), noisy.train_labels)
    assert np.array_equal(clean.labels_for(SETTINGS), clean.train_labels)
    few = dataclasses.replace(same, training_size=30)
    assert len(clean.labels_for(few)) == 30
    assert (clean.labels_for(few) != clean.train_labels[:30]).sum() == round(0.25 * 30)
    assert len(clean.labels_for(same)) == 200


# Shifted test sets


def test_without_a_shift_there_is_no_shifted_test_set() -> None:
    split = split_of("digits", training_size=100)
    assert split.shifted_inputs is None
    assert split.shifted_labels is None


def test_turned_digits_are_those_turned_one_by_one() -> None:
    split = split_of("digits", training_size=1700, shift={"kind": "rotation", "amount": 30.0})
    assert split.shifted_inputs is not None
    for scan, turned in zip(split.test_inputs, split.shifted_inputs, strict=True):
        expected = ndimage.rotate(scan[0], 30.0, reshape=False, order=1)
        np.testing.assert_allclose(turned[0], expected, atol=1e-6)
    assert split.shifted_inputs.dtype == np.float32
    assert split.shifted_labels is not None
    assert np.array_equal(split.shifted_labels, split.test_labels)


def test_a_quarter_turn_moves_the_right_side_to_the_top() -> None:
    split = split_of("digits", training_size=1700, shift={"kind": "rotation", "amount": 90.0})
    assert split.shifted_inputs is not None
    np.testing.assert_allclose(split.shifted_inputs, np.rot90(split.test_inputs, axes=(2, 3)), atol=1e-5)


def test_noise_has_the_deviation_asked_for_and_comes_from_the_seed() -> None:
    shift = {"kind": "noise", "amount": 0.4}
    split, again = (split_of("digits", training_size=100, shift=shift) for _ in range(2))
    assert split.shifted_inputs is not None
    noise = split.shifted_inputs - split.test_inputs
    assert noise.std() == pytest.approx(0.4, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert again.shifted_inputs is not None
    assert np.array_equal(split.shifted_inputs, again.shifted_inputs)


def test_a_label_shift_draws_the_test_set_with_unequal_classes() -> None:
    split = split_of("digits", training_size=100, shift={"kind": "label_shift", "amount": 0.5})
    assert split.shifted_inputs is not None
    assert split.shifted_labels is not None
    assert len(split.shifted_labels) == len(split.test_labels)
    shares = sorted(np.bincount(split.shifted_labels, minlength=10) / len(split.shifted_labels), reverse=True)
    expected = 0.5 ** np.arange(10)
    assert shares == pytest.approx(list(expected / expected.sum()), abs=0.04)
    known = {(scan.tobytes(), label) for scan, label in zip(split.test_inputs, split.test_labels, strict=True)}
    assert {
        (scan.tobytes(), label) for scan, label in zip(split.shifted_inputs, split.shifted_labels, strict=True)
    } <= known


# The linear task of known risk


def linear_network(weight: Any, bias: Any) -> nn.Sequential:
    layer = nn.Linear(len(weight[0]), 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(np.asarray(weight)))
        layer.bias.copy_(torch.tensor(np.asarray(bias)))
    return nn.Sequential(nn.Flatten(), layer)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise", [0.0, 0.7])
def test_the_true_risk_is_that_of_many_examples(seed: int, noise: float) -> None:
    count = 200_000
    split = split_of("noisy-linear", seed=seed, noise=noise, training_size=100, test_size=count, dimension=6)
    assert isinstance(split.true_risk, LinearRisk)
    generator = np.random.default_rng(seed)
    weight = generator.standard_normal((2, 6)) + seed * np.stack(
        [-split.true_risk.direction, split.true_risk.direction]
    )
    network = linear_network(weight, generator.standard_normal(2))
    with torch.no_grad():
        errors = network(torch.from_numpy(split.test_inputs)).argmax(dim=1).numpy() != split.test_labels
    deviation = math.sqrt(errors.mean() * (1 - errors.mean()) / count)
    assert split.true_risk(network) == pytest.approx(errors.mean(), abs=5 * deviation)


@given(angle=st.floats(0, math.pi), noise=st.floats(0, 3), scale=st.floats(0.01, 100))
def test_without_bias_the_risk_is_the_angle_over_pi(angle: float, noise: float, scale: float) -> None:
    risk = LinearRisk(np.array([1.0, 0.0]), noise)
    direction = scale * np.array([math.cos(angle), math.sin(angle)])
    network = linear_network([-direction, direction], [0.5, 0.5])
    correlation = math.cos(angle) / math.sqrt(1 + noise**2)
    assert risk(network) == pytest.approx(math.acos(correlation) / math.pi, abs=1e-4)


def test_the_teacher_itself_errs_only_by_the_noise_and_its_opposite_always_otherwise() -> None:
    direction = np.array([0.6, 0.8])
    teacher, opposite = linear_network([-direction, direction], [0, 0]), linear_network([direction, -direction], [0, 0])
    assert LinearRisk(direction, 0.0)(teacher) == pytest.approx(0, abs=1e-6)
    assert LinearRisk(direction, 0.0)(opposite) == pytest.approx(1, abs=1e-6)
    assert LinearRisk(direction, 1.0)(teacher) == pytest.approx(0.25)


def test_a_decision_that_looks_at_nothing_errs_half_of_the_time() -> None:
    risk = LinearRisk(np.array([0.6, 0.8]), 0.5)
    assert risk(linear_network([[1, 2], [1, 2]], [0, 3])) == 0.5
    assert risk(linear_network([[0, 0], [0.6, 0.8]], [0, 1e6])) == pytest.approx(0.5)


def test_the_risk_of_linear_layers_one_after_another_is_that_of_their_product() -> None:
    torch.manual_seed(0)
    deep = nn.Sequential(nn.Flatten(), nn.Linear(5, 7), nn.Linear(7, 3, bias=False), nn.Linear(3, 2))
    with torch.no_grad():
        bias = deep(torch.zeros(1, 5))[0]
        weight = (deep(torch.eye(5)) - bias).T
    risk = LinearRisk(np.array([1.0, 0, 0, 0, 0]), 0.2)
    assert risk(deep) == pytest.approx(risk(linear_network(weight.numpy(), bias.numpy())), abs=1e-5)


@pytest.mark.parametrize(
    "network",
    [nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 3)), nn.Linear(2, 2)],
)
def test_the_risk_of_another_network_is_not_known(network: nn.Module) -> None:
    with pytest.raises(ZooError, match="the true risk is known"):
        LinearRisk(np.array([0.6, 0.8]), 0.5)(network)
