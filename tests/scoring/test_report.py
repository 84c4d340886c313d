"""The door: one report holds everything, over zoos a competition's, both as JSON."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import (
    VARIANTS,
    ComparisonError,
    Draws,
    ScoringError,
    Variant,
    ZooReport,
    competition,
    competition_score,
    references,
    report,
)
from scoring.errors import NoUncertaintyError
from tests.scoring.grids import Zoo, zoos

FEW = Draws(permutations=40, test_sets=10)


@given(zoos(), st.sampled_from(VARIANTS))
def test_every_report_is_strict_json_whatever_the_numbers(zoo: Zoo, variant: Variant) -> None:
    try:
        result = report(zoo.truth(), zoo.named_values, variant, test_examples=100, draws=Draws(3, 3))
    except NoUncertaintyError:
        return
    content = json.loads(json.dumps(result.as_json(), allow_nan=False))
    assert content["score"] == result.score == 100 * result.cmi.minimum
    assert content["cmi"]["attained_by"] == list(result.cmi.attained_by)
    assert {tuple(row["axes"]): row["value"] for row in content["cmi"]["table"]} == dict(result.cmi.table)
    assert content["kendall"]["tau_a"] == result.kendall.tau_a
    assert content["granulated"]["psi_by_axis"] == dict(result.granulated.psi_by_axis)
    assert content["sign"] == result.sign


def test_a_report_has_every_part() -> None:
    zoo = some_zoo(0)
    truth = zoo.truth()
    result = report(truth, zoo.named_values, test_examples=1000, draws=FEW, references=references(truth, draws=20))
    content = result.as_json()
    assert list(content) == [
        "score", "standard_error", "sign", "variant", "target", "networks", "cmi", "jackknife", "permutation", "noise",
        "kendall", "correlations", "granulated", "sign_error", "regression", "references", "metrics", "metric_errors",
        "undefined",
    ]  # fmt: skip
    assert [name for name, part in content.items() if part is None] == ["noise"]  # no accuracies in arrays
    assert content["references"]["random_floor"]["draws"] == 20
    assert "scores" not in content["permutation"]  # the draws themselves stay out
    assert len(content["jackknife"]["left_out"]) == 12


def test_without_draws_nothing_is_random() -> None:
    zoo = some_zoo(0)
    result = report(zoo.truth(), zoo.named_values)
    assert (result.permutation, result.noise, result.references) == (None, None, None)
    assert result.standard_error is not None


def test_references_of_something_else_are_refused() -> None:
    zoo = some_zoo(0)
    other = references(zoo.truth(), "paper", draws=1)
    with pytest.raises(
        ComparisonError, match=r"references are of paper, the target 'gap' and 12 networks; .* pgdl2020"
    ):
        report(zoo.truth(), zoo.named_values, references=other)


def test_a_competition_is_the_mean_of_its_zoos() -> None:
    reports = {f"zoo{seed}": full_report(seed) for seed in range(3)}
    result = competition(reports)
    assert result.score == pytest.approx(math.fsum(zoo.score for zoo in reports.values()) / 3)
    errors = [zoo.standard_error for zoo in reports.values()]
    assert result.standard_error == pytest.approx(math.sqrt(sum(e**2 for e in errors if e is not None)) / 3)
    assert result.kendall_tau == pytest.approx(math.fsum(zoo.kendall.tau_a for zoo in reports.values()) / 3)
    drawn = [zoo.permutation.scores for zoo in reports.values() if zoo.permutation is not None]
    means = [100 * math.fsum(scores) / 3 for scores in zip(*drawn, strict=True)]
    assert result.p_value == (1 + sum(mean >= result.score - 1e-9 for mean in means)) / 41
    known = [zoo.references for zoo in reports.values() if zoo.references is not None]
    floors = [100 * math.fsum(row) / 3 for row in zip(*(r.random_floor.scores for r in known), strict=True)]
    assert result.random_floor == pytest.approx(math.fsum(floors) / 20)
    assert result.random_floor_percentile_95 == pytest.approx(sorted(floors)[18])
    assert result.hyperparameter_oracle == pytest.approx(100 * math.fsum(r.hyperparameter_oracle for r in known) / 3)
    assert list(result.jackknives) == list(reports)


def test_a_competitions_json_holds_its_zoos() -> None:
    result = competition({"first": full_report(0), "second": full_report(1)})
    content = json.loads(json.dumps(result.as_json(), allow_nan=False))
    assert content["score"] == result.score
    assert content["zoos"]["second"] == full_report(1).as_json()


def test_what_one_zoo_lacks_the_competition_lacks() -> None:
    bare = report(some_zoo(1).truth(), some_zoo(1).named_values)
    result = competition({"full": full_report(0), "bare": replace(bare, jackknife=None)})
    assert (result.standard_error, result.p_value, result.random_floor, result.hyperparameter_oracle) == (None,) * 4
    with pytest.raises(ScoringError, match="the zoo 'bare' has no jackknife"):
        result.jackknives  # noqa: B018  (the access is what raises)


def test_zoos_scored_differently_do_not_make_a_competition() -> None:
    zoo = some_zoo(0)
    by_paper = report(zoo.truth(), zoo.named_values, "paper")
    with pytest.raises(ComparisonError, match="scored by paper of gap and by pgdl2020 of gap; score them alike"):
        competition({"a": full_report(0), "b": by_paper})


def test_no_zoo_is_no_competition() -> None:
    with pytest.raises(ScoringError, match="at least one zoo"):
        competition({})
    with pytest.raises(ScoringError, match=r"^a competition's score needs the CMI of at least one zoo$"):
        competition_score([])


def some_zoo(seed: int) -> Zoo:
    random = np.random.default_rng(seed)
    rows = list(np.ndindex(2, 3, 2))
    targets = random.random(12)
    return Zoo((2, 3, 2), rows, (targets + 0.3 * random.random(12)).tolist(), targets.tolist())


def full_report(seed: int) -> ZooReport:
    zoo = some_zoo(seed)
    truth = zoo.truth()
    return report(truth, zoo.named_values, draws=FEW, references=references(truth, draws=20, seed=seed))
