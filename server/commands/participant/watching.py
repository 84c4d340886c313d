"""Watching a submission in the terminal until it ends, with bars in a terminal and lines elsewhere."""

from collections.abc import Iterator
from typing import NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from server.commands.participant.client import Client, SubmissionTold
from server.commands.participant.printing import FINAL, plain, print_json, print_submission

SMOKE_POLL_S, POLL_S = 0.5, 2.0


class Ended(click.exceptions.Exit):
    """Ends the command, with status 0 if the submission was scored and 1 if it ended otherwise."""

    def __init__(self, told: SubmissionTold) -> None:
        super().__init__(0 if told["state"] == "scored" else 1)


def watch(client: Client, submission_id: int, *, is_json: bool) -> NoReturn:
    """Watch a submission to its end, print how it ended, and end the command with the matching status."""
    err = Console(stderr=True, highlight=False)
    changes = client.changes(submission_id, _wait_s)
    told = _with_bars(changes, err) if err.is_terminal and not is_json else _with_lines(changes, is_quiet=is_json)
    if is_json:
        print_json(told)
    else:
        print_submission(told)
    raise Ended(told)


def _wait_s(told: SubmissionTold) -> float:
    is_in_smoke = told["smoke"] is not None and told["smoke"]["state"] not in FINAL
    return SMOKE_POLL_S if is_in_smoke else POLL_S


def _with_bars(changes: Iterator[SubmissionTold], out: Console) -> SubmissionTold:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as bars:
        tasks: dict[str, TaskID] = {}
        for told in changes:
            for name, done, networks in _parts(told):
                if name not in tasks:
                    tasks[name] = bars.add_task(name, total=networks)
                bars.update(tasks[name], completed=done, total=networks)
            if told["state"] in FINAL:
                return told
    raise AssertionError("the progress is watched until the end")


def _with_lines(changes: Iterator[SubmissionTold], *, is_quiet: bool) -> SubmissionTold:
    last: tuple[str, ...] = ()
    for told in changes:
        now = (told["state"], *(f"{name}: {done} of {networks}" for name, done, networks in _parts(told)))
        if not is_quiet and now != last:
            click.echo("  ".join(now), err=True)
        last = now
        if told["state"] in FINAL:
            return told
    raise AssertionError("the progress is watched until the end")


def _parts(told: SubmissionTold) -> Iterator[tuple[str, int, int]]:
    """Return the parts of the work by name, with the number of finished networks and of all networks."""
    if (smoke := told["smoke"]) is not None:
        yield "smoke run", smoke["done"], smoke["networks"]
    for zoo in told["zoos"]:
        yield plain(zoo["title"]), zoo["done"], zoo["networks"]
