"""Watching a submission in the terminal until it ends, with bars in a terminal and lines elsewhere."""

from collections.abc import Iterator
from typing import NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn

from server.commands.bars import bars
from server.commands.json_output import print_json
from server.commands.participant.client import Client, SubmissionDetail
from server.commands.participant.printing import FINAL, plain, print_submission

SMOKE_POLL_S, POLL_S = 0.5, 2.0


class Ended(click.exceptions.Exit):
    """Ends the command, with status 0 if the submission was scored and 1 if it ended otherwise."""

    def __init__(self, submission: SubmissionDetail) -> None:
        super().__init__(0 if submission["state"] == "scored" else 1)


def watch(client: Client, submission_id: int, *, is_json: bool) -> NoReturn:
    """Watch a submission to its end, print how it ended, and end the command with the matching status."""
    changes = client.changes(submission_id, _wait_s)
    has_bars = Console(stderr=True).is_terminal and not is_json
    submission = _with_bars(changes) if has_bars else _with_lines(changes, is_quiet=is_json)
    if is_json:
        print_json(submission)
    else:
        print_submission(submission)
    raise Ended(submission)


def _wait_s(submission: SubmissionDetail) -> float:
    is_in_smoke = submission["smoke"] is not None and submission["smoke"]["state"] not in FINAL
    return SMOKE_POLL_S if is_in_smoke else POLL_S


def _with_bars(changes: Iterator[SubmissionDetail]) -> SubmissionDetail:
    with bars(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as tell:
        for submission in changes:
            for name, done, networks in _parts(submission):
                tell(name, done, networks)
            if submission["state"] in FINAL:
                return submission
    raise AssertionError("the progress is watched until the end")


def _with_lines(changes: Iterator[SubmissionDetail], *, is_quiet: bool) -> SubmissionDetail:
    last: tuple[str, ...] = ()
    for submission in changes:
        now = (submission["state"], *(f"{name}: {done} of {networks}" for name, done, networks in _parts(submission)))
        if not is_quiet and now != last:
            click.echo("  ".join(now), err=True)
        last = now
        if submission["state"] in FINAL:
            return submission
    raise AssertionError("the progress is watched until the end")


def _parts(submission: SubmissionDetail) -> Iterator[tuple[str, int, int]]:
    """Return the parts of the work by name, with the number of finished networks and of all networks."""
    if (smoke := submission["smoke"]) is not None:
        yield "smoke run", smoke["done"], smoke["networks"]
    for zoo in submission["zoos"]:
        yield plain(zoo["title"]), zoo["done"], zoo["networks"]
