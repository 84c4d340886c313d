"""`gengap submit` repeats an upload whose answer got lost, with the same key: the server makes one submission of it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from server.commands.participant import client
from server.commands.participant.client import Client, Refused, Unreachable
from server.commands.participant.stored_logins import Login


class _Server(ThreadingHTTPServer):
    """Answers with these statuses, one after another; None: it ends the connection without an answer."""

    def __init__(self, statuses: list[int | None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = statuses
        self.keys: list[str | None] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.keys.append(self.headers["Idempotency-Key"])
        status = self.server.statuses[len(self.server.keys) - 1]
        if status is None:
            return
        content = b'{"id": 7}' if status == 201 else b'{"detail": "No.", "errors": []}'
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.setattr(client, "REPEAT_AFTER_S", (0.0, 0.0))
    with _Server(request.param) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _submit(server: _Server, folder: Path) -> int:
    measure = folder / "m.py"
    measure.write_text("def complexity(model, dataset):\n    return 1.0\n")
    login = Login(url=f"http://127.0.0.1:{server.server_port}", token="t")
    with Client(login) as speaker:
        return speaker.submit("demo/main", measure, {"name": "m"})["id"]


@pytest.mark.parametrize("server", [[None, 503, 201]], indirect=True)
def test_an_upload_without_an_answer_is_repeated_with_the_same_key(server: _Server, tmp_path: Path) -> None:
    assert _submit(server, tmp_path) == 7
    assert len(server.keys) == 3
    assert len(set(server.keys)) == 1
    assert server.keys[0] is not None


@pytest.mark.parametrize("server", [[503, None, None]], indirect=True)
def test_it_gives_up_after_some_repetitions(server: _Server, tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        _submit(server, tmp_path)
    assert len(server.keys) == 3


@pytest.mark.parametrize("server", [[422]], indirect=True)
def test_a_refusal_is_not_repeated(server: _Server, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No"):
        _submit(server, tmp_path)
    assert len(server.keys) == 1


@pytest.mark.parametrize("server", [[201, 201]], indirect=True)
def test_each_upload_has_a_key_of_its_own(server: _Server, tmp_path: Path) -> None:
    _submit(server, tmp_path)
    _submit(server, tmp_path)
    assert len(set(server.keys)) == 2
