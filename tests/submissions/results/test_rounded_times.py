"""Times as counts between round numbers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submissions.results.rounded_times import LEAST_S, time_bins

SECONDS = st.lists(st.floats(0, 10**5), min_size=1, max_size=50).map(sorted)


@given(seconds=SECONDS)
def test_every_time_is_counted_in_the_bin_that_it_lies_in(seconds: list[float]) -> None:
    bins = time_bins(seconds)
    counted = [max(one, LEAST_S) for one in seconds]
    assert sum(one.networks for one in bins) == len(seconds)
    assert len(bins) <= 40
    for before, after in pairwise(bins):
        assert before.to_s == after.from_s
    for place, one in enumerate(bins):
        is_last = place == len(bins) - 1
        inside = [s for s in counted if one.from_s <= s < one.to_s or (is_last and s == one.to_s)]
        assert one.from_s < one.to_s
        assert len(inside) == one.networks


@pytest.mark.parametrize(
    ("seconds", "edges"),
    [
        ([0.25, 0.25], [0.25, 0.3]),
        ([0.11, 0.9], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        ([0.03, 4.0], [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0]),
        ([120.0, 125.0], [120.0, 140.0]),
    ],
)
def test_edges_are_round(seconds: list[float], edges: list[float]) -> None:
    bins = time_bins(seconds)
    assert [one.from_s for one in bins] + [bins[-1].to_s] == edges


def test_no_times_are_no_bins() -> None:
    assert time_bins([]) == ()
