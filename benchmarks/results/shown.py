"""How numbers and texts are shown on the page of results: called by `benchmarks.results.page`."""

import math
import textwrap
from collections.abc import Callable, Sequence

from server.commands.local.baselines_scores import Row, ZooScores

SURE = 2.0  # standard errors beyond which a sign or a margin counts as certain
GUESSES = {"Constant", "Random number"}
NONE = "–"


def filled(paragraph: str) -> str:
    """A paragraph with its lines wrapped; tables, lists, headings and pictures unchanged."""
    is_prose = not paragraph.startswith(("|", "#", "!", "- "))
    return textwrap.fill(paragraph, 118, break_long_words=False, break_on_hyphens=False) if is_prose else paragraph


def scored(zoo: ZooScores) -> list[Row]:
    return [row for row in zoo.rows if row.score is not None and row.measure not in GUESSES]


def in_errors(row: Row, floor: float) -> float:
    """How many SEs a score lies above a floor; infinity for a score without spread."""
    over = score(row) - floor
    return over / row.standard_error if row.standard_error else math.copysign(math.inf, over)


def margin(row: Row, zoo: ZooScores) -> str:
    return f"{in_errors(row, zoo.floor.random_percentile_95):+.1f}"


def known(found: Sequence[Row | None]) -> list[Row]:
    return [row for row in found if row is not None]


def score(row: Row) -> float:
    return row.score or 0.0


def sign(row: Row) -> int:
    """1 or -1 where tau differs from 0 by more than `SURE` standard errors, else 0."""
    tau, error = row.kendall_tau, row.kendall_standard_error
    if tau is None or error is None or math.isnan(error) or abs(tau) <= SURE * error:
        return 0
    return 1 if tau > 0 else -1


def mean(rows: Sequence[Row], of: Callable[[Row], float]) -> float:
    return sum(map(of, rows)) / len(rows)


def named(names: Sequence[str]) -> str:
    return ", ".join(names)


def with_error(number: float | None, error: float | None, digits: int) -> str:
    return rounded(number, digits) + ("" if error is None else f" ± {error:.{digits}f}")


def rounded(number: float | None, digits: int) -> str:
    return NONE if number is None else f"{number:.{digits}f}"


def signed(number: float | None) -> str:
    return NONE if number is None else f"{number:+.2f}"
