"""`gengap serve`: migrates the database, then serves the Flask app until it is stopped."""

import ctypes
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from server.app import create_app
from server.commands.common import heed_interrupts, settings_or_exit
from server.commands.errors import InputError
from server.commands.site_database import ready_database
from server.http.slow_clients import serve

# glibc's mallopt(3): freed uploads go back to the system. Measured with eight uploads of 9 MB at a time, the process
# then peaks at 139 MB instead of 332 MB.
_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1
MEMORY = {_ARENA_MAX: 2, _MMAP_THRESHOLD: 131072, _TRIM_THRESHOLD: 131072}


@click.command()
@click.option("--host", help="Address to listen on (default: 127.0.0.1, this machine alone).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default: 8000).")
def command(host: str | None, port: int | None) -> None:
    """Run the web server until it is stopped (Ctrl-C)."""
    heed_interrupts()
    settings = settings_or_exit()
    ready_database(settings).close()
    signal.signal(signal.SIGTERM, _end)
    _spare_memory()
    host, port = host or settings.host, settings.port if port is None else port
    try:
        # One process with threads: pages are short reads, and a second process would double the memory.
        serve(create_app(settings), host, port, ready=_tell)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"The web server cannot listen on {host}, port {port}: {reason}") from error


def _tell(host: str, port: int) -> None:
    sys.stdout.write(f"Listening on http://{f'[{host}]' if ':' in host else host}:{port}\n")
    sys.stdout.flush()


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _spare_memory() -> None:
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # other C libraries have none
        for name, value in MEMORY.items():
            libc.mallopt(name, value)
