"""The Celery app: three tasks, each with a queue of its own name, over the filesystem (the default) or Redis.

A message only hints that the database has work, and says which; it wakes the loops of a worker (`process`). Losing one
loses no work, so there is no result backend, no late acknowledgement and no retry of sending. With Redis, workers
answer `celery -A worker.celery_app inspect …` and send events on request; files cannot broadcast.
"""

import os

from celery import Celery
from kombu.entity import Exchange, Queue

from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.installation import installation_id
from worker import file_broker

EVALUATE, ZOO, MAIL = "gengap.evaluate", "gengap.zoo", "gengap.mail"
QUEUES = {EVALUATE: "evaluate", ZOO: "zoo", MAIL: "mail"}
HINT_EXPIRES_S = 3600.0
FILESYSTEM_POLL_S = 0.5


def make_celery(settings: Settings, installation: str) -> Celery:
    """Make the Celery app for these settings, without opening a connection.

    Parameters
    ----------
    installation : str
        Separates the keys of installations that share a Redis server.
    """
    file_broker.register()
    url = f"{file_broker.SCHEME}://" if uses_files(settings) else settings.broker_url
    app = Celery("gengap", broker=url, set_as_current=False)
    exchange = Exchange("gengap")  # type: ignore[no-untyped-call]
    queues = [Queue(name, exchange, routing_key=name) for name in QUEUES.values()]  # type: ignore[no-untyped-call]
    app.conf.update(
        task_queues=queues,
        task_routes={task: {"queue": name} for task, name in QUEUES.items()},
        task_default_queue=QUEUES[EVALUATE],
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=not uses_files(settings),
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=2,
        broker_transport_options=_transport_options(settings, installation),
    )
    return app


def __getattr__(name: str) -> Celery:
    """Make `app` for the command `celery -A worker.celery_app`, from the settings of its environment."""
    if name != "app":
        raise AttributeError(name)
    settings = Settings()
    db = Database(settings.effective_database_url)
    try:
        return make_celery(settings, installation_id(db))
    finally:
        db.close()


def uses_files(settings: Settings) -> bool:
    return settings.broker_url.startswith("filesystem:")


def _transport_options(settings: Settings, installation: str) -> dict[str, object]:
    if not uses_files(settings):
        return {
            "global_keyprefix": f"gengap:{installation}:",
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "visibility_timeout": 3600,
        }
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
