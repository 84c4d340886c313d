"""Measures of outputs and the references, by hand and by what their papers claim."""

import math

import pytest
import torch
from torch import nn

from tests.baselines.networks import data, hand_network, linear, measure, seeded

POINTS = data([(1, 0), (4, 1), (0, 1), (1, 2)], [0, 0, 1, 1])
MARGINS = [1, 4, 4, 5]


def test_inverse_squared_margin_by_hand() -> None:
    # The 10th percentile of 1, 4, 4, 5 lies 0.3 of the way from the first to the second: 1.9.
    assert measure("Inverse squared margin")(hand_network(), POINTS) == pytest.approx(1 / 1.9**2, rel=1e-12)


def test_inverse_squared_margin_does_not_reward_wrong_answers() -> None:
    wrong = data([(1, 0), (4, 1), (0, 1), (1, 2)], [1, 1, 0, 0])
    assert measure("Inverse squared margin")(hand_network(), wrong) == pytest.approx(1e6)


def test_inverse_squared_margin_falls_with_the_square_of_the_logits() -> None:
    network = hand_network()
    value = measure("Inverse squared margin")(network, POINTS)
    with torch.no_grad():
        for parameter in network[3].parameters():
            parameter.mul_(2)
    assert measure("Inverse squared margin")(network, POINTS) == pytest.approx(value / 4)


def test_training_cross_entropy_by_hand() -> None:
    expected = sum(math.log(1 + math.exp(-margin)) for margin in MARGINS) / 4
    assert measure("Training cross-entropy")(hand_network(), POINTS) == pytest.approx(expected, rel=1e-6)


def test_negative_entropy_by_hand() -> None:
    shares = [1 / (1 + math.exp(-margin)) for margin in MARGINS]
    expected = sum(p * math.log(p) + (1 - p) * math.log(1 - p) for p in shares) / 4
    assert measure("Negative output entropy")(hand_network(), POINTS) == pytest.approx(expected, rel=1e-6)


def test_negative_entropy_is_least_where_all_classes_are_alike() -> None:
    network = nn.Sequential(nn.Flatten(), linear([[0, 0], [0, 0]]))
    assert measure("Negative output entropy")(network, POINTS) == pytest.approx(-math.log(2))


def confident(share: float) -> nn.Module:
    """Says class 0 with probability `share`, whatever the input."""
    return nn.Sequential(nn.Flatten(), linear([[0, 0], [0, 0]], [math.log(share / (1 - share)), 0.0]))


def test_calibration_error_by_hand() -> None:
    # All confidences are 0.75 and half the answers are right: at every width the residual is 0.25 in all.
    assert measure("Smooth calibration error")(confident(0.75), POINTS) == pytest.approx(0.25, abs=1e-4)


def test_a_calibrated_network_has_no_calibration_error() -> None:
    three_of_four = data([(1, 0), (4, 1), (0, 1), (1, 2)], [0, 0, 0, 1])
    assert measure("Smooth calibration error")(confident(0.75), three_of_four) == pytest.approx(0, abs=1e-4)


def test_the_smoothing_of_the_calibration_error_loses_no_residual_at_the_ends() -> None:
    smoothed = measure("Smooth calibration error").__globals__["smoothed_error"]
    mass = torch.zeros(1000, dtype=torch.float64)
    mass[0], mass[999] = 0.3, 0.2
    assert [smoothed(mass, width) for width in (0.01, 0.1, 1.0)] == pytest.approx([0.5] * 3, rel=1e-6)
    mass[999] = -0.3  # far apart they count, smoothed together they cancel
    assert smoothed(mass, 0.01) == pytest.approx(0.6, rel=1e-6)
    assert smoothed(mass, 10) == pytest.approx(0, abs=1e-6)


def test_the_references() -> None:
    assert measure("Constant")(hand_network(), POINTS) == 0
    values = {seeded("Random number", hand_network(), POINTS, seed) for seed in range(20)}
    assert len(values) == 20
    assert -3 < sum(values) / 20 < 3
