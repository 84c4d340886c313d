"""Slow and rude clients hold nothing up: hundreds of connections of each kind, and a page still answers."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from server.demo.processes import Child, environment_with, free_port, running
from server.http.slow_clients import ConnectionLimits, FairQueue, LimitedServer, listening
from submissions.settings import Settings
from tests.services import wait_until

MANY = 400
ANSWERS_WITHIN_S = 20.0  # the bound of a hung test; 1000 of each kind are measured in docs/decisions/0016
BODY_BYTES = 30 * 2**20
LONG = "/static/vendor/vega.min.js"  # half a megabyte
_HEAD = b"Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
KINDS = {
    "silent": b"",
    "half a header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-a: ",
    "half a body": b"POST /login HTTP/1.1\r\n" + _HEAD + b"Content-Length: 100000\r\n\r\nname=",
    "half a chunk": b"POST /login HTTP/1.1\r\n" + _HEAD + b"Transfer-Encoding: chunked\r\n\r\nffff\r\nname=",
    "reads nothing": b"GET " + LONG.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "sends ahead": (b"GET " + LONG.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n") * 20,
}
DRIPPING = {"half a header", "half a body", "half a chunk"}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of `gengap serve` in a process of its own."""
    home, port = tmp_path_factory.mktemp("home"), free_port()
    settings = Settings(home=home, port=port, rate_reading="999999/minute", rate_polling="999999/minute")
    child = Child("serve", ("serve",), environment_with(settings.model_dump()), home / "serve.log")
    with running([child]):
        wait_until(lambda: _connects(port), "the web server")
        yield port


def _connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _status(port: int, path: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWERS_WITHIN_S)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status


@contextmanager
def _rude(port: int, start: bytes, *, drips: bool) -> Iterator[list[socket.socket]]:
    """Clients that connect, send this and then nothing, or a byte a second; none of them reads."""
    end = threading.Event()
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(MANY)]
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", port))
            client.setblocking(False)
            client.send(start)
        thread = threading.Thread(target=_drip, args=(clients if drips else [], end))
        thread.start()
        try:
            yield clients
        finally:
            end.set()
            thread.join()


def _drip(clients: Iterable[socket.socket], end: threading.Event) -> None:
    while not end.wait(1.0):
        for client in clients:
            try:
                client.send(b"a")
            except OSError:  # the server has closed it, as it should
                continue


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", KINDS)
def test_hundreds_of_rude_clients_and_the_site_goes_on(port: int, kind: str) -> None:
    with _rude(port, KINDS[kind], drips=kind in DRIPPING):
        for path in ("/healthz", "/", "/login", "/api/v1/competitions"):
            assert _status(port, path) == 200


@pytest.fixture
def make_server() -> Iterator[Callable[..., LimitedServer]]:
    """Runs servers with other limits over an application that answers with the body; the servers."""
    running_servers: list[tuple[LimitedServer, threading.Thread]] = []

    def echo(environ: dict[str, object], start_response: Callable[..., object]) -> list[bytes]:
        body: bytes = environ["wsgi.input"].read()  # type: ignore[attr-defined]
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def make(**limits: Any) -> LimitedServer:
        values: dict[str, Any] = {
            "connections": 100,
            "per_address": 0,
            "patience_s": 1.0,
            "bytes_per_s": 1000.0,
            **limits,
        }
        (server,) = listening(
            echo,
            "127.0.0.1",
            0,
            limits=ConnectionLimits(**values),
            threads=2,
            body_bytes=BODY_BYTES,
        )
        thread = threading.Thread(target=_run, args=(server,))
        thread.start()
        running_servers.append((server, thread))
        return server

    yield make
    for server, thread in running_servers:
        server.stop = True
        thread.join()
        server.task_dispatcher.shutdown()
        server.asyncore.close_all(server._map)


def _run(server: LimitedServer) -> None:
    while not hasattr(server, "stop"):
        server.asyncore.loop(timeout=0.05, map=server._map, use_poll=True, count=1)


def _post(size: int, body: bytes) -> bytes:
    return f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode() + body


def _client(server: LimitedServer) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", int(server.effective_port)))
    return client


def _echoed(server: LimitedServer, body: bytes) -> bytes:
    with _client(server) as client:
        client.settimeout(ANSWERS_WITHIN_S)
        client.sendall(_post(len(body), body))
        answer = b""
        while not answer.endswith(b"\r\n\r\n" + body):
            answer += client.recv(1000)
        return answer.partition(b"\r\n\r\n")[2]


def _is_closed(client: socket.socket) -> bool:
    client.settimeout(ANSWERS_WITHIN_S)
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("start", [b"", b"\r\n", b"GET / HTTP/1.1\r\n", _post(1000, b"a" * 10)])
def test_a_client_that_does_not_go_on_is_disconnected(make_server: Callable[..., LimitedServer], start: bytes) -> None:
    with _client(make_server()) as client:
        client.sendall(start)
        assert _is_closed(client)


def test_a_byte_now_and_then_gains_no_time(make_server: Callable[..., LimitedServer]) -> None:
    with _client(make_server()) as client:
        client.sendall(_post(1000, b""))
        with pytest.raises(OSError):  # noqa: PT012  (one of the sends)
            for _ in range(round(ANSWERS_WITHIN_S / 0.05)):
                client.sendall(b"a")
                time.sleep(0.05)


def test_a_slow_upload_that_keeps_moving_arrives(make_server: Callable[..., LimitedServer]) -> None:
    """It takes three times the patience, at more than the slowest pace."""
    with _client(make_server(patience_s=0.5)) as client:
        client.sendall(_post(15_000, b""))
        for _ in range(15):
            client.sendall(b"a" * 1000)
            time.sleep(0.1)
        client.settimeout(ANSWERS_WITHIN_S)
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_a_reader_that_stops_is_disconnected(make_server: Callable[..., LimitedServer]) -> None:
    server = make_server(bytes_per_s=10**9)
    body = b"a" * (BODY_BYTES - 1)  # more than the kernel buffers
    with _client(server) as client:
        client.sendall(_post(len(body), body))
        wait_until(lambda: bool(server.active_channels), "the connection")
        wait_until(lambda: not server.active_channels, "its end")
    assert _echoed(server, b"still there") == b"still there"


@pytest.mark.parametrize("limits", [{"connections": 3}, {"connections": 9, "per_address": 3}])
def test_above_the_limit_the_slowest_makes_room(
    make_server: Callable[..., LimitedServer], limits: dict[str, int]
) -> None:
    server = make_server(**limits, patience_s=60.0)
    with ExitStack() as stack:
        clients = [stack.enter_context(_client(server)) for _ in range(3)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\n")
        assert _echoed(server, b"a") == b"a"
        assert _is_closed(clients[0])
        clients[1].setblocking(False)
        with pytest.raises(BlockingIOError):
            clients[1].recv(1)


def test_an_answer_without_a_body_keeps_the_connection(port: int) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWERS_WITHIN_S)) as connection:
        headers: dict[str, str] = {}
        for status in (200, 304, 304):
            connection.request("GET", "/static/app.css", headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert (answer.status, answer.will_close) == (status, False)
            headers = {"If-None-Match": answer.headers["ETag"]}


def test_addresses_take_turns_and_requests_of_one_are_in_order() -> None:
    queue = FairQueue()
    for address, name in (("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)):
        queue.append(_Queued(address, name))  # type: ignore[arg-type]
    assert len(queue) == 6
    assert [queue.popleft().name for _ in range(6)] == [1, 4, 5, 2, 6, 3]
    assert not queue


class _Queued:
    def __init__(self, address: str, name: int) -> None:
        self.address, self.name = address, name


def test_an_address_that_is_taken_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENGAP_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        child = Child(
            "serve", ("serve",), environment_with({"home": tmp_path, "port": taken.getsockname()[1]}), tmp_path / "log"
        )
        child.start()
        assert child.process is not None
        assert child.process.wait(60) == 2
    assert "cannot listen on 127.0.0.1" in (tmp_path / "log").read_text()
