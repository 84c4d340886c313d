"""What is equal as people write it ties: gaps and other differences, through every way of making a truth."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import DERIVED_TARGETS, Draws, Truth, parse_truth, report
from scoring.decimals import rounded_differences
from scoring.statistics.cmi import ConditionalMutualInformation
from tests.scoring.grids import decimal_numbers

SHAPE = (2, 2, 3, 2, 2)
# For each derived target the metrics of a network: those that it is made of, and their difference in decimals.
OPERANDS = {
    "gap": ("train_acc", "test_acc"),
    "test_error": (None, "test_acc"),
    "loss_gap": ("test_loss", "train_loss"),
    "calibration_gap": ("test_calibration", "train_calibration"),
    "ood_gap": ("train_acc", "ood_acc"),
    "robust_gap": ("train_acc", "robust_acc"),
}


def steps() -> list[int]:
    """A hundredth of the gap for each of 48 networks: 0 to 6, so that most gaps are shared."""
    return [sum(place) for place in product(*(range(size) for size in SHAPE))]


def content(target: str, *, scale: int = 10_000) -> dict[str, Any]:
    """A truth whose targets are hundredths in decimals, while float64 makes them differ in the last digits."""
    random = np.random.default_rng(5)
    first, second = OPERANDS[target]
    networks = {}
    for index, (place, step) in enumerate(zip(product(*(range(size) for size in SHAPE)), steps(), strict=True)):
        minuend = int(random.integers(9 * scale // 10, scale)) if first else scale
        metrics = {second: (minuend - step * scale // 100) / scale} | ({first: minuend / scale} if first else {})
        networks[f"n{index}"] = {
            "hyperparameters": {f"a{axis}": value for axis, value in enumerate(place)},
            "metrics": {"train_acc": 1.0, "test_acc": 0.5} | metrics,
        }
    axes = [{"name": f"a{axis}", "values": list(range(size))} for axis, size in enumerate(SHAPE)]
    return {"format": 1, "test_size": 10_000, "axes": axes, "networks": networks}


@pytest.mark.parametrize("target", DERIVED_TARGETS)
def test_the_order_of_the_decimals_is_perfect(target: str) -> None:
    truth = parse_truth(content(target), target)
    assert truth.targets.tolist() == [step / 100 for step in steps()]
    result = report(truth, {f"n{index}": float(step) for index, step in enumerate(steps())})
    assert result.score == pytest.approx(100, abs=1e-9)
    assert result.kendall.tau_b == 1


def test_float64_alone_would_break_these_ties() -> None:
    gaps = [n["metrics"]["train_acc"] - n["metrics"]["test_acc"] for n in content("gap")["networks"].values()]
    assert len(set(gaps)) > len(set(steps()))


def test_accuracies_in_per_cent_tie_too() -> None:
    recorded = content("gap")
    for network in recorded["networks"].values():
        network["metrics"] = {name: 100 * number for name, number in network["metrics"].items()}
    assert parse_truth(recorded).targets.tolist() == steps()


def test_gaps_that_a_caller_has_subtracted_tie_too() -> None:
    recorded = [network["metrics"] for network in content("gap")["networks"].values()]
    gaps = np.array([metrics["train_acc"] - metrics["test_acc"] for metrics in recorded])
    axes = {f"a{axis}": list(range(size)) for axis, size in enumerate(SHAPE)}
    rows = np.array(list(product(*(range(size) for size in SHAPE))))
    truth = Truth.from_arrays([f"n{index}" for index in range(48)], gaps, axes, rows)
    assert truth.targets.tolist() == [step / 100 for step in steps()]


def test_a_gap_far_smaller_than_the_accuracies_keeps_the_digits_that_it_has() -> None:
    recorded = content("gap")
    for index, network in enumerate(recorded["networks"].values()):
        test_acc = 0.9 + index / 1000
        network["metrics"] = {"train_acc": round(test_acc + 1e-5, 5), "test_acc": test_acc}
    assert set(parse_truth(recorded).targets.tolist()) == {1e-5}


@given(
    st.integers(1, 60_000),
    st.integers(1, 60_000),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=8, max_size=8),
    st.integers(0, 7),
)
def test_shares_of_any_two_numbers_of_examples_are_ordered_as_fractions(
    train: int, test: int, shares: list[tuple[float, float]], copied: int
) -> None:
    counts = [(round(a * train), round(b * test)) for a, b in shares]
    # a second pair with the same gap as one of them, where the sizes have a common divisor
    common = int(np.gcd(train, test))
    right, wrong = counts[copied]
    moved = (right + train // common, wrong + test // common)
    counts[(copied + 1) % 8] = moved if moved[0] <= train and moved[1] <= test else (right, wrong)
    exact = [Fraction(a, train) - Fraction(b, test) for a, b in counts]
    metrics = [{"train_acc": a / train, "test_acc": b / test} for a, b in counts]
    targets = parse_truth(eight(metrics)).targets.tolist()
    for a, b in product(range(8), repeat=2):
        assert (targets[a] > targets[b]) == (exact[a] > exact[b])


def test_equal_gaps_tie_where_rounding_has_its_boundary() -> None:
    """1/40,960 = 0.0000244140625 is half-way between two numbers of 12 decimals."""
    right = np.arange(1, 40_961)
    gaps = right / 40_960 - (right - 1) / 40_960
    assert len(set(np.round(gaps, 12).tolist())) == 2
    assert len(set(rounded_differences(gaps, right / 40_960).tolist())) == 1


def test_each_row_of_differences_is_rounded_by_itself() -> None:
    rows = np.array([[0.3 - 0.1, 0.2, 0.5], [0.9, 0.2, 0.3 - 0.1]])
    assert rounded_differences(rows, np.ones(3)).tolist() == [[0.2, 0.2, 0.5], [0.9, 0.2, 0.2]]


def test_the_twelfth_decimal_still_counts() -> None:
    targets = parse_truth(eight([{"train_acc": 1.0, "test_acc": 1 - k * 1e-12} for k in range(8)])).targets
    assert targets.tolist() == [float(f"{k}e-12") for k in range(8)]


@given(st.lists(decimal_numbers(), min_size=8, max_size=8))
def test_what_has_no_digit_to_lose_stays(numbers: list[float]) -> None:
    assert from_numbers(numbers, "gap") == numbers


def test_a_difference_of_zero_has_no_sign() -> None:
    metrics = [{"train_acc": 0.3, "test_acc": 0.1 + 0.2}, {"train_acc": -0.0, "test_acc": 0.0}]
    targets = parse_truth(eight(4 * metrics)).targets
    assert [str(target) for target in targets.tolist()] == ["0.0"] * 8


def test_a_recorded_metric_counts_with_its_own_twelve_digits() -> None:
    numbers = [0.1 + 0.2, 0.3, 1e-15, 1.5e-15, 123456.7890125, 1e15 + 1, 1e15 + 2, -0.0]
    assert from_numbers(numbers, "sharpness") == [0.3, 0.3, 1e-15, 1.5e-15, 123456.789012, 1e15 + 1, 1e15 + 2, 0.0]


def test_rounding_twice_changes_nothing() -> None:
    truth = parse_truth(content("loss_gap", scale=997), "loss_gap")
    again = Truth(truth.grid, truth.targets, truth.target, truth.metrics)
    assert again.targets.tolist() == truth.targets.tolist()


def test_redrawn_test_sets_tie_as_whole_numbers_of_examples_do() -> None:
    """All training accuracies are 1, so a redrawn gap is a number of mistakes, whatever the measured one was."""
    examples, draws = 20, 30
    truth = parse_truth(content("test_error") | {"test_size": examples})
    values = {f"n{index}": float(step) for index, step in enumerate(steps())}
    noise = report(truth, values, draws=Draws(0, draws, seed=4)).noise
    accuracies = np.array([metrics["test_acc"] for metrics in truth.metrics.values()])
    mistakes = examples - np.random.default_rng(4).binomial(examples, accuracies, size=(draws, 48))
    scores = [
        ConditionalMutualInformation(targets, truth.grid).score(truth.align(values)).minimum
        for targets in mistakes.astype(np.float64)
    ]
    assert noise is not None
    assert noise.mean == pytest.approx(np.mean(scores), abs=1e-12)
    assert noise.standard_deviation == pytest.approx(np.std(scores), abs=1e-12)


def from_numbers(numbers: list[float], target: str) -> list[float]:
    axes = {"x": [0, 1], "y": [0, 1], "z": [0, 1]}
    rows = np.array(list(product((0, 1), repeat=3)))
    targets: list[float] = Truth.from_arrays("abcdefgh", np.array(numbers), axes, rows, target).targets.tolist()
    return targets


def eight(metrics: list[dict[str, float]]) -> dict[str, Any]:
    networks = {
        f"n{index}": {"hyperparameters": {"x": x, "y": y, "z": z}, "metrics": own}
        for index, ((x, y, z), own) in enumerate(zip(product((0, 1), repeat=3), metrics, strict=True))
    }
    return {"format": 1, "axes": [{"name": name, "values": [0, 1]} for name in "xyz"], "networks": networks}
