"""Orders that tell something are found, orders made by chance are not."""

import itertools
import random

import pytest

from model_zoo.checks.order import leak_in_order, leak_in_times
from model_zoo.manifest import Axis, NetworkTruth, ZooTruth


def zoo_of(*sizes: int) -> ZooTruth:
    """A truth whose ids stand in the order of the grid; the gaps have no relation to it."""
    axes = [Axis(name=f"a{index}", values=list(range(size))) for index, size in enumerate(sizes)]
    chance = random.Random(3)
    networks = {
        f"n{number:04}": NetworkTruth(
            hyperparameters={axis.name: value for axis, value in zip(axes, place, strict=True)},
            metrics={"train_acc": 1.0, "test_acc": chance.random()},
        )
        for number, place in enumerate(itertools.product(*(axis.values for axis in axes)))
    }
    return ZooTruth(format=1, axes=axes, test_size=100, networks=networks)


LARGE = zoo_of(2, 3, 2, 2, 2, 2)
SMALL = zoo_of(2, 2, 3)


@pytest.mark.parametrize("truth", [LARGE, SMALL], ids=["96 networks", "12 networks"])
@pytest.mark.parametrize("backwards", [False, True])
def test_the_order_of_the_grid_is_found(truth: ZooTruth, backwards: bool) -> None:
    leak = leak_in_order(sorted(truth.networks, reverse=backwards), truth, {"gap": truth.gaps()})
    assert leak is not None
    assert leak.certain
    assert "runs through the grid" in leak.text


def test_an_order_by_the_target_is_found() -> None:
    gaps = LARGE.gaps()
    leak = leak_in_order(sorted(gaps, key=lambda name: gaps[name]), LARGE, {"gap": gaps})
    assert leak is not None
    assert (leak.text, leak.certain) == ("it is correlated with gap", True)


def test_a_loop_over_the_axes_in_another_order_is_found() -> None:
    places = {name: tuple(network.hyperparameters.values()) for name, network in LARGE.networks.items()}
    shuffled_axes = (4, 1, 5, 0, 3, 2)
    order = sorted(places, key=lambda name: [(places[name][axis] * 2) % 3 for axis in shuffled_axes])
    leak = leak_in_order(order, LARGE, {"gap": LARGE.gaps()})
    assert leak is not None
    assert leak.certain


@pytest.mark.parametrize("truth", [LARGE, SMALL], ids=["96 networks", "12 networks"])
def test_chance_is_hardly_ever_suspected_and_never_called_certain(truth: ZooTruth) -> None:
    suspected = 0
    for seed in range(100):
        order = sorted(truth.networks)
        random.Random(seed).shuffle(order)  # not drawn by hypothesis, which would try the sorted one at once
        leak = leak_in_order(order, truth, {"gap": truth.gaps()})
        assert leak is None or not leak.certain
        suspected += leak is not None
    assert suspected <= 1


def test_a_handful_of_networks_tells_nothing() -> None:
    truth = zoo_of(2, 3)
    assert leak_in_order(sorted(truth.networks), truth, {"gap": truth.gaps()}) is None


def test_times_that_come_in_steps_tell_an_axis() -> None:
    steps = {name: 10**9 * int(network.hyperparameters["a1"]) for name, network in LARGE.networks.items()}
    leak = leak_in_times(steps, LARGE, {"gap": LARGE.gaps()})
    assert leak is not None
    assert (leak.text, leak.certain) == ("they are correlated with a1", True)
    assert leak_in_times(dict.fromkeys(steps, 1), LARGE, {"gap": LARGE.gaps()}) is None
