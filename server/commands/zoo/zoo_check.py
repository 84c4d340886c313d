"""`gengap zoo check`: reports whether a zoo may be opened to participants: a verdict per item, advice, and pictures.

This module prints the report for terminals, scripts and files; `worker.zoo_intake.zoo_check` makes it, in a child or a
sandbox.
"""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from model_zoo import ZooError
from model_zoo.checks.report import CheckReport, Verdict
from server.commands.bars import step_bar
from server.commands.common import find_zoo, settings_or_exit
from server.commands.errors import InputError, ending_with
from server.commands.output_files import write_named
from server.presentation.zoo_report_page import page
from submissions.settings import Settings
from worker.zoo_intake.zoo_check import CheckError, check

REFUSED = 1
_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.ERROR: "bold red"}
_CONCLUSIONS = {
    Verdict.OK: "This zoo may be opened.",
    Verdict.WARNING: "This zoo may be opened; read the warnings first.",
    Verdict.ERROR: "This zoo must not be opened as it is.",
}


@click.command(name="check")
@click.argument("zoo", metavar="ZOO")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object and nothing else on stdout.")
@click.option(
    "--html",
    "html_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the report with its pictures as one self-contained HTML page.",
)
def command(zoo: str, as_json: bool, html_file: Path | None) -> None:
    """Check ZOO, a folder or the name of a zoo, before it is opened to participants.

    Exit status: 0 no errors (read the warnings), 1 errors: the zoo cannot be attached to a phase, 2 wrong usage.
    """
    settings = settings_or_exit()
    folder = _folder(zoo, settings)
    with ending_with(InputError, CheckError), step_bar(folder.name) as watch:
        report = check(folder, watch, settings)
    if html_file is not None:
        write_named(html_file, page(report).encode())
    if as_json:
        click.echo(report.model_dump_json())
    else:
        _print(report)
    raise SystemExit(REFUSED if report.verdict is Verdict.ERROR else 0)


def _folder(name_or_folder: str, settings: Settings) -> Path:
    """Return the zoo's folder. A folder is not checked here, because the report says whether it is a zoo."""
    if Path(name_or_folder).is_dir():
        return Path(name_or_folder).absolute()
    with ending_with(InputError, ZooError):
        return find_zoo(name_or_folder, settings).folder


def _print(report: CheckReport) -> None:
    console = Console()
    table = Table(title=Text(f"{report.zoo}: {report.title}"), title_justify="left")
    table.add_column("verdict")
    table.add_column("item")
    table.add_column("what was found, and what to do", overflow="fold")
    for item in report.items:
        found = Text(item.text)
        if item.advice:
            found.append(f"\n→ {item.advice}", style="italic")
        table.add_row(Text(item.verdict.value, style=_COLOURS[item.verdict]), Text(item.name), found)
    console.print(table)
    errors, warnings = len(report.of(Verdict.ERROR)), len(report.of(Verdict.WARNING))
    console.print(Text(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}. {_CONCLUSIONS[report.verdict]}"))


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
