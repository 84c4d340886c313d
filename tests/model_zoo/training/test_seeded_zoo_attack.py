"""Guessing where random numbers come from breaks zoos made from a seed or a weak key, and recovers nothing of others.

`python -m benchmarks.seeded_zoo` does the same for 10 processor minutes.
"""

import pytest

from benchmarks.seeded_zoo import HIDDEN, OLD_SEED, WAYS, WEAK_NUMBER, Row, run

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    return {row.way.name: row for row in run(tmp_path_factory.mktemp("attack"), seconds=10.0)}


def test_every_way_of_guessing_breaks_what_it_must_break(rows: dict[str, Row]) -> None:
    networks = len(HIDDEN.grid())
    assert {name: (row.control.found, row.of_control) for name, row in rows.items()} == {
        "seed of the recipe, by weights": (OLD_SEED, networks),
        "seed of the recipe, by ids": (OLD_SEED, networks),
        "small key, by ids": (WEAK_NUMBER, networks),
        "seed of one network": (WEAK_NUMBER, None),
    }


def test_nothing_of_a_zoo_with_a_random_key_is_recovered(rows: dict[str, Row]) -> None:
    assert len(rows) == len(WAYS)
    for row in rows.values():
        assert (row.hidden.found, row.of_hidden) == (None, 0)
        assert row.hidden.guesses > 0
        assert row.hidden.seconds >= 10.0 / len(WAYS)
