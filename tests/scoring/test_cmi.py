"""CMI through the room's door: the competition's own numbers, the literal transcription, and symmetries."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import VARIANTS, Cmi, Draws, Truth, Variant, parse_truth, references, report
from scoring.errors import NoUncertaintyError
from scoring.statistics.pairs import DENSE_NETWORKS
from tests.scoring import literal, original
from tests.scoring.golden import golden_tasks
from tests.scoring.grids import Zoo, zoos

variants = st.sampled_from(VARIANTS)


def test_the_competitions_own_scores_come_out() -> None:
    tasks = golden_tasks()
    assert {task.name: task.networks for task in tasks} == {"task1_v4": 96, "task2_v1": 54}
    for task in tasks:
        truth = parse_truth(task.model_configs)
        assert set(task.official_cmi) == {"VPM_1", "WCV"}
        for submission, official in task.official_cmi.items():
            score = report(truth, task.predictions[submission])
            assert score.cmi.minimum == pytest.approx(official, abs=1e-9), (task.name, submission)
            assert score.networks == task.networks
            by_its_structure = original.conditional_mutual_information(task.predictions[submission], task.model_configs)
            assert by_its_structure == pytest.approx(official, abs=1e-9)


def test_without_its_file_the_golden_check_fails_in_ci_and_skips_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tests.scoring.golden.GOLDEN", tmp_path / "absent.json")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="golden"):
        golden_tasks()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="golden"):
        golden_tasks()


@given(zoos(), variants)
def test_the_fast_path_is_the_literal_definition(zoo: Zoo, variant: Variant) -> None:
    expected = literal_table(zoo, variant)
    defined = [value for value in expected.values() if value is not None]
    if not defined:
        with pytest.raises(NoUncertaintyError, match="every pair of axes fixes the order"):
            report(zoo.truth(), zoo.named_values, variant)
        return
    score = report(zoo.truth(), zoo.named_values, variant).cmi
    assert dict(score.table) == {
        tuple(f"axis{axis}" for axis in axes): approximately(value) for axes, value in expected.items()
    }
    assert score.minimum == pytest.approx(min(defined), abs=1e-11)
    assert score.table[score.attained_by] == score.minimum


@given(zoos(), variants)
def test_large_zoos_are_counted_by_dividing_and_come_out_the_same(zoo: Zoo, variant: Variant) -> None:
    dense = score_or_error(zoo.truth(), zoo.named_values, variant)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scoring.statistics.pairs.DENSE_NETWORKS", 0)
        assert score_or_error(zoo.truth(), zoo.named_values, variant) == dense


def test_a_zoo_above_the_limit_of_the_dense_count_is_the_literal_definition() -> None:
    shape = (11, 10, 10)
    random = np.random.default_rng(3)
    rows = list(np.ndindex(shape))
    assert len(rows) > DENSE_NETWORKS
    zoo = Zoo(shape, rows, *(random.integers(0, 400, len(rows)).astype(float).tolist() for _ in range(2)))
    conditioned_on_nothing = report(zoo.truth(), zoo.named_values, "paper").cmi.table[()]
    assert conditioned_on_nothing == pytest.approx(
        literal.paper_given(zoo.values, zoo.targets, zoo.rows, ()), abs=1e-12
    )


@given(zoos(), variants, st.sampled_from([math.atan, math.exp, lambda x: 1e-300 * x - 1e-290]))
def test_only_the_order_of_the_values_counts(zoo: Zoo, variant: Variant, increasing: Callable[[float], float]) -> None:
    # From ranks, since rounding could merge neighbouring values: that would not be an increasing map.
    ranks = {value: float(rank) for rank, value in enumerate(sorted(set(zoo.values)))}
    mapped = {network: increasing(ranks[value]) for network, value in zoo.named_values.items()}
    assert score_or_error(zoo.truth(), mapped, variant) == score_or_error(zoo.truth(), zoo.named_values, variant)


@given(zoos(), variants, st.integers(0, 2**32 - 1))
def test_the_order_of_networks_axes_and_axis_values_does_not_matter(zoo: Zoo, variant: Variant, seed: int) -> None:
    random = np.random.default_rng(seed)
    networks = random.permutation(len(zoo.rows))
    axes = random.permutation(len(zoo.shape))
    relabel = [random.permutation(size) for size in zoo.shape]
    names = list(zoo.axes)
    coordinates = np.array([[relabel[axis][zoo.rows[n][axis]] for axis in axes] for n in networks])
    truth = Truth.from_arrays(
        [zoo.ids[n] for n in networks],
        np.array([zoo.targets[n] for n in networks]),
        {names[axis]: zoo.axes[names[axis]] for axis in axes},
        coordinates,
    )
    original = score_or_error(zoo.truth(), zoo.named_values, variant)
    shuffled = score_or_error(truth, zoo.named_values, variant)
    if isinstance(original, Cmi):
        assert isinstance(shuffled, Cmi)
        assert shuffled.minimum == pytest.approx(original.minimum, abs=1e-12)
        assert by_set(shuffled) == {axes: approximately(value) for axes, value in by_set(original).items()}
    else:
        assert shuffled == original


@given(zoos(), variants)
def test_a_perfect_measure_scores_1_under_every_set_with_uncertainty(zoo: Zoo, variant: Variant) -> None:
    score = score_or_error(zoo.truth(), dict(zip(zoo.ids, zoo.targets, strict=True)), variant)
    if isinstance(score, Cmi) and variant != "symmetrised":  # half-ties are noise that no measure predicts
        for axes, value in score.table.items():
            if axes not in score.without_uncertainty:
                assert value == pytest.approx(1, abs=1e-9)


@given(zoos(), variants)
def test_a_constant_measure_scores_0(zoo: Zoo, variant: Variant) -> None:
    score = score_or_error(zoo.truth(), dict.fromkeys(zoo.ids, 0.5), variant)
    assert isinstance(score, str) or score.minimum == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
def test_cmi_is_blind_to_the_sign_of_an_untied_measure_in_the_variants_without_self_pairs(
    variant: Variant,
) -> None:
    zoo = cube([0.1, 0.5, 0.2, 0.4, 0.8, 0.3, 0.7, 0.6], values=[1, 5, 2, 3, 8, 4, 7, 6])
    forwards = report(zoo.truth(), zoo.named_values, variant)
    backwards = report(zoo.truth(), {n: -v for n, v in zoo.named_values.items()}, variant)
    assert (forwards.sign, backwards.sign) == (1, -1)
    assert (backwards.cmi.minimum == pytest.approx(forwards.cmi.minimum, abs=1e-12)) == (variant != "pgdl2020")


def test_pairs_of_axes_that_fix_the_gap_count_0_as_in_the_competition_and_are_named() -> None:
    zoo = cube([0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4], values=[1, 2, 3, 4, 5, 6, 7, 8])
    score = report(zoo.truth(), zoo.named_values)
    assert score.cmi.without_uncertainty == (("axis0", "axis1"),)
    assert (score.cmi.minimum, score.cmi.attained_by) == (0, ("axis0", "axis1"))
    assert score.as_json()["cmi"]["without_uncertainty"] == [["axis0", "axis1"]]


def test_the_papers_variant_leaves_such_pairs_out() -> None:
    zoo = cube([0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4], values=[1, 1, 2, 2, 3, 3, 4, 4])
    score = report(zoo.truth(), zoo.named_values, "paper").cmi
    assert score.table["axis0", "axis1"] is None
    assert score.minimum == pytest.approx(1)
    assert list(score.table)[:4] == [(), ("axis0",), ("axis1",), ("axis2",)]


@pytest.mark.parametrize("variant", ["symmetrised", "paper"])
def test_sets_that_leave_nothing_to_predict_are_left_out_wherever_many_values_are_scored(variant: Variant) -> None:
    # The first two axes determine the network. If that set counted as 0, every minimum would be 0.
    zoo = Zoo((2, 2, 1), list(np.ndindex(2, 2, 1)), [1.0, 2.0, 3.0, 4.0], [0.1, 0.2, 0.3, 0.4])
    result = report(zoo.truth(), zoo.named_values, variant, draws=Draws(permutations=20, test_sets=0))
    assert ("axis0", "axis1") in result.cmi.without_uncertainty
    assert result.cmi.minimum > 0.1
    assert result.jackknife is not None
    assert result.jackknife.estimate == pytest.approx(result.cmi.minimum, abs=1e-12)
    assert min(result.jackknife.left_out.values()) > 0.1
    assert result.permutation is not None
    assert max(result.permutation.scores) > 0.01
    assert references(zoo.truth(), variant, draws=20).random_floor.mean > 0.001


def test_an_axis_with_one_value_makes_sets_that_condition_on_the_other_axis_alone() -> None:
    zoo = cube([0.1, 0.5, 0.2, 0.4, 0.8, 0.3, 0.7, 0.6], values=[1, 5, 2, 3, 8, 4, 7, 6])
    wider = Zoo((*zoo.shape, 1), [(*row, 0) for row in zoo.rows], zoo.values, zoo.targets)
    table = report(wider.truth(), wider.named_values, "paper").cmi.table
    narrow = report(zoo.truth(), zoo.named_values, "paper").cmi.table
    assert table["axis3",] == pytest.approx(narrow[()])
    for axis in ("axis0", "axis1", "axis2"):
        assert table[axis, "axis3"] == pytest.approx(narrow[axis,])


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_constant_gap_is_an_error(variant: Variant) -> None:
    zoo = cube([0.25] * 8, values=[1, 2, 3, 4, 5, 6, 7, 8])
    with pytest.raises(NoUncertaintyError, match=r"the target is 0\.25 for all 8 networks"):
        report(zoo.truth(), zoo.named_values, variant)


def test_counting_in_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    zoo = cube([0.1, 0.5, 0.2, 0.4, 0.8, 0.3, 0.7, 0.6], values=[1, 5, 2, 2, 8, 4, 7, 6])
    whole = report(zoo.truth(), zoo.named_values, draws=Draws(permutations=5, test_sets=0))
    monkeypatch.setattr("scoring.statistics.pairs.BLOCK_ENTRIES", 24)
    monkeypatch.setattr("scoring.statistics.rank.BLOCK_ENTRIES", 24)
    assert report(zoo.truth(), zoo.named_values, draws=Draws(permutations=5, test_sets=0)) == whole


def cube(targets: list[float], values: list[float]) -> Zoo:
    return Zoo((2, 2, 2), list(np.ndindex(2, 2, 2)), values, targets)


def literal_table(zoo: Zoo, variant: Variant) -> literal.ByAxes:
    if variant == "pgdl2020":
        return literal.pgdl2020(zoo.values, zoo.targets, zoo.rows, zoo.shape)
    define = literal.symmetrised if variant == "symmetrised" else literal.paper
    return define(zoo.values, zoo.targets, zoo.rows)


def approximately(value: float | None) -> object:
    return None if value is None else pytest.approx(value, abs=1e-11)


def score_or_error(truth: Truth, values: dict[str, float], variant: Variant) -> Cmi | str:
    try:
        return report(truth, values, variant).cmi
    except NoUncertaintyError as error:
        return str(error)


def by_set(score: Cmi) -> dict[frozenset[str], float | None]:
    return {frozenset(axes): value for axes, value in score.table.items()}
