"""Databases for tests at the newest schema, without the time of migrations: those run once, the outcome is copied."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from uuid import uuid4

import psycopg
from sqlalchemy.engine import make_url

from submissions.storage.database import Database
from submissions.storage.migrations import migrate

_KEPT: list[tempfile.TemporaryDirectory[str]] = []  # removed when the process ends


def ready(db: Database) -> Database:
    """The same SQLite database, whose file is not there yet, at the newest schema."""
    path = Path(make_url(db.url).database or "")
    if path.exists():
        raise FileExistsError(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_migrated_file(), path)
    return db


@contextmanager
def on_postgres(server: str, *, migrated: bool) -> Iterator[Database]:
    """A new database on the PostgreSQL server at this URL, empty or at the newest schema."""
    db = Database(_created(server, _migrated_template(server) if migrated else "template1"))
    try:
        yield db
    finally:
        db.close()
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {db.url.rpartition('/')[2]} WITH (FORCE)")


def _created(server: str, template: str) -> str:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return f"{server.rpartition('/')[0]}/{name}"


@cache
def _migrated_file() -> Path:
    _KEPT.append(tempfile.TemporaryDirectory(prefix="gengap-template-"))
    path = Path(_KEPT[-1].name) / "gengap.sqlite"
    db = Database(f"sqlite:///{path}")
    migrate(db)
    db.close()  # the last one out leaves everything in the one file
    return path


@cache
def _migrated_template(server: str) -> str:
    url = _created(server, "template1")
    db = Database(url)
    migrate(db)
    db.close()  # a template may have no reader
    return url.rpartition("/")[2]
