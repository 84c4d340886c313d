"""`gengap serve`: migrates the database, then replaces itself with gunicorn and the Flask app."""

import os
import sys

import click

from server.commands.common import heed_interrupts, settings_or_exit
from server.commands.site_database import ready_database

# Freed uploads go back to the system: measured with eight uploads of 9 MB at a time, the process then peaks at
# 139 MB instead of 332 MB.
MEMORY = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}


@click.command()
@click.option("--host", help="Address to listen on (default: 127.0.0.1, this machine alone).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default: 8000).")
def command(host: str | None, port: int | None) -> None:
    """Run the web server until it is stopped (Ctrl-C)."""
    heed_interrupts()
    settings = settings_or_exit()
    ready_database(settings).close()
    address = f"{host or settings.host}:{settings.port if port is None else port}"
    sys.stdout.flush()
    # One process with threads: pages are short reads, and a second process would double the memory.
    os.execve(  # noqa: S606  (our own interpreter with our own arguments)
        sys.executable,
        [
            sys.executable,
            *("-P", "-m", "gunicorn", "server.app:create_app()"),
            *("--chdir", str(settings.home)),  # gunicorn imports from where it stands
            *("--bind", address),
            *("--workers", "1", "--worker-class", "gthread", "--threads", str(settings.web_threads)),
            *("--access-logfile", "-", "--log-level", "warning", "--name", "gengap"),
            "--no-control-socket",  # it would be written to the user's home folder
        ],
        os.environ | MEMORY,
    )
