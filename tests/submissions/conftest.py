"""Databases for tests of the domain that need not run on both kinds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from submissions.storage.database import Database
from tests.databases import ready
from tests.records import Records


@pytest.fixture
def tmp_db(tmp_path: Path) -> Iterator[Database]:
    """An empty SQLite database."""
    db = ready(Database(f"sqlite:///{tmp_path / 'gengap.sqlite'}"))
    yield db
    db.close()


@pytest.fixture(scope="module")
def shared_db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One SQLite database for all examples of a property that stores nothing."""
    db = ready(Database(f"sqlite:///{tmp_path_factory.mktemp('shared') / 'gengap.sqlite'}"))
    yield db
    db.close()


@pytest.fixture
def records(any_db: Database, tmp_path: Path) -> Records:
    return Records(any_db, tmp_path)
