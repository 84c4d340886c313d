"""Pieces of pages that are kept: made once, pushed out where there are too many. Addresses say what was asked."""

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from server.forms.board_query import Asked, address, asked
from server.http.page_cache import KeptPages
from submissions.leaderboard.model import METRICS, Query

sorts = st.sampled_from(["score", "name", "team", "submitted", "tau.zoo", "sign.other-zoo"])
printable = st.text(st.characters(categories=("L", "N", "P", "S")), max_size=20)
queries = st.builds(
    Query,
    sort=sorts,
    descending=st.sampled_from([True, False]),
    track=st.sampled_from(["", "extended"]),
    search=printable,
    page=st.integers(1, 10**6),
)


def test_a_piece_is_made_once_and_pushed_out_by_those_asked_for_later() -> None:
    kept: KeptPages[str] = KeptPages(2)
    made: list[str] = []

    def make(name: str) -> str:
        made.append(name)
        return name

    for name in ("a", "b", "a", "c", "a", "b"):
        assert kept.get(name, lambda name=name: make(name)) == name  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]


@pytest.fixture(scope="module")
def app() -> Flask:
    return Flask("addresses")


@given(query=queries, show=st.sampled_from(["", "all", *METRICS]))
def test_an_address_says_all_that_was_asked(app: Flask, query: Query, show: str) -> None:
    with app.test_request_context(address("/board", Asked(query, show))):
        found = asked()
    natural = query.descending == query.naturally_descending
    assert found.show == show
    assert found.query.descending == (None if natural else query.descending)
    assert (found.query.sort, found.query.track, found.query.search, found.query.page) == (
        query.sort,
        query.track,
        query.search,
        query.page,
    )
