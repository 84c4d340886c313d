"""What numbers say in sentences, and where they are on a scale."""

from dataclasses import replace

import pytest

from scoring import Comparison
from server.presentation.result_sentences import (
    Scale,
    difference_sentence,
    p_words,
    range_words,
    scale_of,
    zoo_sentences,
)
from submissions.results.disclosure import Sight
from submissions.results.submission_result import Report, Result, ZooResult

REPORT = Report(
    p_value=0.001,
    draws=1000,
    noise_deviation=1.0,
    noise_5=10.0,
    noise_95=14.0,
    floor_mean=1.0,
    floor_95=3.0,
    oracle=20.0,
    tau_error=0.1,
    tau_b=0.5,
    spearman=0.6,
    pearson=0.5,
    r2=0.3,
    delta_r2=0.1,
    psi_by_axis=(),
    sets=(),
    sign_errors=None,
)
ZOO = ZooResult(
    zoo_id=1,
    name="digits",
    title="Digits",
    networks=96,
    truth_public=True,
    in_steps=False,
    names_axes=True,
    score=12.0,
    standard_error=3.0,
    kendall_tau=0.5,
    psi=0.4,
    times=(),
    report=REPORT,
)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"p_value": 0.012}, "Better than chance (p = 0.012)."),
        ({"p_value": 0.0009}, "Better than chance (p < 0.001)."),
        ({"p_value": 0.3}, "Not distinguishable from chance (p = 0.3)."),
        ({"p_value": None}, "Above the 95th percentile of random measures (3.0)."),
        ({"p_value": None, "floor_95": 13.0}, "Not above the 95th percentile of random measures (13.0)."),
        ({"p_value": None, "floor_95": None}, "The zoo is too large for a test against chance."),
    ],
)
def test_a_score_is_set_against_chance(changes: dict[str, float | None], sentence: str) -> None:
    zoo = replace(ZOO, report=replace(REPORT, **changes))  # type: ignore[arg-type]
    assert zoo_sentences(zoo, "gap")[0] == sentence


@pytest.mark.parametrize(
    ("tau", "direction", "sentence"),
    [
        (0.5, 1, None),
        (0.15, 0, "It has no clear direction (τ = +0.15)."),
        (-0.2, 0, "It has no clear direction (τ = −0.20)."),
        (
            -0.35,
            -1,
            "It orders the networks the wrong way round: larger values go with a smaller test error (τ = −0.35). "
            "CMI does not depend on the sign; return the negative.",
        ),
    ],
)
def test_the_direction_is_told_where_it_is_not_the_right_one(tau: float, direction: int, sentence: str | None) -> None:
    zoo = replace(ZOO, kendall_tau=tau)
    assert zoo.direction == direction
    assert zoo_sentences(zoo, "test_error") == tuple(
        filter(
            None,
            ("Better than chance (p = 0.001).", "Less than a model of the hyperparameters alone (20.0).", sentence),
        )
    )


def test_without_a_report_nothing_is_claimed() -> None:
    assert zoo_sentences(replace(ZOO, report=None), "gap") == ()


@pytest.mark.parametrize(
    ("difference", "error", "p_value", "sentence"),
    [
        (3.2, 1.1, 0.004, "A is better than B by 3.2 ± 1.1 (p = 0.004): more than chance."),
        (-3.2, 1.1, 0.00001, "B is better than A by 3.2 ± 1.1 (p < 0.001): more than chance."),
        (1.2, 2.0, 0.55, "A scores higher than B by 1.2 ± 2.0, which may well be chance (p = 0.55)."),
        (0.0, 2.0, 1.0, "A and B have the same score."),
    ],
)
def test_a_difference_in_a_sentence(difference: float, error: float, p_value: float, sentence: str) -> None:
    assert difference_sentence("A", "B", Comparison(difference, error, 1.0, p_value, 2)) == sentence


def test_small_numbers_are_not_rounded_to_nothing() -> None:
    assert [p_words(p) for p in (1.0, 0.0456, 0.001, 0.00099)] == ["p = 1", "p = 0.046", "p = 0.001", "p < 0.001"]
    assert [range_words(pair) for pair in ((3, 3), (2, 5))] == ["3", "2 to 5"]


def test_all_rows_share_a_scale_that_holds_everything() -> None:
    result = Result(1, "m", "gap", Sight.ALL, None, 12.0, 3.0, True, None, None, (ZOO, replace(ZOO, score=58.0)))
    assert scale_of(result) == Scale(70.0)
    assert scale_of(replace(result, zoos=(replace(ZOO, score=99.0),))) == Scale(100.0)
    bullet = Scale(50.0).bullet(10.0, 20.0, 1.0, 3.0, None)
    assert (bullet.score, bullet.low, bullet.high) == (20.0, 0.0, 60.0)
    assert (bullet.floor_mean, bullet.floor_95, bullet.oracle) == (2.0, 6.0, None)
