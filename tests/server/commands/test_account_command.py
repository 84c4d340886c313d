"""`gengap account`: organizers and new passwords from the command line."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from server.cli import main
from submissions.people.accounts import authenticate, register, reset_user
from submissions.people.sessions import begin, sessions_of
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from tests.records import PASSWORD

NEW = "another long password"


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv("GENGAP_HOME", str(tmp_path))
    monkeypatch.setenv("GENGAP_PUBLIC_URL", "https://gengap.example/")
    made = Database(f"sqlite:///{tmp_path / 'gengap.sqlite'}")
    migrate(made)
    return made


@pytest.fixture
def gengap(db: Database) -> Callable[..., Result]:
    def run(*arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(main, ["account", *arguments], input=typed)

    return run


def test_an_organizer_is_made_with_the_password_on_standard_input(db: Database, gengap: Callable[..., Result]) -> None:
    done = gengap("organizer", "Olga", typed=f"{PASSWORD}\n")
    assert (done.exit_code, done.output) == (0, "Olga is an organizer now.\n")
    user = authenticate(db, "olga", PASSWORD)
    assert user is not None
    assert user.role == "organizer"


@pytest.mark.parametrize(
    ("name", "typed", "told"),
    [
        ("olga", "short\n", "at least 8 characters"),
        ("olga", "", "at least 8 characters"),
        ("x", f"{PASSWORD}\n", "2 to 40 characters"),
        ("ann", f"{PASSWORD}\n", "taken"),
    ],
)
def test_what_cannot_be_an_organizer_is_told_in_a_sentence(
    db: Database, gengap: Callable[..., Result], name: str, typed: str, told: str
) -> None:
    register(db, "ann", "ann@example.org", PASSWORD)
    done = gengap("organizer", name, typed=typed)
    assert done.exit_code == 2
    assert told in done.output
    assert authenticate(db, "olga", typed.strip()) is None


def test_a_new_password_ends_all_sessions(db: Database, gengap: Callable[..., Result]) -> None:
    ann = register(db, "ann", "ann@example.org", PASSWORD)
    begin(db, ann, "Firefox")
    done = gengap("reset", "ANN", typed=f"{NEW}\n")
    assert (done.exit_code, done.output) == (0, "ann has a new password; all sessions have ended.\n")
    assert authenticate(db, "ann", PASSWORD) is None
    assert authenticate(db, "ann", NEW) is not None
    with db.read() as session:
        assert sessions_of(session, ann) == []


def test_a_link_leads_to_the_page_that_takes_it(db: Database, gengap: Callable[..., Result]) -> None:
    register(db, "ann", "ann@example.org", PASSWORD)
    done = gengap("reset", "ann", "--link")
    assert done.exit_code == 0
    found = re.match(r"https://gengap\.example/reset/(\S+)\n", done.stdout)
    assert found is not None
    asked = reset_user(db, Settings().secret_key(), found[1])
    assert asked is not None
    assert asked.name == "ann"
    assert authenticate(db, "ann", PASSWORD) is not None


@pytest.mark.parametrize("name", ["nobody", "gengap"])
def test_there_is_no_such_account(gengap: Callable[..., Result], name: str) -> None:
    done = gengap("reset", name, typed=f"{NEW}\n")
    assert done.exit_code == 2
    assert f"There is no account '{name}'" in done.output
