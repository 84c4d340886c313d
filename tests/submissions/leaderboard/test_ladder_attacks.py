"""Simulated attackers, who know all but the luck of the networks, are not shown more than is true."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.ladder import ATTACKERS, SEED, Best, World, attack, together
from benchmarks.ladder_boards import ArrayBoard, Board, OldBoard, ProductBoard

NETWORKS = 48


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
