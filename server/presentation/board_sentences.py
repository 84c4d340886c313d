"""What a leaderboard shows, in two sentences under it: which measures are good, and which can be told apart."""

from collections.abc import Sequence

from submissions.leaderboard.model import Board, Row

ERRORS = 2  # standard errors that a score must lie above a reference


def board_in_words(board: Board) -> str:
    """Return sentences about the ranking on the first page of a board; empty where standard errors are not shown."""
    ranked = [row for row in board.rows if row.rank is not None]
    is_first = board.query.page == 1 and not board.query.search and not board.query.track
    is_ranking = board.query.sort == "score" and board.query.descending
    if not (is_first and is_ranking) or board.step is not None or board.uses_ladder or len(ranked) < 2:
        return ""
    of = f"the first {len(ranked)} measures" if board.pages > 1 else f"{len(ranked)} measures"
    return " ".join(filter(None, (_above_references(board, ranked, of), _told_apart(board, ranked))))


def _above_references(board: Board, ranked: Sequence[Row], of: str) -> str:
    """How many scores are better than chance, and than the hyperparameters alone."""
    if board.references is None:
        return ""
    sure = [row.score - ERRORS * row.standard_error for row in ranked if row.standard_error is not None]
    oracle = sum(score > board.references.hyperparameter_oracle for score in sure)
    chance = sum(score > board.references.random_floor for score in sure)
    return (
        f"Of {of}, {_some(chance)} better than chance and {_some(oracle)} better than the hyperparameters alone,"
        f" by more than {ERRORS} standard errors."
    )


def _told_apart(board: Board, ranked: Sequence[Row]) -> str:
    """Groups of places: to the first of each, at least all up to the first of the group before are certainly better."""
    if board.has_old_intervals or any(row.lowest is None for row in ranked):
        return ""
    firsts = [0]
    for place, row in enumerate(ranked):
        if row.lowest is not None and row.lowest > firsts[-1] + 1:
            firsts.append(place)
    if len(firsts) == 1:
        return "No measure is certainly worse than the first: their order may be chance."
    groups = [_places(first + 1, end) for first, end in zip(firsts, [*firsts[1:], len(ranked)], strict=True)]
    listed = f"{', '.join(groups[:-1])} and {groups[-1]}"
    return (
        f"The data tell {len(groups)} groups apart, with 95 % confidence: {listed}."
        " The order within a group may be chance."
    )


def _some(count: int) -> str:
    return "none is" if count == 0 else "1 is" if count == 1 else f"{count} are"


def _places(first: int, last: int) -> str:
    return f"place {first}" if first == last else f"places {first}–{last}"
