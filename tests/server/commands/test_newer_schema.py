"""An older release on a database that a newer one has migrated: one sentence, no traceback, nothing changed."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from server.cli import main
from server.commands.operate.doctor import database
from submissions.settings import Settings
from submissions.storage.database import Database
from tests.databases import ready
from worker.sandbox.checks import Found

NEWER = "9999"


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv("GENGAP_HOME", str(tmp_path))
    made = ready(Database(f"sqlite:///{tmp_path / 'gengap.sqlite'}"))
    with made.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :newer"), {"newer": NEWER})
    return made


@pytest.mark.parametrize(
    "command",
    [
        ["serve"],
        ["worker"],
        ["demo"],
        ["account", "organizer", "olga"],
        ["account", "reset", "olga"],
        ["phase", "open", "spring/final", "--zoo", "digits-mlp"],
    ],
    ids=" ".join,
)
def test_every_command_says_in_a_sentence_that_the_schema_is_newer(db: Database, command: list[str]) -> None:
    done = CliRunner().invoke(main, command, input="correct horse battery\n")
    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit)
    assert f"the schema {NEWER} of a newer release" in done.output
    assert len(done.output.strip().splitlines()) == 1
    with db.read() as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == NEWER


def test_the_doctor_says_it_too(db: Database) -> None:
    check = database(Settings())
    assert check.state is Found.MISSING
    assert f"the schema {NEWER} of a newer release" in check.remedy
