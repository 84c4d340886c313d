"""Sends hints that work exists. Pages and workers call it; a lost hint delays work by seconds and loses none."""

import logging
from functools import lru_cache

from celery import Celery
from kombu.exceptions import KombuError

from submissions.settings import Settings
from worker.celery_app import MAIL, WORK, ZOO_WORK, make_celery

_log = logging.getLogger(__name__)


@lru_cache(maxsize=8)
def _app(settings: Settings) -> Celery:
    return make_celery(settings)


def send_hint(settings: Settings) -> None:
    """Notify a worker that there may be runs to evaluate. Never raises: a sweep finds the work without it."""
    _send(settings, WORK)


def send_zoo_hint(settings: Settings) -> None:
    """Notify a worker that there may be a job on a zoo. Never raises."""
    _send(settings, ZOO_WORK)


def send_mail_hint(settings: Settings) -> None:
    """Notify a worker that there may be a mail in the outbox. Never raises."""
    _send(settings, MAIL)


def _send(settings: Settings, task: str) -> None:
    try:
        _app(settings).send_task(task, queue="gengap", retry=False, ignore_result=True)
    except (KombuError, OSError, ValueError) as error:
        _log.warning("no hint sent, a sweep will find the work: %s", error)
