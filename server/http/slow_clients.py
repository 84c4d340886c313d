"""The web server: waitress, with limits on slow clients and on connections. Called by `gengap serve`.

One thread reads requests and sends responses, for all connections; views run in others, only for requests that have
arrived completely, and never wait for a reader. What waitress lacks is here: a client has so many seconds for a request
or for reading a response, plus one for each so many bytes, so that one byte a second ends; above the limits on
connections, a new one replaces the one whose client is the slowest; and of the requests that have arrived, addresses
take turns (docs/decisions/0016).
"""

import contextlib
import logging
import resource
import socket
import struct
import sys
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

from server.config import services

HEADER_BYTES = 32 * 1024
REFUSED_BYTES = 64 * 2**20  # of a body that is too large: read, so that a browser shows the page that says so
PATIENCE_S = 20.0
BYTES_PER_S = 8 * 1024
ACCEPTED_AT_ONCE = 64
_FILES_PER_CONNECTION = 3  # the socket, and temporary files of a long request and a long response
_OTHER_FILES = 256
_MOST_FILES = 16 * 1024
_FOREVER = 2**31 - 1
_AT_ONCE = struct.pack("ii", 1, 0)  # closing forgets what has not been sent

_access = logging.getLogger("gengap.access")


@dataclass(frozen=True)
class ConnectionLimits:
    """Most connections in all and per address (0: any number), and what a client may take.

    A client must send a request, or read a response, within `patience_s` plus a second for each `bytes_per_s`.
    """

    connections: int
    per_address: int
    patience_s: float = PATIENCE_S
    bytes_per_s: float = BYTES_PER_S


class LoggedTask(WSGITask):  # type: ignore[misc]
    """A request, with its line in the log as Apache writes it."""

    def set_close_on_finish(self) -> None:
        """Close the connection afterwards, but not because a response without a body has no length, as a 304."""
        asked = self.request.headers.get("CONNECTION", "").lower()
        if self.has_body or self.version == "1.0" or asked == "close":
            super().set_close_on_finish()

    def service(self) -> None:
        try:
            super().service()
        finally:
            request = self.request
            line = getattr(request, "first_line", b"").decode("latin-1").encode("unicode_escape").decode()
            when = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(self.start_time))
            status = self.status.partition(" ")[0]
            _access.info('%s [%s] "%s" %s %s', self.channel.address, when, line, status, self.content_bytes_written)


class Connection(HTTPChannel):  # type: ignore[misc]
    """A client's connection, and how long it has been waited for."""

    task_class = LoggedTask

    def __init__(
        self, server: "LimitedServer", sock: socket.socket, addr: Any, adj: Adjustments, **sockets: Any
    ) -> None:
        self.address = str(addr[0])
        self._begins = self._sends_ahead = False
        self._await_client()
        super().__init__(server, sock, addr, adj, **sockets)
        server.admit(self)

    def recv(self, buffer_size: int) -> bytes:
        data: bytes = super().recv(buffer_size)
        self._moved += len(data)
        return data

    def send(self, data: bytes, do_close: bool = True) -> int:
        sent: int = super().send(data, do_close=do_close)
        self._moved += sent
        return sent

    def received(self, data: bytes) -> bool:
        if self._begins:  # the first bytes after a response; empty lines gain no time
            self._begins = False
            self._await_client()
        is_read = bool(super().received(data))
        with self.requests_lock:  # no browser sends requests ahead; whoever does may send them again
            for request in self.requests[1:]:
                request.close()
                self._sends_ahead = True
            del self.requests[1:]
        return is_read

    def service(self) -> None:
        super().service()
        if self._sends_ahead:
            self.close_when_flushed = True
        self._begins = True
        self._await_client()  # to read the response

    def del_channel(self, map: Any = None) -> None:  # noqa: A002
        is_first = self._fileno is not None
        super().del_channel(map)
        if is_first:
            self.server.gone(self.address)

    def drop(self) -> None:
        """Close it in the next round of the loop, also where the client does not read."""
        self.will_close = True
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.socket.shutdown(socket.SHUT_RDWR)  # waitress closes only what it can write to

    def deadline(self, limits: ConnectionLimits) -> float:
        """When the client must have done its part, in seconds of `time.monotonic`."""
        return self._since + limits.patience_s + self._moved / limits.bytes_per_s

    @property
    def waits_for_client(self) -> bool:
        """Whether the client has to send or to read before anything happens here."""
        return not self.requests and not self.will_close

    def _await_client(self) -> None:
        self._since, self._moved = time.monotonic(), 0


class FairQueue:
    """Connections whose request has arrived: addresses take turns, and those of one address are in order.

    So whoever comes while another address has sent a thousand requests at once waits for one of those.
    """

    def __init__(self) -> None:
        self._of_address: OrderedDict[str, deque[Connection]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._of_address.values()))

    def append(self, connection: Connection) -> None:
        self._of_address.setdefault(connection.address, deque()).append(connection)

    def popleft(self) -> Connection:
        address, connections = self._of_address.popitem(last=False)
        connection = connections.popleft()
        if connections:
            self._of_address[address] = connections  # again, as the last
        return connection


class LimitedServer(TcpWSGIServer):  # type: ignore[misc]
    """One listening socket and its connections."""

    channel_class = Connection

    def __init__(self, *arguments: Any, limits: ConnectionLimits, **named: Any) -> None:
        self.limits = limits
        self._of_address: Counter[str] = Counter()
        super().__init__(*arguments, **named)

    def handle_accept(self) -> None:
        """Accept a batch: one at a time would let a page wait behind a thousand slow connections."""
        for _ in range(ACCEPTED_AT_ONCE):
            before = self._of_address.total()
            super().handle_accept()
            if self._of_address.total() == before:
                break

    def admit(self, new: Connection) -> None:
        """Count a new connection, and close another one where there are too many."""
        self._of_address[new.address] += 1
        limits = self.limits
        if limits.per_address and self._of_address[new.address] > limits.per_address:
            self._replace(new, [one for one in self.active_channels.values() if one.address == new.address])
        elif self._of_address.total() > limits.connections:
            self._replace(new, self.active_channels.values())

    def gone(self, address: str) -> None:
        """Count a connection that has ended."""
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]

    def maintenance(self, now: float) -> None:
        """Close the connections whose clients have taken too long. Called every second."""
        at = time.monotonic()
        for connection in self.active_channels.values():
            if connection.waits_for_client and connection.deadline(self.limits) < at:
                connection.drop()

    def _replace(self, new: Connection, others: Iterable[Connection]) -> None:
        waiting = [one for one in others if one is not new and one.waits_for_client]
        oldest = min(waiting, key=lambda one: one.deadline(self.limits), default=new)
        oldest.drop()


def serve(app: Flask, host: str, port: int, *, ready: Callable[[str, int], None]) -> None:
    """Serve until SystemExit or KeyboardInterrupt; requests in hand are answered.

    ready: called with host and port once connections are accepted. Raises OSError if the address cannot be used.
    """
    with app.app_context():
        settings = services().settings
    _log_to(sys.stdout)
    limits = ConnectionLimits(
        connections=_room(settings.web_connections),
        per_address=0 if settings.proxies else settings.web_connections_per_address,
    )
    most = app.config["MAX_CONTENT_LENGTH"] + REFUSED_BYTES
    servers = listening(app, host, port, limits=limits, threads=settings.web_threads, body_bytes=most)
    for server in servers:
        ready(server.effective_host, int(server.effective_port))
    try:
        servers[0].run()  # the loop is one for all
    finally:
        wasyncore.close_all(servers[0]._map)


def listening(
    app: Callable[..., Any], host: str, port: int, *, limits: ConnectionLimits, threads: int, body_bytes: int
) -> list[LimitedServer]:
    """Return servers that accept connections, one for each address that the host name has; `run` of any runs all.

    body_bytes: a longer body is refused unread.
    """
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.queue = FairQueue()
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue is no news
    adjustments = Adjustments(
        listen=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        ident=None,
        clear_untrusted_proxy_headers=False,  # the application trusts as many proxies as the setting says
        connection_limit=_FOREVER,
        channel_timeout=_FOREVER,
        cleanup_interval=1,
        outbuf_high_watermark=_FOREVER,  # long responses go to a temporary file instead of waiting for the reader
        max_request_header_size=HEADER_BYTES,
        max_request_body_size=body_bytes,
        log_socket_errors=False,
        asyncore_use_poll=True,  # select ends at 1024 files
    )
    sockets: dict[int, Any] = {}
    servers = [
        LimitedServer(app, sockets, dispatcher=dispatcher, adj=adjustments, sockinfo=sockinfo, limits=limits)
        for sockinfo in adjustments.listen
    ]
    dispatcher.set_thread_count(threads)
    return servers


def _room(wanted: int) -> int:
    """Return how many connections there are files for, after raising the limit on files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return max(16, min(wanted, (files - _OTHER_FILES) // _FILES_PER_CONNECTION))


def _log_to(stream: Any) -> None:
    handler = logging.StreamHandler(stream)
    _access.addHandler(handler)
    _access.setLevel(logging.INFO)
    _access.propagate = False
