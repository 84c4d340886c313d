"""The two rooms that know what may be predicted, neither of which may ask the other, mean the same by each name."""

import pytest

from model_zoo.manifest import TARGETS, ZooTruth
from scoring import DERIVED_TARGETS, Truth

METRICS = {
    "train_acc": 0.75,
    "test_acc": 0.5,
    "train_loss": 0.25,
    "test_loss": 1.5,
    "train_calibration": 0.125,
    "test_calibration": 0.375,
    "ood_acc": 0.0625,
    "robust_acc": 0.03125,
}


def test_both_know_the_same_names() -> None:
    assert TARGETS.keys() == DERIVED_TARGETS.keys()


@pytest.mark.parametrize("target", [*DERIVED_TARGETS, "test_loss"])
def test_both_mean_the_same_by_a_name(target: str) -> None:
    networks = {
        f"n{index}": {"hyperparameters": {"width": index}, "metrics": {k: v / (index + 1) for k, v in METRICS.items()}}
        for index in range(2)
    }
    content = {"format": 1, "axes": [{"name": "width", "values": [0, 1]}], "test_size": 10, "networks": networks}
    truth = ZooTruth.model_validate(content)
    scored = Truth.from_gengap(truth.model_dump(), target)
    assert dict(zip(scored.ids, scored.targets.tolist(), strict=True)) == truth.target(target)
