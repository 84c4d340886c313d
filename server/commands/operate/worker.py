"""`gengap worker`: runs one worker process with as many slots as processors."""

import logging

import click

from server.charts.picture_maker import PictureMaker
from server.commands.common import heed_interrupts, settings_or_exit
from server.commands.errors import InputError
from server.commands.site_database import ready_database
from submissions.settings import Settings
from worker.process import run_worker
from worker.sandbox.backends import find_backend
from worker.sandbox.protocol import SandboxError


@click.command()
@click.option("--slots", type=click.IntRange(min=1), help="Networks evaluated at a time (default: processors).")
@click.option("--log-level", default="INFO", show_default=True, type=click.Choice(["DEBUG", "INFO", "WARNING"]))
def command(slots: int | None, log_level: str) -> None:
    """Run a worker that evaluates submissions until it is stopped (Ctrl-C)."""
    heed_interrupts()
    settings = settings_or_exit()
    if slots is not None:
        settings = Settings(**(settings.model_dump() | {"worker_slots": slots}))
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("kombu").setLevel(logging.WARNING)
    try:
        find_backend(settings.sandbox)
    except SandboxError as error:
        raise InputError(f"{error}.") from error
    ready_database(settings).close()
    raise SystemExit(run_worker(settings, lambda db, zoos: PictureMaker(db, zoos).step))
