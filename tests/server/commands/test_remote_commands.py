"""The commands of participants: login, submit, status, cancel, leaderboard, download, logout.

Against a real server: first all of them with a real worker, then one by one what they say.
"""

import contextlib
import io
import json
import os
import pty
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from submissions.leaderboard.standings import rebuild
from submissions.people.accounts import register
from submissions.people.tokens import create_token, tokens_of
from submissions.storage.database import Database
from submissions.storage.states import Reason, State
from tests.conftest import RunningSite
from tests.factories import SQUARED_NORM
from tests.records import PASSWORD
from tests.server.commands.terminals import Terminal
from tests.server.site import GOOD_MEASURE, Site

SLEEPS = b"import time\n\ndef complexity(model, dataset):\n    time.sleep(600)\n    return 0.0\n"
HEAVY = ("flask", "torch", "numpy", "sqlalchemy", "celery", "pydantic")
RAISES = b"def complexity(model, dataset):\n    print('so far')\n    raise ValueError('odd')\n"


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    (tmp_path / "person").mkdir()
    return Terminal(tmp_path / "person")


@pytest.fixture
def url(site: Site, serve: Callable[[Site], str]) -> str:
    return serve(site)


def token_of(db: Database, user_id: int, *scopes: str) -> str:
    return create_token(db, user_id, "terminal", scopes or ("read", "submit"))[1]


@pytest.fixture
def ann(site: Site, url: str, terminal: Terminal) -> Terminal:
    """A terminal where ann is logged in."""
    terminal.says("login", url, "--token", "-", typed=token_of(site.db, site.ann))
    return terminal


def test_from_login_to_the_leaderboard_and_out(running_site: RunningSite, terminal: Terminal) -> None:
    db = Database(running_site.settings.effective_database_url)
    ada = register(db, "ada", "ada@example.org", PASSWORD)
    token = token_of(db, ada)
    files = {"good.py": SQUARED_NORM, "raises.py": RAISES, "sleeps.py": SLEEPS}
    for name, content in files.items():
        (terminal.home / name).write_bytes(content)

    assert "as ada" in terminal.says("login", running_site.url, "--token", "-", typed=f"{token}\n")
    assert terminal.login_mode == 0o600

    phase = "tests/main"
    scored = terminal.call("submit", "good.py", "--phase", phase, "--name", "Norms", "--watch")
    assert scored.returncode == 0, scored.stdout + scored.stderr
    assert "Score" in scored.stdout
    assert "smoke run: 2 of 2" in scored.stderr
    assert "scored" in scored.stderr.splitlines()[-1]

    failed = terminal.call("submit", "raises.py", "--phase", phase, "--watch")
    assert failed.returncode == 1
    for part in ("The measure raised an exception.", "ValueError", "odd", "so far", "smoke run"):
        assert part in failed.stdout

    waiting = terminal.json("submit", "sleeps.py", "--phase", phase)
    assert terminal.json("status", str(waiting["id"]))["state"] in ("queued", "running")
    assert "Cancelled" in terminal.says("cancel", str(waiting["id"]))
    watched = terminal.call("status", str(waiting["id"]), "--watch", "--json")
    assert (watched.returncode, json.loads(watched.stdout)["state"]) == (1, "cancelled")

    listed = terminal.json("status")["items"]
    assert [(one["name"], one["state"]) for one in listed] == [
        ("sleeps", "cancelled"),
        ("raises", "failed"),
        ("Norms", "scored"),
    ]
    board = terminal.json("leaderboard", phase)
    assert [(row["name"], row["is_own"], row["score"]) for row in board["items"]] == [
        ("Norms", True, listed[2]["score"])
    ]
    assert "ada (you)" in terminal.says("leaderboard", phase)

    kit = Path(terminal.says("download", "kit", "tests").strip())
    with zipfile.ZipFile(terminal.home / kit) as archive:
        assert archive.testzip() is None
        assert any(name.endswith("README.md") for name in archive.namelist())

    assert "Logged out" in terminal.says("logout")
    assert not terminal.login_file.exists()
    assert tokens_of(db, ada) == []
    db.close()


def test_a_name_and_a_password_become_a_token_with_few_scopes(site: Site, url: str, terminal: Terminal) -> None:
    told = terminal.call("login", url, typed=f"\nann\n{PASSWORD}\n")
    assert told.returncode == 0, told.stderr
    assert PASSWORD not in told.stdout + told.stderr
    kept = json.loads(terminal.login_file.read_text())
    assert kept["url"] == url
    (token,) = tokens_of(site.db, site.ann)
    assert kept["token"].startswith(token.hint)
    assert token.scopes == ["read", "submit"]
    assert terminal.json("status")["items"] == []


@pytest.mark.parametrize(
    ("typed", "words", "sentence"),
    [
        ("\nann\nwrong\n", (), "name or the password is wrong"),
        ("gengap_nonsense\n", ("--token", "-"), "unknown, expired or revoked"),
        ("", ("--token", "-"), "contains no token"),
        ("täken\n", ("--token", "-"), "token"),
    ],
)
def test_a_failed_login_keeps_nothing(
    url: str, terminal: Terminal, typed: str, words: tuple[str, ...], sentence: str
) -> None:
    done = terminal.call("login", url, *words, typed=typed)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not terminal.login_file.exists()


def test_whoever_is_not_logged_in_is_told_how(url: str, terminal: Terminal) -> None:
    told = terminal.call("status", GENGAP_URL=url)
    assert told.returncode == 2
    assert f"gengap login {url}" in told.stderr
    assert "not logged in" in terminal.refused("logout")


def test_variables_come_before_the_kept_login(site: Site, ann: Terminal) -> None:
    site.submission(site.phase(), site.bob, name="Bobs", done=1)
    told = ann.call("status", "--json", GENGAP_TOKEN=token_of(site.db, site.bob))
    assert [one["name"] for one in json.loads(told.stdout)["items"]] == ["Bobs"]
    assert ann.json("status")["items"] == []


def test_a_visitor_reads_a_leaderboard_without_a_login(site: Site, url: str, terminal: Terminal) -> None:
    phase = site.phase()
    for user, name, cmi in ((site.ann, "Norms", 0.5), (site.bob, "Margins", 0.2)):
        site.submission(phase, user, name=name, cmi=(cmi, 0.3))
    site.submission(phase, site.system, name="Width", cmi=(0.1, 0.1), is_baseline=True)
    with site.db.write() as session:
        rebuild(session, phase)
    told = terminal.call("leaderboard", "demo/main", GENGAP_URL=url)
    lines = told.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["1", "2", "3"]
    assert "40.00" in lines[1]
    assert "baseline" in lines[3]
    assert "(you)" not in told.stdout
    sorted_ = terminal.call("leaderboard", "demo/main", "--sort", "name", "--json", GENGAP_URL=url)
    assert json.loads(sorted_.stdout)["items"][0]["name"] == "Margins"
    wrong = terminal.call("leaderboard", "demo/main", "--sort", "colour", GENGAP_URL=url)
    assert wrong.returncode == 2
    assert "cmi.digits-mlp" in wrong.stderr


def test_what_is_wrong_with_a_submission_is_told_in_a_line_each(site: Site, ann: Terminal) -> None:
    site.phase()
    file = ann.home / "measure.py"
    file.write_bytes(b"def complexity(model, dataset) return")
    assert "measure.py" in ann.refused("submit", file, "--phase", "demo/main")
    file.write_bytes(GOOD_MEASURE)
    assert "link: " in ann.refused("submit", file, "--phase", "demo/main", "--link", "ftp://x")
    assert "nothing at this address" in ann.refused("submit", file, "--phase", "demo/none")
    assert "spring/final" in ann.refused("submit", file, "--phase", "demo")
    assert site.states() == []


def test_everything_said_of_a_measure_arrives(site: Site, ann: Terminal) -> None:
    phase = site.phase()
    parent = site.submission(phase, site.ann, cmi=(0.1, 0.2))
    file = ann.home / "measure.zip"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("complexity.py", GOOD_MEASURE)
    file.write_bytes(packed.getvalue())
    said = ("--name", "Norms", "--description", "All of them", "--link", "https://example.org", "--alias", "Nobody")
    told = ann.json("submit", file, "--phase", "demo/main", *said, "--parent", str(parent))
    assert (told["name"], told["description"], told["link"]) == ("Norms", "All of them", "https://example.org")
    assert (told["alias"], told["parent"], told["state"]) == ("Nobody", parent, "queued")


def test_a_failure_is_shown_with_its_place(site: Site, ann: Terminal) -> None:
    failed = site.submission(site.phase(shows_logs=True), site.ann, reason=Reason.RAISED)
    site.failure(failed, 3, message="odd \x1b[2Jodd", log="printed")
    told = ann.says("status", str(failed))
    assert "The measure raised an exception." in told
    assert "On network 3 of 12" in told
    assert "printed" in told
    assert "\x1b" not in told


def test_at_a_terminal_bars_follow_a_submission_to_its_end(site: Site, ann: Terminal) -> None:
    running = site.submission(site.phase(), site.ann, done=3)
    main_end, terminal_end = pty.openpty()
    seen = bytearray()

    def look_on() -> None:
        with contextlib.suppress(OSError):  # the terminal is gone once the command has ended
            while piece := os.read(main_end, 65536):
                seen.extend(piece)
                if b"3/12" in seen and site.states() == [State.RUNNING]:
                    site.end(running, (0.5, 0.3))

    onlooker = threading.Thread(target=look_on)
    onlooker.start()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", "status", str(running), "--watch"],
        env=os.environ | {"XDG_CONFIG_HOME": str(ann.home), "TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=terminal_end,
        text=True,
        check=False,
    )
    os.close(terminal_end)
    onlooker.join()
    os.close(main_end)
    assert done.returncode == 0, seen.decode(errors="replace")
    assert "Score 40" in done.stdout
    assert "Digits mlp" in seen.decode(errors="replace")


def test_cancelling_what_has_ended_is_refused(site: Site, ann: Terminal) -> None:
    scored = site.submission(site.phase(), site.ann, cmi=(0.1, 0.2))
    assert "had already ended" in ann.refused("cancel", str(scored))
    assert site.states() == [State.SCORED]


def test_a_server_that_is_not_there_is_told_so(terminal: Terminal) -> None:
    told = terminal.call("status", GENGAP_URL="http://127.0.0.1:1")
    assert told.returncode == 3
    assert told.stderr.startswith("Error: http://127.0.0.1:1 cannot be reached")


def test_another_server_is_told_from_ours(terminal: Terminal, s3_address: str) -> None:
    told = terminal.call("leaderboard", "demo/main", GENGAP_URL=s3_address)
    assert told.returncode == 3
    assert "Gengap server" in told.stderr


def test_a_damaged_login_is_told_so(terminal: Terminal) -> None:
    terminal.login_file.parent.mkdir()
    terminal.login_file.write_text("{}")
    assert "Log in again" in terminal.refused("status")


def test_a_command_waits_as_long_as_the_server_says(
    make_site: Callable[..., Site], serve: Callable[[Site], str], terminal: Terminal
) -> None:
    site = make_site(rate_reading="1/second")
    url, token = serve(site), token_of(site.db, site.ann)
    for _ in range(3):
        told = terminal.call("status", "--json", GENGAP_URL=url, GENGAP_TOKEN=token)
        assert told.returncode == 0, told.stderr


def test_a_kit_that_is_not_there_leaves_no_file(site: Site, ann: Terminal) -> None:
    site.phase()
    before = set(ann.home.iterdir())
    ann.refused("download", "kit", "none")
    ann.refused("download", "kit", "../demo")
    assert set(ann.home.iterdir()) == before


def test_a_kit_goes_where_one_says(site: Site, ann: Terminal) -> None:
    site.phase()
    told = ann.json("download", "kit", "demo", "--out", ann.home / "kit.zip")
    assert zipfile.is_zipfile(ann.home / "kit.zip")
    assert told == {"path": str(ann.home / "kit.zip"), "bytes": (ann.home / "kit.zip").stat().st_size}


@pytest.mark.parametrize("command", ["login", "logout", "submit", "status", "cancel", "leaderboard", "download"])
def test_the_commands_load_nothing_of_a_server(command: str) -> None:
    module = f"server.commands.participant.{command}"
    look = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
