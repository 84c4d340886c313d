"""Hints over real brokers: whole messages only, each taken once, and a broker that is down harms nobody."""

import socket
import threading
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from submissions.settings import Settings
from worker import file_broker
from worker.celery_app import make_celery
from worker.hints import send_hint
from worker.sandbox.backends.bubblewrap import BubblewrapLauncher
from worker.sandbox.protocol import Code, Limits, NetworkFiles, Value
from worker.sandbox.spawn import Spawner
from worker.sandbox.zygote_sandbox import ZygoteSandbox


def messages(settings: Settings) -> list[Path]:
    return list((settings.home / "broker" / "messages").glob("*.msg"))


def test_a_hint_is_one_private_file_that_holds_no_more_than_the_tasks_name(settings: Settings) -> None:
    send_hint(settings)
    (message,) = messages(settings)
    assert message.stat().st_mode & 0o777 == 0o600
    assert (settings.home / "broker").stat().st_mode & 0o777 == 0o700
    assert b"gengap.work" in message.read_bytes()


def test_many_senders_and_takers_lose_and_double_nothing(settings: Settings) -> None:
    app = make_celery(settings)
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
    app = make_celery(settings)
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
