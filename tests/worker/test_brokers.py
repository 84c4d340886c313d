"""Hints over real brokers: whole messages only, each taken once, and a broker that is away harms nobody."""

import json
import socket
import threading
from collections import Counter
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
import redis

from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.installation import installation_id
from tests.databases import ready
from tests.services import redis_process, redis_server, wait_until
from worker import file_broker
from worker.celery_app import make_celery
from worker.hints import MOST_WAITING, send_hint, send_mail_hint
from worker.sandbox.backends.bubblewrap import BubblewrapLauncher
from worker.sandbox.protocol import Code, Limits, NetworkFiles, Value
from worker.sandbox.spawn import Spawner
from worker.sandbox.zygote_sandbox import ZygoteSandbox


def messages(settings: Settings) -> list[Path]:
    return list((settings.home / "broker" / "messages").glob("*.msg"))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a database, which knows the installation's id."""
    settings.make_home()
    ready(Database(settings.effective_database_url)).close()
    return settings


def other_installation(settings: Settings, folder: Path) -> Settings:
    other = Settings(**(settings.model_dump() | {"home": folder / "other"}))
    ready(Database(other.effective_database_url)).close()
    return other


def installation(settings: Settings) -> str:
    db = Database(settings.effective_database_url)
    try:
        return installation_id(db)
    finally:
        db.close()


def test_a_hint_is_one_private_file_that_tells_which_submission_it_is_about(settings: Settings) -> None:
    send_hint(settings, 17)
    wait_until(lambda: len(messages(settings)) == 1, "the message")
    (message,) = messages(settings)
    assert message.name.endswith(".evaluate.msg")
    assert message.stat().st_mode & 0o777 == 0o600
    assert (settings.home / "broker").stat().st_mode & 0o777 == 0o700
    told = json.loads(message.read_bytes())
    assert told["headers"]["task"] == "gengap.evaluate"
    assert told["headers"]["kwargsrepr"] == "{'submission_id': 17}"
    assert told["headers"]["expires"]


def test_installations_on_one_redis_do_not_take_each_others_hints(
    settings: Settings, redis_url: str, tmp_path: Path
) -> None:
    one = Settings(**(settings.model_dump() | {"broker_url": redis_url}))
    other = other_installation(one, tmp_path)
    assert installation(one) == installation(one) != installation(other)
    queues = [f"gengap:{installation(each)}:evaluate" for each in (one, other)]
    with redis.Redis.from_url(redis_url) as client:
        send_hint(one)
        wait_until(lambda: [client.llen(queue) for queue in queues] == [1, 0], "the hint")
        for each, is_taken in ((other, False), (one, True)):
            app = make_celery(each, installation(each))
            with app.connection_for_read() as connection:
                queue = next(queue for queue in app.conf.task_queues if queue.name == "evaluate")
                message = queue.bind(connection.default_channel).get(no_ack=True)
            assert (message is not None) is is_taken


def test_a_queue_that_nobody_reads_does_not_grow(settings: Settings, redis_url: str) -> None:
    settings = Settings(**(settings.model_dump() | {"broker_url": redis_url}))
    prefix = f"gengap:{installation(settings)}:"
    with redis.Redis.from_url(redis_url) as client:
        client.lpush(f"{prefix}evaluate", *["{}"] * MOST_WAITING)
        send_hint(settings)
        send_mail_hint(settings)  # sent by the same thread, after the other
        wait_until(lambda: client.llen(f"{prefix}mail") == 1, "the second hint")
        assert client.llen(f"{prefix}evaluate") == MOST_WAITING


def test_nobody_who_sends_waits_for_a_frozen_broker(settings: Settings) -> None:
    with redis_server() as url:
        process = redis_process(url)
        process.suspend()
        try:
            settings = Settings(**(settings.model_dump() | {"broker_url": url}))
            for number in range(10 * MOST_WAITING):
                send_hint(settings, number)
            assert process.status() == psutil.STATUS_STOPPED  # so nothing can have been sent
        finally:
            process.resume()


def test_many_senders_and_takers_lose_and_double_nothing(settings: Settings) -> None:
    app = make_celery(settings, "here")
    with app.connection_for_write() as connection, connection.SimpleQueue("many"):
        pass  # kombu declares a queue once a process, and says so to other threads before it is done
    sent, senders, takers = 60, 3, 3
    taken: Counter[str] = Counter()
    lock = threading.Lock()
    all_sent = threading.Event()

    def send() -> None:
        with app.connection_for_write() as connection, connection.SimpleQueue("many") as queue:
            for _ in range(sent):
                queue.put({"id": uuid4().hex})

    def take() -> None:
        with app.connection_for_read() as connection, connection.SimpleQueue("many") as queue:
            while True:
                finished = all_sent.is_set()
                try:
                    message = queue.get(block=False)
                except queue.Empty:
                    if finished:
                        return
                    continue
                message.ack()
                with lock:
                    taken[message.payload["id"]] += 1

    sending = [threading.Thread(target=send) for _ in range(senders)]
    taking = [threading.Thread(target=take) for _ in range(takers)]
    for thread in sending + taking:
        thread.start()
    for thread in sending:
        thread.join()
    all_sent.set()
    for thread in taking:
        thread.join()
    assert len(taken) == sent * senders
    assert set(taken.values()) == {1}


def test_a_damaged_message_is_dropped_and_the_next_one_comes(settings: Settings) -> None:
    app = make_celery(settings, "here")
    with app.connection_for_write() as connection, connection.SimpleQueue("one") as queue:
        (settings.home / "broker" / "messages" / "0-damaged.one.msg").write_text("")
        queue.put({"id": "whole"})
        message = queue.get(block=False)
        message.ack()
        assert message.payload == {"id": "whole"}
    assert file_broker.SCHEME in str(app.conf.broker_url)


@pytest.mark.parametrize("broker", ["redis://127.0.0.1:PORT/0", "redis://nowhere.invalid:6379/0"])
def test_a_broker_that_is_down_does_not_stop_the_sender(settings: Settings, broker: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = broker.replace("PORT", str(unused.getsockname()[1]))
        send_hint(Settings(**(settings.model_dump() | {"broker_url": url})))


def test_a_sandbox_does_not_mind_a_default_timeout_of_sockets(network: NetworkFiles) -> None:
    """kombu sets one for the whole process while it tears a connection down."""
    sandbox = ZygoteSandbox(BubblewrapLauncher(Spawner()))
    socket.setdefaulttimeout(0.01)
    try:
        source = b"import time\n\n\ndef complexity(model, dataset):\n    time.sleep(0.2)\n    return 1.0\n"
        sandbox.start(Code({"complexity.py": source}, "d"), Limits())
        for _ in range(2):
            assert isinstance(sandbox.evaluate(network, 1), Value)
    finally:
        socket.setdefaulttimeout(None)
        sandbox.close()
