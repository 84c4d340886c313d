"""The scores of shipped measures as terminal tables: rounded, sorted by score; the reason for a missing score.

Called by `server.commands.local.baselines`.
"""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.commands.local.baselines_scores import Row, ZooScores, environments, reference_scores
from server.commands.local.baselines_values import State
from submissions.baselines import BASELINES

UNDEFINED = "—"
NARROW = 110  # columns; below, τ's standard error and the worst sign-error are left to the files
_NAME_WIDTH = 24
_STYLES = {State.COMPLETE: "", State.REFUSED: "dim", State.FAILED: "bold red", State.UNFINISHED: "yellow"}
_WORDS = {State.REFUSED: "not applicable", State.FAILED: "failed", State.UNFINISHED: "unfinished"}


def print_list() -> None:
    """Print all shipped measures."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold")
    for heading in ("name", "group", "source", "track", "cost"):
        table.add_column(heading, overflow="fold")
    for baseline in BASELINES:
        table.add_row(*map(Text, (baseline.name, baseline.group, baseline.source, baseline.track, baseline.cost)))
    Console().print(table)


def print_scores(zoo: ZooScores) -> None:
    """Print a table of one zoo's rows and references, and below it the measures without a score, with the reason."""
    console = Console(highlight=False)
    scored = [row for row in zoo.rows if row.score is not None]
    narrow = console.width < NARROW
    headings: tuple[str, ...] = ("score ± SE", "τ-a", "Ψ", "sign-error", "s/network")
    if not narrow:
        headings = ("score ± SE", "τ-a ± SE", "Ψ", "sign-error", "worst", "s/network")
    lines = [(row.score or 0.0, (row.measure, *_cells(row, narrow=narrow)), "") for row in scored]
    for name, score in reference_scores(zoo.floor):
        lines.append((score, (name, f"{score:.2f}"), "italic cyan"))
    table = Table(
        title=Text(f"{zoo.zoo}: {zoo.networks} networks, target {zoo.target}"),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        header_style="",
        padding=(0, 1, 0, 0),
    )
    table.add_column("measure", min_width=_NAME_WIDTH)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for _, cells, style in sorted(lines, key=lambda line: -line[0]):
        table.add_row(*map(Text, cells), style=style)
    console.print(table)
    for row in zoo.rows:
        if row.state is not State.COMPLETE:
            line = Text(f"{row.measure}: ")
            line.append(_WORDS[row.state], style=_STYLES[row.state])
            line.append(f", {row.networks} of {zoo.networks} networks have a value: {row.why}")
            console.print(line)
    console.print(
        Text(
            "score = 100 × CMI; sign-error = mean and worst of the robust sign-error, "
            f"{environments(zoo.rows)}; random predictors: {zoo.floor.draws} draws.",
            style="dim",
        )
    )


def _cells(row: Row, *, narrow: bool) -> tuple[str, ...]:
    score = _with_error(row.score, row.standard_error, 2)
    tau = _rounded(row.kendall_tau, 3) if narrow else _with_error(row.kendall_tau, row.kendall_standard_error, 3)
    errors = (_rounded(row.sign_error_mean, 3), _rounded(row.sign_error_maximum, 3))
    seconds = UNDEFINED if row.seconds is None else f"{row.seconds:.3f}"
    return (score, tau, _rounded(row.psi, 3), *errors[: 1 if narrow else 2], seconds)


def _with_error(number: float | None, standard_error: float | None, digits: int) -> str:
    return _rounded(number, digits) + ("" if standard_error is None else f" ± {standard_error:.{digits}f}")


def _rounded(number: float | None, digits: int) -> str:
    return UNDEFINED if number is None else f"{number:.{digits}f}"
