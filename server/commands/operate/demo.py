"""`gengap demo`: sets up and runs everything on this machine; with `--check`, tests it once and removes it."""

import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.live import Live
from rich.table import Column, Table
from sqlalchemy import select

from model_zoo import ZooError
from server.commands.common import make_zoo, settings_or_exit
from server.commands.errors import InputError
from server.commands.site_database import ready_database
from server.demo.competition import ZOOS, Demo, prepare
from server.demo.processes import Child, ChildError, environment_with, free_port, is_taken, running
from server.demo.visitor import PageError, Visitor
from submissions.competitions.competitions import CompetitionError
from submissions.evaluation import open_submissions
from submissions.evaluation.open_submissions import OpenSubmission
from submissions.intake.bundle_store import BundleStore
from submissions.leaderboard import board_page
from submissions.leaderboard.model import Board, Query
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.records import SubmissionRecord
from submissions.storage.states import State
from submissions.zoos.zoo_store import make_zoo_store
from worker.hints import send_hint
from worker.sandbox.layers.selftest import try_sandbox

START_S = 60.0
CHECK_S = 900.0
LOOK_S = 0.5
CHECK_MEASURE = b'''"""Norm over margin: the size of the weights against how far the right class leads."""

import torch


def complexity(model, dataset):
    with torch.no_grad():
        logits = model(dataset.inputs)
        right = logits.gather(1, dataset.labels[:, None])
        wrong = logits.scatter(1, dataset.labels[:, None], -torch.inf).amax(1, keepdim=True)
        norm = sum(float(p.square().sum()) for p in model.parameters())
        return norm / float((right - wrong).quantile(0.1)) ** 2
'''
_console = Console(stderr=True)


_interrupted = threading.Event()


class CheckFailed(click.ClickException):
    """The demo did not work as expected; one sentence on stderr and exit status 1."""


@dataclass(frozen=True)
class Site:
    """The running demo."""

    settings: Settings
    db: Database
    demo: Demo
    children: tuple[Child, ...]

    @property
    def url(self) -> str:
        return f"http://{self.settings.host}:{self.settings.port}"


@click.command()
@click.option("--check", is_flag=True, help="Use a temporary home folder, submit a measure and wait for its score.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (default: 8000).")
def command(check: bool, port: int | None) -> None:
    """Set up everything and run a small real competition on this machine until Ctrl-C."""
    settings = settings_or_exit()
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT also where it was ignored at the start
        signal.signal(number, _as_interrupt)
    try:
        if check:
            _check(settings)
        else:
            _serve(_with(settings, port=port or settings.port))
    except KeyboardInterrupt:
        _console.print("Stopped.")
    except (ChildError, ZooError, CompetitionError, PageError) as error:
        raise CheckFailed(str(error)) from error


def _serve(settings: Settings) -> None:
    if is_taken(settings.host, settings.port):
        raise InputError(f"Port {settings.port} is taken. Choose another: gengap demo --port 8001")
    with _site(settings) as site:
        click.echo(f"\nGengap runs at {site.url}")
        click.echo(f"  leaderboard  {site.url}{site.demo.leaderboard_path}")
        click.echo(f"  submit       {site.url}{site.demo.submit_path}")
        if site.demo.organizer_password is not None:
            click.echo(f"  organizer    name: organizer  password: {site.demo.organizer_password}  (shown once)")
        click.echo(f"  data         {settings.home}\nCtrl-C stops everything; gengap demo continues from there.\n")
        _watch_until_scored(site)
        Console().print(leaderboard_table(_board(site)))
        click.echo("All submissions are evaluated. The site stays up; Ctrl-C stops it.")
        while True:
            _keep_running(site)
            time.sleep(LOOK_S)


def _check(settings: Settings) -> None:
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gengap-check-") as home:
        own = {"home": Path(home), "database_url": "", "broker_url": "filesystem://", "store_url": ""}
        own |= {"zoo_cache": Path(home) / "zoo-cache"}
        with _site(_with(settings, host="127.0.0.1", port=free_port(), **own)) as site:
            visitor = Visitor(site.url)
            try:
                visitor.register("checker", "a-long-enough-password")
                visitor.log_out()
                visitor.log_in("checker", "a-long-enough-password")
                submission_id = visitor.upload(site.demo.submit_path, "Norm over margin", "measure.py", CHECK_MEASURE)
            finally:
                visitor.close()
            _watch_until_scored(site, deadline=time.monotonic() + CHECK_S)
            _expect_scored(site, submission_id)
            Console().print(leaderboard_table(_board(site)))
    click.echo(f"The demo works: a measure was uploaded and scored ({time.monotonic() - begin:.0f} s in all).")


def _expect_scored(site: Site, submission_id: int) -> None:
    with site.db.read() as session:
        own = session.get_one(SubmissionRecord, submission_id)
        for submission in [own, *session.scalars(select(SubmissionRecord).order_by(SubmissionRecord.id))]:
            if submission.state is not State.SCORED:
                reason = submission.reason or submission.detail or "no reason given"
                raise CheckFailed(f"{submission.name!r} ended as {submission.state}: {reason}")


@contextmanager
def _site(settings: Settings) -> Iterator[Site]:
    """Run the demo's web server and worker until the block is left.

    The sandbox is tested meanwhile, so that a failure is reported before a worker runs into it.
    """
    db = ready_database(settings)
    with ThreadPoolExecutor(1) as executor, closing(db):
        tried = executor.submit(try_sandbox, settings)
        logs = settings.home / "logs"
        logs.mkdir(exist_ok=True, mode=0o700)
        bundles, zoos = BundleStore(settings.store_folder), make_zoo_store(settings)
        demo = prepare(db, bundles, zoos, lambda: [make_zoo(name, settings) for name in ZOOS])
        environment = environment_with(settings.model_dump())
        serve, worker = (Child(name, (name,), environment, logs / f"{name}.log") for name in ("serve", "worker"))
        site = Site(settings, db, demo, (serve, worker))
        with running([serve]):
            _wait_until_up(site)
            if not tried.result().works:
                raise CheckFailed(f"The sandbox does not work here: {tried.result().text}. More: gengap doctor")
            with running([worker]):
                send_hint(settings)
                yield site


def _wait_until_up(site: Site) -> None:
    visitor = Visitor(site.url)
    try:
        deadline = time.monotonic() + START_S
        while not visitor.is_up():
            if time.monotonic() > deadline:
                log = site.children[0].log
                raise ChildError(f"the web server does not answer after {START_S:.0f} s; its log is {log}")
            _keep_running(site)
            time.sleep(0.1)
    finally:
        visitor.close()


def _watch_until_scored(site: Site, deadline: float | None = None) -> None:
    """Show the leaderboard in a terminal until nothing is queued or running.

    Raises CheckFailed at the deadline.
    """
    with Live(console=_console, auto_refresh=False, transient=True) as live:
        while (waiting := _waiting(site))[0]:
            _keep_running(site)
            if _console.is_terminal:
                live.update(leaderboard_table(_board(site), waiting[1]), refresh=True)
            if deadline is not None and time.monotonic() > deadline:
                raise CheckFailed(f"{waiting[0]} submissions were not scored after {CHECK_S:.0f} s")
            time.sleep(LOOK_S)
        live.update("", refresh=True)


def _board(site: Site) -> Board:
    with site.db.read() as session:
        return board_page.page(session, site.demo.phase_id, Query(size=None))


def _waiting(site: Site) -> tuple[int, tuple[OpenSubmission, ...]]:
    """Return how many submissions are queued or running, and the newest of them."""
    with site.db.read() as session:
        phase_id = site.demo.phase_id
        return open_submissions.open_count(session, phase_id), open_submissions.open_submissions(session, phase_id)


def leaderboard_table(board: Board, waiting: Sequence[OpenSubmission] = ()) -> Table:
    """Return the standings as a terminal table, with the open submissions and their progress below."""
    rank, score = Column("rank", justify="right"), Column("score", justify="right")
    table = Table(rank, "submission", "by", score, title="Leaderboard (higher is better)")
    for column in board.columns:
        table.add_column(f"{column.name}\nCMI x 100, tau", justify="right")
    for row in board.rows:
        pairs = [(cell.metrics.get("cmi"), cell.metrics.get("kendall_tau")) for cell in row.cells]
        cells = [f"{_number(cmi, 2)}  {_number(tau, 2):>5}" for cmi, tau in pairs]
        table.add_row(str(row.rank or ""), row.name, row.by or "baseline", f"{row.score:.2f}", *cells)
    for one in waiting:
        table.add_row("", one.name, one.user_name, f"{one.done} of {one.networks}", style="dim")
    return table


def _number(number: float | None, digits: int) -> str:
    return "" if number is None else f"{number:.{digits}f}"


def _keep_running(site: Site) -> None:
    """Raise ChildError if a child has ended, and KeyboardInterrupt if one got lost."""
    if _interrupted.is_set():
        raise KeyboardInterrupt
    for child in site.children:
        child.keep_running()


def _with(settings: Settings, **changes: object) -> Settings:
    return Settings(**(settings.model_dump() | changes))


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    _interrupted.set()  # Python drops an exception that is raised in a hook, for example right after a fork
    sys.stderr.flush()
    raise KeyboardInterrupt
