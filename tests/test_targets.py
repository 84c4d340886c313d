"""The two rooms that know what may be predicted, neither of which may ask the other, mean the same by each name."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_zoo.manifest import TARGETS, ZooTruth
from scoring import DERIVED_TARGETS, Truth
from submissions.evaluation.score_computation import score_evaluation
from tests.scoring.test_ties import content as tied_content
from tests.scoring.test_ties import steps

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
    truth = zoo([{k: v / (index + 1) for k, v in METRICS.items()} for index in range(3)])
    assert scored(truth, target) == truth.target(target)


numbers = st.one_of(
    st.builds(lambda right, of: min(right, of) / of, st.integers(0, 997), st.integers(1, 997)),
    st.integers(0, 40_960).map(lambda right: right / 40_960),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9),
)


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(METRICS, numbers)), min_size=2, max_size=12))
def test_both_round_alike(metrics: list[dict[str, float]]) -> None:
    truth = zoo(metrics)
    for target in (*DERIVED_TARGETS, "test_loss"):
        assert scored(truth, target) == truth.target(target)


def test_both_let_equal_gaps_tie_where_rounding_has_its_boundary() -> None:
    truth = zoo([METRICS | {"train_acc": right / 40_960, "test_acc": (right - 1) / 40_960} for right in range(1, 200)])
    assert len(set(truth.gaps().values())) == 1
    assert scored(truth, "gap") == truth.gaps()


@pytest.mark.parametrize("target", DERIVED_TARGETS)
def test_a_score_of_the_server_has_the_same_ties(target: str) -> None:
    truth = ZooTruth.model_validate(tied_content(target))
    scored = score_evaluation(truth, target, {f"n{index}": float(step) for index, step in enumerate(steps())})
    assert scored.cmi == pytest.approx(1, abs=1e-9)
    assert scored.report["kendall"]["tau_b"] == 1


def zoo(metrics: list[dict[str, float]]) -> ZooTruth:
    networks: dict[str, Any] = {
        f"n{index}": {"hyperparameters": {"width": index}, "metrics": own} for index, own in enumerate(metrics)
    }
    axes = [{"name": "width", "values": list(range(len(metrics)))}]
    return ZooTruth.model_validate({"format": 1, "axes": axes, "test_size": 10, "networks": networks})


def scored(truth: ZooTruth, target: str) -> dict[str, float]:
    found = Truth.from_gengap(truth.model_dump(), target)
    return dict(zip(found.ids, found.targets.tolist(), strict=True))
