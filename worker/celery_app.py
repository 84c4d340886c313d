"""The Celery app: a queue of hints over the filesystem (the default) or Redis, chosen by `broker_url`.

A message only hints that the database has work. Losing a message loses no work, so there is no result backend, no late
acknowledgement and no retry of sending.
"""

import os

from celery import Celery

from submissions.settings import Settings
from worker import file_broker

WORK = "gengap.work"
ZOO_WORK = "gengap.zoo_work"
MAIL = "gengap.mail"
FILESYSTEM_POLL_S = 0.5


def make_celery(settings: Settings) -> Celery:
    """Make the Celery app for these settings, without opening a connection."""
    file_broker.register()
    url = f"{file_broker.SCHEME}://" if _uses_files(settings) else settings.broker_url
    app = Celery("gengap", broker=url, set_as_current=False)
    app.conf.update(
        task_default_queue="gengap",
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=2,
        broker_transport_options=_transport_options(settings),
    )
    return app


def _uses_files(settings: Settings) -> bool:
    return settings.broker_url.startswith("filesystem:")


def _transport_options(settings: Settings) -> dict[str, object]:
    if not _uses_files(settings):
        return {"socket_timeout": 5, "socket_connect_timeout": 2, "visibility_timeout": 3600}
    settings.make_home()
    folder = settings.home / "broker"
    for path in (folder, folder / "messages", folder / "control"):
        path.mkdir(exist_ok=True, mode=0o700)
    messages = str(folder / "messages") + os.sep
    return {
        "data_folder_in": messages,
        "data_folder_out": messages,
        "control_folder": str(folder / "control"),
        "polling_interval": FILESYSTEM_POLL_S,
    }
