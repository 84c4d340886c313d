"""A measure on a whole zoo outside the queue: every network once, and no fault that nobody hears of."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_zoo import open_zoo
from submissions.settings import Settings
from tests.factories import SQUARED_NORM
from worker.sandbox.pool import SandboxPool, make_pool
from worker.sandbox.protocol import Code, Limits, Value
from worker.zoo_evaluation import evaluate_zoo

CODE = Code({"complexity.py": SQUARED_NORM}, "squared norm")


@pytest.fixture(scope="module")
def pool() -> Iterator[SandboxPool]:
    made = make_pool(Settings(sandbox="bubblewrap"), 2)
    yield made
    made.close()


def test_every_network_has_its_outcome_once(pool: SandboxPool, tiny_zoo: Path) -> None:
    zoo = open_zoo(tiny_zoo)
    outcomes = list(evaluate_zoo(pool, zoo, CODE, Limits()))
    assert sorted(network_id for network_id, _ in outcomes) == sorted(network.id for network in zoo.networks)
    assert all(isinstance(outcome, Value) for _, outcome in outcomes)


def test_a_fault_of_ours_in_a_thread_is_raised_and_not_waited_for(pool: SandboxPool, tiny_zoo: Path) -> None:
    """Limits that nobody can count with, which nothing in the sandbox's own words covers."""
    with pytest.raises(ValueError, match="NaN"):
        list(evaluate_zoo(pool, open_zoo(tiny_zoo), CODE, Limits(wall_s=math.nan)))
