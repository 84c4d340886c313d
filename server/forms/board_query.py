"""The query parameters of a leaderboard's page, and links that change one of them.

Called by the leaderboard's pages and exports.
"""

from dataclasses import dataclass, replace
from urllib.parse import urlencode

from flask import request

from submissions.leaderboard.model import METRICS, PAGE_ROWS, SCORE, SEARCH_LENGTH, Board, Query

ALL = "all"
CELLS_OF_A_PAGE = 600  # so that a page of many zoos is no larger than others
FEWEST_ROWS = 10
ALL_METRICS_UP_TO = 2  # zoos
_SORT_LENGTH = 100
_LARGEST_PAGE = 10**6


@dataclass(frozen=True)
class Asked:
    """A query, and the metrics in the table: one of METRICS, all, or empty for the default."""

    query: Query
    show: str = ""

    def metrics(self, zoos: int) -> tuple[str, ...]:
        """Return the metrics that are columns of a board over this many zoos."""
        if self.show in METRICS:
            return (self.show,)
        return tuple(METRICS) if self.show == ALL or zoos <= ALL_METRICS_UP_TO else ("cmi",)


@dataclass(frozen=True)
class Links:
    """Addresses below one leaderboard; each changes one parameter of the current query and keeps the rest.

    board: the current page, with its definite query. path: of the leaderboard, without a query.
    """

    board: Board
    show: str
    path: str

    def sort(self, key: str) -> str:
        """Return the address for sorting by a column in its natural order; by the current one, in the other order."""
        query = self.board.query
        descending = (not query.descending) if key == query.sort else None
        return self._to(replace(query, sort=key, descending=descending, page=1))

    def page(self, number: int) -> str:
        return self._to(replace(self.board.query, page=number))

    def showing(self, show: str) -> str:
        return self._to(self.board.query, show)

    @property
    def here(self) -> str:
        return self._to(self.board.query)

    @property
    def mine(self) -> str:
        return self._to(replace(self.board.query, page=1), path=f"{self.path}/mine")

    def export(self, ending: str) -> str:
        return self._to(replace(self.board.query, page=1), show="", path=f"{self.path}.{ending}")

    def _to(self, query: Query, show: str | None = None, path: str | None = None) -> str:
        return address(path or self.path, Asked(query, self.show if show is None else show))


def asked() -> Asked:
    """Return the query of this request. Whatever a client sends becomes text and numbers of limited size."""
    arguments = request.args
    page = arguments.get("page", "1")
    show = arguments.get("show", "")
    query = Query(
        sort=arguments.get("sort", SCORE)[:_SORT_LENGTH],
        descending={"asc": False, "desc": True}.get(arguments.get("dir", "")),
        track=arguments.get("track", "")[:_SORT_LENGTH],
        search=" ".join("".join(c if c.isprintable() else " " for c in arguments.get("q", "")).split())[:SEARCH_LENGTH],
        page=min(int(page), _LARGEST_PAGE) if page.isascii() and page.isdecimal() and len(page) <= 9 else 1,
    )
    return Asked(query, show if show in METRICS or show == ALL else "")


def rows_of_a_page(asked: Asked, zoos: int) -> int:
    """Return a number of rows that keeps the page small."""
    return max(FEWEST_ROWS, min(PAGE_ROWS, CELLS_OF_A_PAGE // max(1, zoos * len(asked.metrics(zoos)))))


def address(path: str, asked: Asked) -> str:
    """Return the address of a query below `path`, without parameters that have the default."""
    query = asked.query
    said = {
        "sort": "" if query.sort == SCORE else query.sort,
        "dir": "" if query.descending is None or _is_natural(query) else ("desc" if query.descending else "asc"),
        "track": query.track,
        "q": query.search,
        "show": asked.show,
        "page": "" if query.page == 1 else str(query.page),
    }
    told = urlencode({name: value for name, value in said.items() if value})
    return f"{path}?{told}" if told else path


def _is_natural(query: Query) -> bool:
    return query.descending == query.naturally_descending
