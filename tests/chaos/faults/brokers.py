"""Redis killed, frozen, emptied, away."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import redis

from tests.chaos.faults.kind import Kind
from tests.chaos.programs import Program
from tests.chaos.site import Site
from tests.services import RedisServer

TARGET = "redis"


def _server(site: Site) -> RedisServer:
    assert site.redis is not None
    return site.redis


@contextmanager
def away(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    """Killed, and started again when the fault ends, with nothing in it."""
    server = _server(site)
    server.end(signal.SIGKILL)
    try:
        yield TARGET
    finally:
        server.start()


@contextmanager
def frozen(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    """Its connections stay open and nothing answers."""
    process = _server(site).process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        yield TARGET
    finally:
        process.send_signal(signal.SIGCONT)


@contextmanager
def flushed(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    with redis.Redis(port=_server(site).port) as client:
        client.flushall()
    yield TARGET


KINDS = (
    Kind("Redis killed", TARGET, (0, 5), away, "redis"),
    Kind("Redis away for a minute", TARGET, (60, 60), away, "redis"),
    Kind("Redis frozen", TARGET, (5, 60), frozen, "redis"),
    Kind("Redis flushed", TARGET, (0, 0), flushed, "redis"),
)
