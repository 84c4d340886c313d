"""Pairs of axes that leave nothing to predict: the check says so exactly where scoring finds no uncertainty."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model_zoo.checks import Verdict
from model_zoo.checks.grid import uncertain_pairs
from model_zoo.manifest import Axis, NetworkTruth, ZooTruth
from scoring import Truth, report


@st.composite
def truths(draw: st.DrawFn) -> ZooTruth:
    """Complete grids of 2 to 4 axes, with few different gaps, so that many agree."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4).filter(lambda found: np.prod(found) >= 3))
    axes = [Axis(name=f"a{index}", values=list(range(size))) for index, size in enumerate(sizes)]
    places = list(itertools.product(*(axis.values for axis in axes)))
    accuracies = draw(st.lists(st.sampled_from([0.5, 0.6, 0.7]), min_size=len(places), max_size=len(places)))
    accuracies[0] = 0.8  # a constant target is refused, not scored
    networks = {
        f"n{number}": NetworkTruth(
            hyperparameters={axis.name: value for axis, value in zip(axes, place, strict=True)},
            metrics={"train_acc": 1.0, "test_acc": accuracy},
        )
        for number, (place, accuracy) in enumerate(zip(places, accuracies, strict=True))
    }
    return ZooTruth(format=1, axes=axes, test_size=100, networks=networks)


@given(truths())
def test_the_pairs_told_are_those_that_scoring_finds_without_uncertainty(truth: ZooTruth) -> None:
    found = uncertain_pairs(truth, "gap", truth.gaps())
    scored = report(Truth.from_gengap(truth.model_dump(mode="json")), dict.fromkeys(truth.networks, 0.0))
    fixed = [" × ".join(pair) for pair in scored.cmi.without_uncertainty]
    assert (found.verdict is Verdict.ERROR) == bool(fixed)
    if 0 < len(fixed) <= 5:
        assert f"score 0: {', '.join(fixed)}." in found.text
