"""The jackknife against scoring every zoo with one network less by the literal definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import VARIANTS, Variant, parse_truth, report
from scoring.errors import NoUncertaintyError
from tests.scoring import literal
from tests.scoring.golden import golden_tasks
from tests.scoring.grids import Zoo, zoos

variants = st.sampled_from(VARIANTS)


@given(zoos(most=24), variants)  # the literal way takes a time that grows with the cube of the networks
def test_leaving_out_by_updating_counts_is_scoring_the_rest_anew(zoo: Zoo, variant: Variant) -> None:
    try:
        found = report(zoo.truth(), zoo.named_values, variant).jackknife
    except NoUncertaintyError:
        return
    expected = [brute_force(zoo, left_out, variant) for left_out in range(len(zoo.rows))]
    if None in expected:
        assert found is None
        return
    assert found is not None
    scores = dict(zip(zoo.ids, expected, strict=True))
    assert found.left_out == {network: pytest.approx(score, abs=1e-10) for network, score in scores.items()}
    assert found.standard_error == pytest.approx(standard_error([score for score in expected if score is not None]))


@given(zoos(), variants)
def test_large_zoos_are_counted_by_dividing_and_come_out_the_same(zoo: Zoo, variant: Variant) -> None:
    try:
        dense = report(zoo.truth(), zoo.named_values, variant).jackknife
    except NoUncertaintyError:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scoring.statistics.pairs.DENSE_NETWORKS", 0)
        patch.setattr("scoring.statistics.jackknife.CELLS_AT_A_TIME", 12)
        assert report(zoo.truth(), zoo.named_values, variant).jackknife == dense


@pytest.mark.parametrize(
    ("task", "submission", "expected"),
    [
        ("task1_v4", "WCV", "27.75 ± 4.8"),
        ("task1_v4", "VPM_1", "6.1 ± 2.1"),
        ("task2_v1", "WCV", "37.4 ± 6.6"),
        ("task2_v1", "VPM_1", "6.4 ± 5.3"),
    ],
)
def test_the_competitions_submissions_have_the_standard_errors_known_of_them(
    task: str, submission: str, expected: str
) -> None:
    golden = next(golden for golden in golden_tasks() if golden.name == task)
    result = report(parse_truth(golden.model_configs), golden.predictions[submission])
    score, error = (float(part) for part in expected.split(" ± "))
    assert result.standard_error == pytest.approx(error, abs=0.051)
    assert result.score == pytest.approx(score, abs=0.051)


def test_a_measure_that_no_network_decides_alone_has_the_error_of_its_left_out_scores() -> None:
    rows = list(np.ndindex(2, 2, 2))
    zoo = Zoo((2, 2, 2), rows, [1, 5, 2, 3, 8, 4, 7, 6], [0.1, 0.5, 0.2, 0.4, 0.8, 0.3, 0.7, 0.6])
    found = report(zoo.truth(), zoo.named_values).jackknife
    assert found is not None
    assert list(found.left_out) == zoo.ids
    assert found.estimate == report(zoo.truth(), zoo.named_values).cmi.minimum
    assert found.standard_error == pytest.approx(standard_error(list(found.left_out.values())))


def test_where_one_network_alone_makes_the_difference_there_is_no_standard_error() -> None:
    rows = list(np.ndindex(2, 2, 1))
    zoo = Zoo((2, 2, 1), rows, [1.0, 2.0, 3.0, 4.0], [0.1, 0.1, 0.1, 0.7])
    result = report(zoo.truth(), zoo.named_values, "paper")
    assert (result.jackknife, result.standard_error) == (None, None)


def brute_force(zoo: Zoo, left_out: int, variant: Variant) -> float | None:
    kept = [index for index in range(len(zoo.rows)) if index != left_out]
    values, targets = [zoo.values[index] for index in kept], [zoo.targets[index] for index in kept]
    return literal.smallest(variant, values, targets, [zoo.rows[index] for index in kept], zoo.shape)


def standard_error(left_out: list[float]) -> float:
    n = len(left_out)
    mean = math.fsum(left_out) / n
    return math.sqrt((n - 1) / n * math.fsum((score - mean) ** 2 for score in left_out))
