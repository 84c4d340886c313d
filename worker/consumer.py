"""Celery's part of a worker process: a thread that takes hints and calls whoever they are for.

Nothing waits for this thread. Where the broker is away or does not answer, it tries again, and the loops of the worker
find the work by themselves.
"""

import logging
import threading
from collections.abc import Callable, Mapping

from celery import Celery
from celery.worker import state

from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.installation import installation_id
from worker.celery_app import make_celery, uses_files

RESTART_S = 10.0
_log = logging.getLogger(__name__)


class Consumer:
    """Takes hints in a thread of its own until it is stopped.

    Parameters
    ----------
    name : str
        The node's name, as `celery inspect` shows it.
    on_hint : mapping of str to callable
        What a task calls. It must return at once: tasks follow one another in one thread.
    """

    def __init__(self, settings: Settings, db: Database, name: str, on_hint: Mapping[str, Callable[[], None]]) -> None:
        self._settings = settings
        self._db = db
        self._name = name
        self._on_hint = on_hint
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="celery", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no further hint."""
        self._ended.set()
        state.should_stop = 0  # Celery's exit status; its loop looks at it

    def join(self, timeout_s: float) -> None:
        """Wait for the end of the thread; a broker that does not answer may hold it."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._consume()
            except Exception:  # noqa: BLE001
                _log.exception("Celery ended; this worker looks for work by itself until it has started again")
            self._ended.wait(RESTART_S)

    def _consume(self) -> None:
        app = make_celery(self._settings, installation_id(self._db))
        for task, call in self._on_hint.items():
            _register(app, task, call)
        app.WorkController(
            hostname=self._name,
            pool="solo",
            concurrency=1,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=uses_files(self._settings),
        ).start()


def _register(app: Celery, task: str, call: Callable[[], None]) -> None:
    def wake(**_about: object) -> None:
        call()

    app.task(wake, name=task, ignore_result=True)
