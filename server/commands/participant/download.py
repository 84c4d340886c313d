"""`gengap download`: downloads the starting kit of a competition."""

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click
from rich.progress import BarColumn, DownloadColumn

from server.commands.bars import bars
from server.commands.errors import InputError
from server.commands.json_output import as_json
from server.commands.participant.client import Client
from server.commands.participant.printing import print_done
from server.commands.participant.stored_logins import current_login

_NAMED = re.compile(r'filename="?([A-Za-z0-9][A-Za-z0-9._-]*)"?')


@click.group()
def command() -> None:
    """Download what a competition offers."""


@command.command(name="kit")
@click.argument("competition")
@click.option("--out", type=click.Path(path_type=Path), help="File or folder to write (default: this folder).")
@as_json
def kit_command(competition: str, out: Path | None, is_json: bool) -> None:
    """Download the starting kit of COMPETITION: an example measure, baselines, a public zoo, a notebook."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+", competition):
        raise InputError(f"This is not the short name of a competition: {competition!r}.")
    with Client(current_login()) as client, client.stream(f"/competitions/{competition}/kit") as answer:
        found = _NAMED.search(answer.headers.get("Content-Disposition", ""))
        name = found[1] if found else f"{competition}-kit.zip"
        path = out / name if out is not None and out.is_dir() else out or Path(name)
        total = int(answer.headers.get("Content-Length", 0)) or None
        _write(path, answer.iter_bytes(), total)
    print_done(is_json, {"path": str(path), "bytes": path.stat().st_size}, str(path))


def _write(path: Path, pieces: Iterable[bytes], total: int | None) -> None:
    """Write a download completely or not at all."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            new = Path(folder) / path.name
            with new.open("wb") as file, bars(BarColumn(), DownloadColumn()) as tell:
                for piece in pieces:
                    file.write(piece)
                    tell(path.name, file.tell(), total)
            new.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
