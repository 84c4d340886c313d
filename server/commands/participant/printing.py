"""Output of the participants' commands: for people with rich, for scripts as one JSON object."""

from datetime import datetime

import click
from rich.console import Console
from rich.text import Text

from server.commands.json_output import print_json
from server.commands.participant.client import SubmissionDetail

COLOURS = {"scored": "green", "failed": "red", "broken": "red", "cancelled": "yellow", "running": "cyan"}
FINAL = ("scored", "failed", "cancelled", "broken")


def print_done(is_json: bool, answer: object, sentence: str) -> None:
    """Print what was done: the answer for scripts, the sentence for people."""
    if is_json:
        print_json(answer)
    else:
        click.echo(sentence)


def console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def state_text(state: str) -> Text:
    return Text(state, style=COLOURS.get(state, ""))


def plain(text: str) -> str:
    """Return the text without control characters that a terminal would obey."""
    return "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in text)


def moment(text: str) -> str:
    """Return a time of the API in the reader's time zone."""
    return datetime.fromisoformat(text).astimezone().strftime("%d %b %Y %H:%M")


def print_submission(submission: SubmissionDetail) -> None:
    """Print one submission for people: its state, scores, and how it failed."""
    out = console()
    title = plain(f"{submission['id']}  {submission['name']}  ")
    out.print(Text.assemble((title, "bold"), state_text(submission["state"])))
    where = f"{submission['competition']}/{submission['phase']}"
    out.print(Text(f"{where}, submitted {moment(submission['created_at'])}", style="dim"))
    if (smoke := submission["smoke"]) is not None and submission["state"] != "scored":
        done = f"{smoke['done']} of {smoke['networks']} networks, {smoke['state']}"
        out.print(Text(f"Smoke run on {plain(smoke['zoo_title'])}: {done}"))
    for zoo in submission["zoos"]:
        score = "" if zoo["cmi"] is None else f"  CMI {zoo['cmi']:g}"
        out.print(Text(f"  {plain(zoo['title'])}: {zoo['done']} of {zoo['networks']} networks{score}"))
    if submission["score"] is not None:
        out.print(Text(f"Score {submission['score']:g}", style="bold green"))
    if submission["state"] == "failed":
        print_failure(submission, out)


def print_failure(submission: SubmissionDetail, out: Console) -> None:
    """Print why a measure failed, as far as the reader may know."""
    out.print(Text(submission["sentence"] or "The measure failed.", style="red"))
    failure = submission["failure"]
    if failure is None:
        return
    if failure["zoo_title"] is None:
        out.print(Text("On hidden zoos, this phase shows only the reason of a failure."))
    else:
        run = "smoke run on " if failure["is_smoke"] else ""
        place = f"network {failure['ordinal']} of {failure['networks']}, {run}{plain(failure['zoo_title'])}"
        out.print(Text(f"On {place}."))
    for text in (failure["detail"], failure["message"]):
        if text:
            out.print(Text(plain(text)))
    if failure["log"]:
        out.print(Text("It printed:", style="dim"))
        out.print(Text(plain(failure["log"])))
