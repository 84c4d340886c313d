"""The sentences under a board say what its numbers say, and nothing where those are not shown."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.presentation.board_sentences import board_in_words
from submissions.leaderboard.model import Board, Query, Row
from submissions.leaderboard.references import References
from submissions.storage.records import CountRule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REFERENCES = References(1.0, None, 8.0)


def row(place: int, score: float, error: float | None, interval: tuple[int, int] | None) -> Row:
    lowest, highest = interval or (None, None)
    return Row(
        rank=place,
        is_tied=False,
        lowest=lowest,
        highest=highest,
        entrant=f"e{place}",
        submission_id=place,
        name=f"m{place}",
        by="",
        is_alias=False,
        is_baseline=False,
        is_reference=False,
        track="standard",
        score=score,
        standard_error=error,
        scored=1,
        submitted_at=NOW,
    )


def board(*rows: Row, references: References | None = REFERENCES) -> Board:
    return Board(
        phase_id=1,
        version=1,
        query=Query(descending=True),
        metrics=("cmi",),
        columns=(),
        rows=rows,
        total=len(rows),
        pages=1,
        entrants=len(rows),
        tracks=("standard",),
        references=references,
        count_rule=CountRule.BEST,
        uses_ladder=False,
        freezes_at=None,
        step=None,
        has_old_intervals=False,
    )


FOUR = board(row(1, 14.0, 2.9, (1, 2)), row(2, 10.0, 1.1, (1, 2)), row(3, 4.0, 1.0, (2, 3)), row(4, 1.5, 0.5, (4, 4)))


def test_it_counts_what_lies_above_the_references_and_names_groups_of_places() -> None:
    assert board_in_words(FOUR) == (
        "Of 4 measures, 3 are better than chance and 1 is better than the hyperparameters alone, by more than 2"
        " standard errors. The data tell 3 groups apart, with 95 % confidence: places 1–2, place 3 and place 4."
        " The order within a group may be chance."
    )


def test_exactly_two_standard_errors_are_not_more() -> None:
    told = board_in_words(board(row(1, 10.0, 1.0, (1, 2)), row(2, 3.0, 1.0, (1, 2))))
    assert told.startswith("Of 2 measures, 1 is better than chance and none is better than the hyperparameters alone")


def test_measures_that_cannot_be_told_apart_are_said_to_be_so() -> None:
    told = board_in_words(board(row(1, 3.0, 1.0, (1, 2)), row(2, 2.0, 1.0, (1, 2)), references=None))
    assert told == "No measure is certainly worse than the first: their order may be chance."


def test_the_first_of_many_pages_says_so() -> None:
    assert board_in_words(replace(FOUR, pages=2)).startswith("Of the first 4 measures, ")


def test_without_new_intervals_nothing_is_said_of_groups() -> None:
    assert "groups" not in board_in_words(replace(FOUR, has_old_intervals=True))
    assert "groups" not in board_in_words(board(*FOUR.rows[:3], row(4, 1.0, 0.5, None)))


@pytest.mark.parametrize(
    "other",
    [
        {"step": 1.0},
        {"uses_ladder": True},
        {"rows": FOUR.rows[:1]},
        {"query": Query(descending=True, page=2)},
        {"query": Query(descending=True, search="m")},
        {"query": Query(descending=True, track="standard")},
        {"query": Query(sort="name", descending=True)},
        {"query": Query(descending=False)},
    ],
)
def test_nothing_is_said_of_what_is_no_ranking_in_full(other: dict[str, object]) -> None:
    assert board_in_words(replace(FOUR, **other)) == ""  # type: ignore[arg-type]


@given(st.lists(st.integers(1, 12), min_size=2, max_size=12))
def test_the_groups_are_all_places_in_order(lowest: list[int]) -> None:
    rows = [row(place, 50.0 - place, 1.0, (min(low, place), 12)) for place, low in enumerate(lowest, 1)]
    told = board_in_words(board(*rows, references=None))
    if "groups" not in told:
        assert all(one.lowest == 1 for one in rows)
        return
    listed = told.split(": ")[1].split(".")[0].replace(" and ", ", ").split(", ")
    ends = [part.split(" ")[1].split("–") for part in listed]
    places = [place for end in ends for place in range(int(end[0]), int(end[-1]) + 1)]
    assert places == list(range(1, len(rows) + 1))
