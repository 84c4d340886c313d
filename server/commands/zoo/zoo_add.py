"""`gengap zoo add`: checks a zoo and, if it has no error, adds it to the store for phases to use."""

from contextlib import closing

import click
from rich.console import Console

from model_zoo import ZooError
from model_zoo.checks.report import CheckReport, Verdict
from server.commands.bars import step_bar
from server.commands.common import find_zoo, settings_or_exit
from server.commands.errors import InputError, ending_with
from server.commands.site_database import ready_database
from submissions.storage.site_records import ZooRecord, ZooState
from submissions.zoos.registry import COMMAND_LINE, add_zoo, record_check
from submissions.zoos.zoo_store import make_zoo_store
from worker.zoo_intake.zoo_check import CheckError, check

_COLOURS = {Verdict.ERROR: "red", Verdict.WARNING: "yellow"}


@click.command(name="add")
@click.argument("zoo", metavar="ZOO")
def command(zoo: str) -> None:
    """Check ZOO and add it to this server. ZOO is a folder, or the name of a recipe, whose zoo is trained.

    A zoo with an error is not added; exit status 1.
    """
    settings = settings_or_exit()
    with ending_with(InputError, ZooError, CheckError):
        folder = find_zoo(zoo, settings).folder
        with step_bar("checking") as watch:
            report = check(folder, watch, settings)
    _print_report(report)
    if report.verdict is Verdict.ERROR:
        errors = len(report.of(Verdict.ERROR))
        raise click.ClickException(f"The zoo was not added: its check found {errors} {_plural(errors, 'error')}.")
    with closing(ready_database(settings)) as db, ending_with(click.ClickException, ZooError):
        with step_bar("storing") as watch:
            store, state = make_zoo_store(settings), ZooState.CHECKING
            zoo_id = add_zoo(db, store, folder, source=COMMAND_LINE, user_id=None, state=state, watch=watch)
        record_check(db, zoo_id, report)
        with db.read() as session:
            label = session.get_one(ZooRecord, zoo_id).label
    click.echo(f"{label} is ready. Open a phase with it: gengap phase open")


def _print_report(report: CheckReport) -> None:
    """Print warnings and errors on stderr; items without a problem are only counted."""
    console = Console(stderr=True, highlight=False)
    for verdict, colour in _COLOURS.items():
        for item in report.of(verdict):
            console.print(f"[{colour}]{verdict.value}[/] ", end="")
            console.print(f"{item.name}: {item.text} {item.advice}", markup=False, soft_wrap=True)
    fine = len(report.of(Verdict.OK))
    console.print(f"{fine} {_plural(fine, 'item')} of the check {'is' if fine == 1 else 'are'} in order.")


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"
