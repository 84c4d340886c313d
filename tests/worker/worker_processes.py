"""Worker processes for tests: started on a database with a competition, and ended in good order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from server.demo.processes import Child, environment_with, running
from submissions.evaluation.workers import Worker, known_workers
from submissions.intake.bundle_store import BundleStore
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from tests.factories import Competition, make_competition

SLOW = b"""
import time


def complexity(model, dataset):
    time.sleep(0.3)
    return sum(float(p.detach().square().sum()) for p in model.parameters())
"""
SPINS = b"def complexity(model, dataset):\n    while True:\n        pass\n"
SLEEPS = b"import time\n\n\ndef complexity(model, dataset):\n    time.sleep(1000)\n"


@contextmanager
def worker(settings: Settings) -> Iterator[Child]:
    """A worker process, ended in good order with the block."""
    child = Child("worker", ("worker",), environment_with(settings.model_dump()), settings.home / "worker.log")
    with running([child]):
        try:
            yield child
        except AssertionError as error:  # what the worker was doing says more than what did not come
            error.add_note(child.log.read_text()[-4000:])
            raise


def changed(settings: Settings, **values: object) -> Settings:
    return Settings(**(settings.model_dump() | values))


@contextmanager
def prepared(settings: Settings, *zoos: Path, **phase: object) -> Iterator[Competition]:
    settings.make_home()
    db = Database(settings.effective_database_url)
    migrate(db)
    try:
        yield make_competition(db, BundleStore(settings.store_folder), zoos, **({"smoke_networks": 0} | phase))
    finally:
        db.close()


def has_ended(competition: Competition, submission_id: int) -> Callable[[], bool]:
    return lambda: competition.submission(submission_id).state.is_final


def on_record(competition: Competition) -> tuple[Worker, ...]:
    with competition.db.read() as session:
        return known_workers(session, sweep_s=5.0)
