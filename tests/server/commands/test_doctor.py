import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from model_zoo.store import schemes
from server.commands.common import settings_or_exit
from server.commands.errors import InputError
from server.commands.operate.doctor import broker, database, examine, hidden_zoos, local_clock, mail, store
from server.commands.operate.doctor import command as doctor
from server.commands.operate.doctor import home as home_folder
from submissions.intake.bundle_store import BundleStore
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from tests.buckets import Bucket
from tests.factories import make_competition
from tests.mail_server import mail_server
from tests.model_zoo.store import toy_schemes
from worker.sandbox.checks import Check, Found

OF_SETTINGS = {"home": home_folder, "store": store, "database": database, "broker": broker, "mail": mail}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("GENGAP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GENGAP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def check(name: str) -> Check:
    """One check; alone if it concerns a setting, for trying a sandbox takes seconds."""
    if name in OF_SETTINGS:
        return OF_SETTINGS[name](settings_or_exit())
    (found,) = [check for check in examine() if check.name == name]
    return found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(doctor, arguments)


def test_on_a_machine_that_was_set_up_everything_needed_works() -> None:
    result = run("--json")
    answer = json.loads(result.stdout)
    assert {check["name"]: check for check in answer["checks"] if check["state"] == "missing"} == {}
    assert answer["ok"] is True
    assert result.exit_code == 0


def test_the_table_names_every_check() -> None:
    result = run()
    assert "Everything needed works." in result.stdout
    for name in ("python", "torch", "sandbox", "database", "broker", "store", "chromium"):
        assert name in result.stdout


@pytest.mark.thorough
def test_it_makes_nothing(home: Path) -> None:
    run()
    assert not home.exists()


def test_it_imports_no_torch() -> None:
    code = "import sys, server.commands.operate.doctor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_bubblewrap_it_says_how_to_get_it_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check("bubblewrap") == Check("bubblewrap", Found.MISSING, "no bwrap on PATH", "apt-get install bubblewrap")
    assert check("sandbox").text == "bubblewrap is not installed (apt-get install bubblewrap)"
    result = run("--json")
    assert json.loads(result.stdout)["ok"] is False
    assert result.exit_code == 1


def test_a_bubblewrap_that_cannot_make_namespaces_is_not_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = check("sandbox")
    assert found.state == Found.MISSING
    assert found.text == "the zygote did not start: bwrap: No permissions to create a new namespace"
    assert "user namespaces" in found.remedy


def test_a_program_only_tests_need_may_be_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check("chromium").state == Found.ABSENT
    assert check("redis-server").state == Found.ABSENT


@pytest.mark.thorough
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENGAP_PORT", "eighty")
    found = check("settings")
    assert found.state == Found.MISSING
    assert found.text.startswith("GENGAP_PORT: ")


@pytest.mark.thorough
def test_a_home_below_a_file_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GENGAP_HOME", str(tmp_path / "file" / "home"))
    assert check("home").state == Found.MISSING
    assert "GENGAP_HOME" in check("home").remedy


@pytest.mark.thorough
def test_a_database_that_exists_is_asked(home: Path) -> None:
    opened = Database(f"sqlite:///{home / 'gengap.sqlite'}")
    with opened.write() as session:
        session.execute(text("CREATE TABLE there (id INTEGER)"))
    opened.close()
    assert check("database") == Check("database", Found.OK, f"sqlite:///{home / 'gengap.sqlite'}")


@pytest.mark.thorough
def test_a_file_that_is_no_database_is_noticed(home: Path) -> None:
    home.mkdir()
    (home / "gengap.sqlite").write_bytes(b"not a database at all" * 100)
    assert check("database").state == Found.MISSING
    assert "file is not a database" in check("database").text


def test_hidden_zoos_without_a_key_are_named(home: Path, other_zoo: Path) -> None:
    assert hidden_zoos(settings_or_exit()) == Check(
        "hidden zoos", Found.OK, "every one that a phase uses has a secret key"
    )
    assert not home.exists()
    home.mkdir()
    (home / "gengap.sqlite").touch()
    assert hidden_zoos(settings_or_exit()).state == Found.ABSENT, "there is no table yet"
    db = Database(f"sqlite:///{home / 'gengap.sqlite'}")
    migrate(db)
    make_competition(db, BundleStore(home / "store"), [other_zoo])
    db.close()
    found = hidden_zoos(settings_or_exit())
    assert (found.state, "without a secret key" in found.text, "other@1" in found.text) == (Found.ABSENT, True, True)
    assert "docs/zoo-check.md" in found.remedy


def test_a_store_that_is_not_there_yet_is_not_made(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check("store") == Check("store", Found.OK, f"{home / 'store' / 'zoos'}, created at first start")
    monkeypatch.setenv("GENGAP_STORE_URL", str(tmp_path / "zoos"))
    assert check("store").text == f"{tmp_path / 'zoos'}, created at first start"
    assert not home.exists()
    assert not (tmp_path / "zoos").exists()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GENGAP_STORE_URL", str(tmp_path / "file" / "zoos"))
    assert check("store").state == Found.MISSING
    assert "GENGAP_STORE_URL" in check("store").remedy


def test_a_store_that_is_there_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zoos").mkdir()
    monkeypatch.setenv("GENGAP_STORE_URL", str(tmp_path / "zoos"))
    assert check("store") == Check("store", Found.OK, f"{tmp_path / 'zoos'}, written, read and removed")
    assert list((tmp_path / "zoos").iterdir()) == []
    monkeypatch.setenv("GENGAP_STORE_URL", str(Path(__file__)))
    assert check("store").state == Found.MISSING
    assert check("store").text.startswith(f"{__file__}/probe-")


def test_a_bucket_is_tried(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENGAP_STORE_URL", bucket.url)
    monkeypatch.setenv("GENGAP_STORE_ENDPOINT", bucket.address)
    assert check("store") == Check("store", Found.OK, f"{bucket.url}, written, read and removed")
    assert bucket.names() == set()
    monkeypatch.setenv("GENGAP_STORE_URL", "s3://no-such-bucket")
    found = check("store")
    assert found.state == Found.MISSING
    assert found.text.startswith("s3://no-such-bucket/probe-")
    assert "GENGAP_STORE_ENDPOINT" in found.remedy


def test_a_store_of_any_scheme_is_tried_and_an_unknown_one_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENGAP_STORE_URL", "toy://shelf")
    with pytest.raises(InputError, match=r"no zoo store for toy://; .* file:// or s3://"):
        check("store")
    monkeypatch.setattr(schemes, "__path__", [*schemes.__path__, *toy_schemes.__path__])
    assert check("store") == Check("store", Found.OK, "toy://shelf, written, read and removed")


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, held so that nobody can."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.mark.thorough
def test_a_postgresql_that_does_not_answer_is_missing_and_its_password_stays_secret(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENGAP_DATABASE_URL", f"postgresql://ann:tulip@127.0.0.1:{closed_port}/gengap")
    assert check("database").state == Found.MISSING
    assert "tulip" not in run("--json").stdout


@pytest.mark.thorough
def test_a_redis_that_does_not_answer_is_missing_and_its_password_stays_secret(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENGAP_BROKER_URL", f"redis://:tulip@127.0.0.1:{closed_port}/0")
    assert check("broker").state == Found.MISSING
    assert "tulip" not in run("--json").stdout


@pytest.mark.thorough
def test_a_redis_that_answers_is_fine(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENGAP_BROKER_URL", redis_url)
    assert check("broker") == Check("broker", Found.OK, redis_url)


@pytest.mark.thorough
def test_a_postgresql_that_answers_is_fine(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENGAP_DATABASE_URL", postgres_url)
    assert check("database") == Check("database", Found.OK, postgres_url)


def test_a_clock_that_is_not_the_databases_is_told(
    home: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    assert local_clock(settings_or_exit()).state == Found.OK
    assert not home.exists()
    monkeypatch.setenv("GENGAP_DATABASE_URL", postgres_url)
    assert local_clock(settings_or_exit()).state == Found.OK
    own = time.time
    for ahead_s, words in ((90, "ahead of the database's"), (-90, "behind the database's")):
        monkeypatch.setattr(time, "time", lambda ahead_s=ahead_s: own() + ahead_s)
        found = local_clock(settings_or_exit())
        assert (found.state, found.text.partition(" s ")[2]) == (Found.ABSENT, words)
        assert 85 < float(found.text.partition(" ")[0]) < 95
        assert "NTP" in found.remedy
    monkeypatch.setenv("GENGAP_DATABASE_URL", f"postgresql://ann:tulip@127.0.0.1:{closed_port}/gengap")
    assert local_clock(settings_or_exit()).state == Found.ABSENT


@pytest.mark.thorough
def test_without_a_mail_server_mails_go_to_the_log() -> None:
    found = check("mail")
    assert (found.state, found.text) == (Found.OK, "printed to the workers' log (GENGAP_SMTP_HOST is empty)")


@pytest.mark.thorough
def test_a_mail_server_is_tried_without_sending_and_its_password_stays_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server(login=("gengap", "tulip")) as server:
        values = {"HOST": "localhost", "PORT": str(server.port), "SECURITY": "none", "USER": "gengap"}
        for name, value in {**values, "PASSWORD": "daffodil"}.items():
            monkeypatch.setenv(f"GENGAP_SMTP_{name}", value)
        refused = check("mail")
        monkeypatch.setenv("GENGAP_SMTP_PASSWORD", "tulip")
        taken = check("mail")
        told = run("--json").stdout
    assert (refused.state, "535" in refused.text) == (Found.MISSING, True)
    assert taken == Check("mail", Found.OK, f"localhost:{server.port} (none)")
    assert "daffodil" not in refused.text
    assert "tulip" not in told
    assert server.messages == []


@pytest.mark.thorough
def test_a_mail_server_that_does_not_answer_is_missing(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENGAP_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("GENGAP_SMTP_PORT", str(closed_port))
    assert check("mail").state == Found.MISSING
