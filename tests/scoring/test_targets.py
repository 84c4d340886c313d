"""What can be predicted: the gap, other derived targets, and any recorded metric."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from scoring import DERIVED_TARGETS, Truth, TruthError, parse_truth, report

METRICS = {
    "train_acc": 0.95,
    "test_acc": 0.7,
    "train_loss": 0.2,
    "test_loss": 1.1,
    "train_calibration": 0.01,
    "test_calibration": 0.08,
    "ood_acc": 0.55,
    "robust_acc": 0.45,
    "sharpness": 3.5,
}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("gap", lambda m: m["train_acc"] - m["test_acc"]),
        ("test_error", lambda m: 1 - m["test_acc"]),
        ("loss_gap", lambda m: m["test_loss"] - m["train_loss"]),
        ("calibration_gap", lambda m: m["test_calibration"] - m["train_calibration"]),
        ("ood_gap", lambda m: m["train_acc"] - m["ood_acc"]),
        ("robust_gap", lambda m: m["train_acc"] - m["robust_acc"]),
        ("sharpness", lambda m: m["sharpness"]),
        ("test_acc", lambda m: m["test_acc"]),
    ],
)
@pytest.mark.parametrize("kind", ["gengap", "pgdl"])
def test_a_target_is_derived_or_a_recorded_metric(
    target: str, expected: Callable[[dict[str, float]], float], kind: str
) -> None:
    truth = parse_truth(content(kind, METRICS), target)
    assert truth.target == target
    assert truth.targets.tolist() == pytest.approx([expected(metrics_of(METRICS, index)) for index in range(8)])


def test_every_derived_target_is_tried_above() -> None:
    assert set(DERIVED_TARGETS) == {"gap", "test_error", "loss_gap", "calibration_gap", "ood_gap", "robust_gap"}


def test_a_metric_recorded_under_a_derived_name_counts_where_it_cannot_be_derived() -> None:
    assert parse_truth(content("gengap", {"ood_gap": 0.3}), "ood_gap").targets[0] == pytest.approx(0.3)


def test_a_missing_metric_is_named_with_those_that_are_there() -> None:
    with pytest.raises(TruthError, match=r"'n0' has no metric 'train_loss', .*'loss_gap' needs \(recorded: test_loss"):
        parse_truth(content("gengap", {"test_loss": 1.0, "train_acc": 1.0}), "loss_gap")
    with pytest.raises(TruthError, match=r"'n0' has no metric 'colour', .*'colour' needs \(recorded: none\)"):
        parse_truth(content("gengap", {}), "colour")


def test_the_size_of_the_test_set_comes_from_the_truth_or_from_the_caller() -> None:
    truth = parse_truth(content("gengap", METRICS) | {"test_size": 321})
    assert truth.test_examples == 321
    values = {network: float(index) for index, network in enumerate(truth.ids)}
    recorded, told = report(truth, values).sign_error, report(truth, values, test_examples=5).sign_error
    assert recorded is not None
    assert told is not None
    assert (recorded.test_examples, told.test_examples) == (321, 5)


@pytest.mark.parametrize("size", [0, -3, True, 2.5, "many", 10**30])
def test_a_size_that_is_no_number_of_examples_is_refused(size: Any) -> None:
    with pytest.raises(TruthError, match="it must be a whole number from 1 on"):
        parse_truth(content("gengap", METRICS) | {"test_size": size})
    with pytest.raises(TruthError, match="it must be a whole number from 1 on"):
        Truth.from_arrays(
            "abcd", np.arange(4.0), {"x": [0, 1], "y": [0, 1]}, np.array(list(np.ndindex(2, 2))), test_examples=size
        )


def content(kind: str, metrics: dict[str, float]) -> dict[str, Any]:
    """The truth of eight networks, in one of the two formats."""
    networks: dict[str, Any] = {}
    axes = {name: [0, 1] for name in ("x", "y", "z")}
    for index, place in enumerate(product((0, 1), repeat=3)):
        own = metrics_of(metrics, index)
        hyperparameters = dict(zip(axes, place, strict=True))
        if kind == "gengap":
            networks[f"n{index}"] = {"hyperparameters": hyperparameters, "metrics": own}
        else:
            hparams = {name: {"current_value": v, "possible_values": axes[name]} for name, v in hyperparameters.items()}
            networks[f"model_{index}"] = {"hparams": hparams, "metrics": own}
    if kind == "pgdl":
        return networks
    return {"format": 1, "axes": [{"name": n, "values": v} for n, v in axes.items()], "networks": networks}


def metrics_of(metrics: dict[str, float], index: int) -> dict[str, float]:
    """Network number `index`'s: another share of each metric than every other network's."""
    return {name: value * (1 - index / (9 + order)) for order, (name, value) in enumerate(metrics.items())}
