"""The data of a leaderboard: query, columns, rows and cells. `submissions.leaderboard.board_page` creates them.

Pages, API, exports and command line show these numbers unchanged: all are rounded already.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import scoring
from scoring.metric import Metric
from submissions.leaderboard.references import References
from submissions.storage.records import CountRule

PAGE_ROWS = 50
SEARCH_LENGTH = 80

SCORE, NAME, TEAM, SUBMITTED = "score", "name", "team", "submitted"
# The metrics that are columns of a board for each zoo, by their names in addresses: `?sort=tau.digits-mlp`.
METRICS: Final[Mapping[str, Metric]] = {
    metric.address_name: metric for metric in scoring.METRICS.values() if metric.on_leaderboard
}
NATURALLY_DESCENDING = {SCORE: True, NAME: False, TEAM: False, SUBMITTED: True}


@dataclass(frozen=True)
class Query:
    """Which rows, in which order. Invalid choices are replaced by the default.

    Attributes
    ----------
    sort : str
        Score, name, team, submitted, or a metric of a zoo such as `tau.digits-mlp`.
    descending : bool or None
        None for the natural order of the column.
    search : str
        Part of the name of a measure, team or person.
    size : int or None
        Rows per page; None for a single page.
    """

    sort: str = SCORE
    descending: bool | None = None
    track: str = ""
    search: str = ""
    page: int = 1
    size: int | None = PAGE_ROWS

    @property
    def naturally_descending(self) -> bool:
        """Whether the natural order of the column puts larger values first."""
        metric, _, zoo = self.sort.partition(".")
        return (
            METRICS[metric].higher_is_better if zoo and metric in METRICS else NATURALLY_DESCENDING.get(self.sort, True)
        )


@dataclass(frozen=True)
class Column:
    """One zoo of the phase, with its references."""

    zoo_id: int
    name: str
    title: str
    truth_public: bool
    references: References | None


@dataclass(frozen=True)
class Cell:
    """One submission on one zoo, scaled and rounded as `Metric.shown` says; None where not known.

    metrics: the key of a metric → its number. standard_error: of the CMI, on its scale.
    """

    metrics: Mapping[str, float | None] = field(default_factory=dict)
    standard_error: float | None = None

    def columns(self) -> dict[str, float | None]:
        """The numbers by their names in exports and the API: the CMI, its standard error, then the other metrics."""
        cmi, *others = (metric.key for metric in METRICS.values())
        names = {cmi: self.metrics.get(cmi), "standard_error": self.standard_error}
        return names | {key: self.metrics.get(key) for key in others}


@dataclass(frozen=True)
class Row:
    """One entrant. Scores that are equal as shown share a rank (1, 2, 2, 4); reference rows have none.

    Attributes
    ----------
    lowest, highest : int or None
        The rank interval; None until it is computed.
    by : str
        Name of the team or person, or the alias.
    standard_error : float or None
        Of the score; with the Ladder, the step of the shown score.
    scored : int
        Number of the entrant's submissions that were taken into account.
    cells : tuple[Cell, ...]
        One per column.
    """

    rank: int | None
    is_tied: bool
    lowest: int | None
    highest: int | None
    entrant: str
    submission_id: int
    name: str
    by: str
    is_alias: bool
    is_baseline: bool
    is_reference: bool
    track: str
    score: float
    standard_error: float | None
    scored: int
    submitted_at: datetime
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class Board:
    """One page of a phase's leaderboard.

    Attributes
    ----------
    version : int
        Increases with every change of the board.
    query : Query
        With explicit direction and page.
    metrics : tuple[str, ...]
        Address names of the metrics that are told of at least one zoo.
    columns : tuple[Column, ...]
        None in a phase with the Ladder, which hides the metrics.
    total : int
        Rows that the query finds, on `pages` pages.
    entrants : int
        Number of entrants with a rank.
    tracks : tuple[str, ...]
        All tracks on the board.
    references : References or None
        Of the mean score over all zoos.
    step : float or None
        The distance of the scores that are shown; None if they are shown with two digits.
    has_old_intervals : bool
        Whether the rank intervals belong to an earlier version, and new ones are being computed.
    """

    phase_id: int
    version: int
    query: Query
    metrics: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: int
    pages: int
    entrants: int
    tracks: tuple[str, ...]
    references: References | None
    count_rule: CountRule
    uses_ladder: bool
    freezes_at: datetime | None
    step: float | None
    has_old_intervals: bool
