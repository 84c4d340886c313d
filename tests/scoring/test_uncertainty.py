"""Permutations, redrawn test sets, random predictors and the oracle, against doing it one by one."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import VARIANTS, Draws, References, Truth, Variant, parse_truth, references, report
from scoring.errors import NoUncertaintyError, TruthError
from scoring.report import ZooReport
from scoring.statistics.cmi import ConditionalMutualInformation
from tests.scoring import literal
from tests.scoring.golden import golden_tasks
from tests.scoring.grids import Zoo, zoos

variants = st.sampled_from(VARIANTS)
TEST_EXAMPLES = 500


@given(zoos(), variants, st.integers(0, 99))
@settings(max_examples=50)
def test_many_values_at_once_are_scored_as_one_by_one(zoo: Zoo, variant: Variant, seed: int) -> None:
    truth = zoo.truth()
    cmi = ConditionalMutualInformation(truth.targets, truth.grid, variant)
    batch = np.random.default_rng(seed).permuted([zoo.values] * 4, axis=1)
    assert cmi.minima(batch).tolist() == pytest.approx([alone(truth, values, variant) for values in batch], nan_ok=True)


@given(zoos(), variants, st.integers(0, 99))
@settings(max_examples=50)
def test_many_targets_at_once_are_scored_as_one_by_one(zoo: Zoo, variant: Variant, seed: int) -> None:
    truth = zoo.truth()
    cmi = ConditionalMutualInformation(truth.targets, truth.grid, variant)
    batch = np.random.default_rng(seed).permuted([zoo.targets] * 4, axis=1)
    expected = [alone(replace(truth, targets=targets), np.array(zoo.values), variant) for targets in batch]
    assert cmi.minima_for_targets(batch, np.array(zoo.values)).tolist() == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_permutation_test_is_brute_force_over_its_draws(variant: Variant) -> None:
    zoo = small_zoo()
    found = drawn(zoo, variant).permutation
    assert found is not None
    assert len(found.scores) == found.draws == 200
    random = np.random.default_rng(7)
    shuffled = random.permuted(np.broadcast_to(zoo.values, (200, len(zoo.values))), axis=1)
    brute = [literal_minimum(zoo, values.tolist(), zoo.targets, variant) for values in shuffled]
    assert list(found.scores) == pytest.approx(brute, abs=1e-11)
    actual = literal_minimum(zoo, zoo.values, zoo.targets, variant)
    assert found.p_value == (1 + sum(score >= actual - 1e-12 for score in brute)) / 201
    assert found.p_value < 0.05


def test_values_that_say_nothing_are_not_told_from_chance() -> None:
    zoo = replace(small_zoo(), values=[3.0] * 18)
    found = drawn(zoo).permutation
    assert found is not None
    assert found.p_value == 1


def test_chance_gives_small_p_values_no_more_often_than_it_should() -> None:
    truth, random = small_zoo().truth(), np.random.default_rng(11)
    p_values = []
    for _ in range(200):
        values = dict(zip(truth.ids, random.normal(size=18).tolist(), strict=True))
        permutation = report(truth, values, draws=Draws(99, 0)).permutation
        assert permutation is not None
        p_values.append(permutation.p_value)
    for level in (0.05, 0.2, 0.5):  # within three standard errors of 200 trials
        share = sum(p <= level for p in p_values) / len(p_values)
        assert share == pytest.approx(level, abs=3 * math.sqrt(level * (1 - level) / len(p_values)))


@pytest.mark.parametrize("target", ["gap", "test_error", "test_acc"])
def test_the_noise_of_the_test_set_is_brute_force_over_redrawn_accuracies(target: str) -> None:
    zoo = small_zoo()
    truth = recorded(zoo, target)
    found = report(truth, zoo.named_values, draws=Draws(0, 30, seed=7), test_examples=TEST_EXAMPLES).noise
    assert found is not None
    random = np.random.default_rng(7)
    accuracies = np.array([1 - gap for gap in zoo.targets])
    redrawn = random.binomial(TEST_EXAMPLES, accuracies, size=(30, 18)) / TEST_EXAMPLES
    targets = redrawn if target == "test_acc" else 1 - redrawn
    brute = [literal_minimum(zoo, zoo.values, row.tolist(), "pgdl2020") for row in targets]
    assert found.mean == pytest.approx(math.fsum(brute) / 30)
    assert found.standard_deviation == pytest.approx(float(np.std(brute)))
    assert (found.percentile_5, found.percentile_95) == pytest.approx((sorted(brute)[1], sorted(brute)[28]))
    assert (found.draws, found.test_examples) == (30, TEST_EXAMPLES)


def test_a_larger_test_set_makes_less_noise() -> None:
    zoo = small_zoo()
    spreads = []
    for test_examples in (100, 10_000, 10**9):
        noise = report(recorded(zoo), zoo.named_values, draws=Draws(0, 100), test_examples=test_examples).noise
        assert noise is not None
        spreads.append(noise.standard_deviation)
    assert spreads[0] > spreads[1] > spreads[2] == pytest.approx(0, abs=1e-12)


def test_without_test_accuracies_or_their_number_there_is_no_noise_and_no_sign_error() -> None:
    zoo = small_zoo()
    with_everything = report(recorded(zoo), zoo.named_values, draws=Draws(0, 5), test_examples=100)
    assert with_everything.noise is not None
    assert with_everything.sign_error is not None
    unknown_size = report(recorded(zoo), zoo.named_values, draws=Draws(0, 5))
    assert (unknown_size.noise, unknown_size.sign_error) == (None, None)
    other_target = report(recorded(zoo, "test_loss"), zoo.named_values, draws=Draws(0, 5), test_examples=100)
    assert (other_target.noise, other_target.sign_error) == (None, None)
    assert report(zoo.truth(), zoo.named_values, draws=Draws(0, 5), test_examples=100).noise is None


def test_accuracies_in_percent_are_refused_where_their_noise_counts() -> None:
    zoo = small_zoo()
    truth = recorded(zoo)
    percent = {
        network: {**metrics, "test_acc": 100 * metrics["test_acc"]} for network, metrics in truth.metrics.items()
    }
    with pytest.raises(TruthError, match=r"test_acc of 'n0'.* is no share from 0 to 1"):
        report(replace(truth, metrics=percent), zoo.named_values, test_examples=100)  # for the sign-error, too
    assert report(replace(truth, metrics=percent), zoo.named_values).networks == 18


@pytest.mark.parametrize(
    ("task", "floor", "percentile_95", "oracle"), [("task1_v4", 0.4, 1.0, 22.5), ("task2_v1", 2.2, 3.8, 31.5)]
)
def test_the_competitions_zoos_have_the_floors_and_oracles_known_of_them(
    task: str, floor: float, percentile_95: float, oracle: float
) -> None:
    golden = next(golden for golden in golden_tasks() if golden.name == task)
    found = references(parse_truth(golden.model_configs))
    assert 100 * found.random_floor.mean == pytest.approx(floor, abs=0.15)
    assert 100 * found.random_floor.percentile_95 == pytest.approx(percentile_95, abs=0.25)
    assert 100 * found.hyperparameter_oracle == pytest.approx(oracle, abs=0.05)


def test_the_random_floor_is_the_score_of_random_orders() -> None:
    zoo = small_zoo()
    found = references(zoo.truth(), draws=50, seed=3).random_floor
    orders = np.random.default_rng(3).permuted(np.broadcast_to(np.arange(18.0), (50, 18)), axis=1)
    brute = [literal_minimum(zoo, order.tolist(), zoo.targets, "pgdl2020") for order in orders]
    assert list(found.scores) == pytest.approx(brute, abs=1e-11)
    assert found.mean == pytest.approx(math.fsum(brute) / 50)
    assert found.percentile_95 == pytest.approx(sorted(brute)[47])


@given(zoos(), variants, st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_the_oracle_does_not_depend_on_the_order_of_the_networks(zoo: Zoo, variant: Variant, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(zoo.rows))
    shuffled = Zoo(zoo.shape, *([entries[index] for index in order] for entries in (zoo.rows, zoo.values, zoo.targets)))
    original, again = reference_or_error(zoo, variant), reference_or_error(shuffled, variant)
    if isinstance(original, References):
        assert isinstance(again, References)
        assert again.hyperparameter_oracle == pytest.approx(original.hyperparameter_oracle, abs=1e-9)
    else:
        assert again == original


def test_an_additive_target_leaves_the_oracle_nothing_to_miss() -> None:
    rows = list(product(range(3), range(3), range(2)))
    zoo = Zoo((3, 3, 2), rows, [float(i) for i in range(18)], [a + 0.31 * b + 0.17 * c for a, b, c in rows])
    assert references(zoo.truth(), draws=1).hyperparameter_oracle == pytest.approx(1)


def test_progress_tells_every_batch() -> None:
    told: list[tuple[str, int, int]] = []
    zoo = small_zoo()
    report(zoo.truth(), zoo.named_values, draws=Draws(2500, 0), progress=lambda *step: told.append(step))
    assert told == [("permutations", done, 2500) for done in (0, 1111, 2222, 2500)]


def small_zoo() -> Zoo:
    """18 networks with a good measure; accuracies are 1 − target."""
    random = np.random.default_rng(5)
    rows = list(product(range(3), range(3), range(2)))
    targets = [round(0.1 + 0.1 * a + 0.05 * b + 0.2 * random.random(), 3) for a, b, _ in rows]
    return Zoo((3, 3, 2), rows, [target + 0.05 * random.random() for target in targets], targets)


def recorded(zoo: Zoo, target: str = "gap") -> Truth:
    """The zoo's truth with training accuracy 1, test accuracy 1 − target, and a loss."""
    axes = [{"name": name, "values": values} for name, values in zoo.axes.items()]
    networks = {
        network: {
            "hyperparameters": {name: zoo.axes[name][index] for name, index in zip(zoo.axes, row, strict=True)},
            "metrics": {"train_acc": 1.0, "test_acc": 1 - gap, "test_loss": 2 * gap},
        }
        for network, row, gap in zip(zoo.ids, zoo.rows, zoo.targets, strict=True)
    }
    return parse_truth({"format": 1, "axes": axes, "networks": networks}, target)


def drawn(zoo: Zoo, variant: Variant = "pgdl2020") -> ZooReport:
    return report(zoo.truth(), zoo.named_values, variant, draws=Draws(200, 0, seed=7))


def literal_minimum(zoo: Zoo, values: list[float], targets: list[float], variant: Variant) -> float:
    score = literal.smallest(variant, values, targets, zoo.rows, zoo.shape)
    assert score is not None
    return score


def alone(truth: Truth, values: np.ndarray, variant: Variant) -> float:
    try:
        return report(truth, dict(zip(truth.ids, values.tolist(), strict=True)), variant).cmi.minimum
    except NoUncertaintyError:
        return math.nan


def reference_or_error(zoo: Zoo, variant: Variant) -> References | str:
    try:
        return references(zoo.truth(), variant, draws=1)
    except NoUncertaintyError as error:
        return str(error)
