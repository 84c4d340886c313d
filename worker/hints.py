"""Sends hints that work exists, in a thread of its own: no caller ever waits for the broker.

Pages call it. A lost hint delays work by seconds and loses none, because workers also look by themselves.
"""

import logging
import queue
import threading
from collections.abc import Mapping
from functools import lru_cache

from celery import Celery

from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.installation import installation_id
from worker.celery_app import EVALUATE, HINT_EXPIRES_S, MAIL, QUEUES, ZOO, make_celery

MOST_WAITING = 100  # hints in this process, and in a queue of the broker: more would tell nothing new
IDLE_S = 30.0  # after this time without a hint, the thread ends
_log = logging.getLogger(__name__)


def send_hint(settings: Settings, submission_id: int | None = None) -> None:
    """Notify a worker that there may be runs to evaluate. Never waits, never raises."""
    _sender(settings).send(EVALUATE, {} if submission_id is None else {"submission_id": submission_id})


def send_zoo_hint(settings: Settings, job_id: int | None = None) -> None:
    """Notify a worker that there may be a job on a zoo. Never waits, never raises."""
    _sender(settings).send(ZOO, {} if job_id is None else {"job_id": job_id})


def send_mail_hint(settings: Settings) -> None:
    """Notify a worker that there may be mails in the outbox. Never waits, never raises."""
    _sender(settings).send(MAIL, {})


class _Sender:
    """The hints of this process that have not been sent yet, and the thread that sends them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting: queue.Queue[tuple[str, Mapping[str, int]]] = queue.Queue(MOST_WAITING)
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._app: Celery | None = None

    def send(self, task: str, arguments: Mapping[str, int]) -> None:
        with self._guard:
            try:
                self._waiting.put_nowait((task, arguments))
            except queue.Full:
                return  # the broker does not answer
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="hints", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                task, arguments = self._waiting.get(timeout=IDLE_S)
            except queue.Empty:
                with self._guard:
                    if self._waiting.empty():
                        self._thread = None
                        return
                continue
            try:
                self._deliver(task, arguments)
            except Exception as error:  # noqa: BLE001  (each broker's library has its own)
                _log.warning("no hint sent, workers will find the work: %s", error)

    def _deliver(self, task: str, arguments: Mapping[str, int]) -> None:
        if self._app is None:
            self._app = make_celery(self._settings, _installation(self._settings))
        with self._app.producer_or_acquire() as producer:
            # Nobody may be taking them: then the queue must not grow.
            if producer.channel.queue_declare(QUEUES[task]).message_count < MOST_WAITING:
                self._app.send_task(task, kwargs=arguments, producer=producer, retry=False, expires=HINT_EXPIRES_S)


def _installation(settings: Settings) -> str:
    db = Database(settings.effective_database_url)
    try:
        return installation_id(db)
    finally:
        db.close()


_sender = lru_cache(maxsize=8)(_Sender)
