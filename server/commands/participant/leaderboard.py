"""`gengap leaderboard`: prints the leaderboard of a phase."""

import re
from typing import Any

import click
from rich.table import Column, Table
from rich.text import Text

from server.commands.errors import InputError
from server.commands.json_output import as_json, print_json
from server.commands.participant.client import Client
from server.commands.participant.printing import console, plain
from server.commands.participant.stored_logins import current_login

_ADDRESS = re.compile(r"([A-Za-z0-9._-]+)/([A-Za-z0-9._-]+)")


@click.command()
@click.argument("phase", metavar="COMPETITION/PHASE")
@click.option("--sort", metavar="COLUMN", help="score, name, team, submitted, or a metric of a zoo such as cmi.NAME.")
@click.option("--track", help="Only rows of this track.")
@click.option("--search", metavar="TEXT", help="Only measures, teams and people with this text in their name.")
@click.option("--page", type=click.IntRange(min=1), default=1, show_default=True, help="Which page.")
@click.option("--rows", type=click.IntRange(1, 200), default=50, show_default=True, help="How many a page.")
@as_json
def command(
    phase: str, sort: str | None, track: str | None, search: str | None, page: int, rows: int, is_json: bool
) -> None:
    """Show the leaderboard of COMPETITION/PHASE. Your own row is marked when you are logged in."""
    found = _ADDRESS.fullmatch(phase)
    if found is None:
        raise InputError(f"Name a competition and a phase, as in spring/final, not {phase!r}.")
    path = f"/competitions/{found[1]}/phases/{found[2]}/leaderboard"
    with Client(current_login()) as client:
        board = client.get(path, sort=sort, track=track, search=search, page=page, per_page=rows)
    if sort is not None and board["sort"] != sort:
        known = ", ".join(["score", "name", "team", "submitted", *(f"cmi.{zoo['name']}" for zoo in board["zoos"])])
        raise InputError(f"This board has no column {sort!r} to sort by; it has {known}.")
    if is_json:
        print_json(board)
    else:
        _print(board)


def _print(board: dict[str, Any]) -> None:
    out = console()
    if not board["items"]:
        click.echo("This leaderboard is empty." if not board["total"] else "There is no such page.")
        return
    out.print(_table(board))
    shown = f"{len(board['items'])} of {board['total']} rows" if board["total"] > len(board["items"]) else ""
    notes = [
        shown,
        "Scores from 0 to 100; higher is better.",
        "Only released scores are shown." if board["uses_ladder"] else "",
    ]
    out.print(Text("  ".join(filter(None, notes)), style="dim"))


def _table(board: dict[str, Any]) -> Table:
    rank, score = Column("Rank", justify="right"), Column("Score", justify="right")
    table = Table(rank, "Measure", "By", score, box=None, pad_edge=False)
    for zoo in board["zoos"]:
        table.add_column(plain(zoo["title"]), justify="right")
    for row in board["items"]:
        style = "bold reverse" if row["is_own"] else "dim" if row["is_reference"] else ""
        cells = [_number(cell["cmi"]) for cell in row["cells"]]
        table.add_row(_rank(row), Text(plain(row["name"])), _by(row), _score(row), *cells, style=style)
    return table


def _rank(row: dict[str, Any]) -> str:
    if row["rank"] is None:
        return ""
    lowest, highest = row["lowest"], row["highest"]
    between = "" if lowest is None or lowest == highest else f" ({lowest}–{highest})"
    return f"{'=' if row['is_tied'] else ''}{row['rank']}{between}"


def _by(row: dict[str, Any]) -> Text:
    if row["is_baseline"]:
        return Text("reference" if row["is_reference"] else "baseline", style="italic")
    return Text(f"{plain(row['by'])}{' (you)' if row['is_own'] else ''}")


def _score(row: dict[str, Any]) -> str:
    error = row["standard_error"]
    return f"{row['score']:.2f}" if error is None else f"{row['score']:.2f} ± {error:.2f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
