"""Simulated attackers, who know all but the luck of the networks, are not shown more than is true."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from benchmarks.ladder import ATTACKERS, SEED, Best, World, attack, together, told_before
from benchmarks.ladder_boards import ArrayBoard, Board, OldBoard, ProductBoard
from scoring.grid import FloatArray

NETWORKS = 48
_ACCOUNTS = itertools.count()


def _attacked(name: str, board: Board, simulations: int, tries: int) -> Best:
    world = World(NETWORKS, simulations, SEED)
    return attack(ATTACKERS[name](world, tries), world, board, tries, at_a_time=10)


@pytest.mark.parametrize("name", ["staircase", "boosting, 1 in 10"])
def test_the_benchmarks_fast_board_shows_what_the_products_standings_show(tmp_path: Path, name: str) -> None:
    product = ProductBoard(tmp_path, simulations=4, step=1.0)
    found, fast = (_attacked(name, board, 4, 60) for board in (product, ArrayBoard(4, 1.0)))
    product.close()
    assert found.releases.min() >= 2
    for field in ("shown", "truth", "score", "error", "releases"):
        np.testing.assert_allclose(getattr(found, field), getattr(fast, field))


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductBoard]:
    """One database for all sequences, each of new entrants."""
    board = ProductBoard(tmp_path_factory.mktemp("ladder"), simulations=2, step=1.0)
    yield board
    board.close()


@st.composite
def _sequences(draw: st.DrawFn) -> list[FloatArray]:
    """What two entrants submit at a time, the first time one each: the contributions of the networks, in quarters."""
    networks = draw(st.integers(4, 60))
    spread = draw(st.sampled_from([1, 20, 60]))
    sizes = [1, *draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))]
    levels = [draw(arrays.arrays(np.int64, (2, size, 1), elements=st.integers(40, 400))) for size in sizes]
    noise = np.random.default_rng(draw(st.integers(0, 99)))
    return [(level + noise.integers(-spread, spread + 1, (2, level.shape[1], networks))) / 4 for level in levels]


@given(_sequences())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_benchmarks_fast_board_is_the_products_for_any_sequence(
    product: ProductBoard, sequence: list[FloatArray]
) -> None:
    slow, fast = product.of_account(next(_ACCOUNTS)), ArrayBoard(2, 1.0)
    for contributions in sequence:
        one, other = slow.submit(contributions), fast.submit(contributions)
        np.testing.assert_array_equal(one.scores, other.scores)
        np.testing.assert_array_equal(one.released, other.released)


def test_scores_that_were_told_without_the_ladder_win_nothing_with_it() -> None:
    """They would, if they counted as tries of which nothing was shown."""
    share = [
        float(np.mean(told_before(World(96, 50, SEED), ArrayBoard(50, 1.0), 500, counts=counts).excess <= 1))
        for counts in (True, False)
    ]
    assert share[0] >= 0.95
    assert share[1] < 0.75


def test_the_old_rule_was_beaten() -> None:
    """The attackers are worth something."""
    excess = _attacked("lottery", OldBoard(), 50, 200).excess
    assert np.mean(excess <= 1) < 0.5


@pytest.mark.thorough
@pytest.mark.parametrize("name", ATTACKERS)
def test_nobody_is_shown_more_than_a_standard_error_above_the_truth(name: str) -> None:
    excess = _attacked(name, ArrayBoard(100, 1.0), 100, 400).excess
    assert np.mean(excess <= 1) >= 0.95


def test_many_accounts_gain_what_one_does_not() -> None:
    median = [
        float(np.median(together(World(NETWORKS, 50, SEED), ArrayBoard(50, 1.0).of_account, accounts).excess))
        for accounts in (1, 50)
    ]
    assert median[0] < 0
    assert median[1] > 1
