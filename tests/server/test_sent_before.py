"""The same upload once more in the same phase: page, API and command ask first, and keep what was sent meanwhile."""

import contextlib
import hashlib
import html
import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from submissions.people.tokens import create_token
from submissions.storage.records import SubmissionRecord
from submissions.storage.states import State
from tests.factories import zip_of
from tests.server.api.clients import Form, fields, script
from tests.server.commands.terminals import Terminal
from tests.server.site import GOOD_MEASURE, Site

FORM = "/competitions/demo/main/submit"
PATH = "/competitions/demo/phases/main/submissions"
WANTED = {"name": "Norms", "source": GOOD_MEASURE.decode()}
QUESTION = r"You sent exactly this to this phase on \d\d \w+ \d{4} at \d\d:\d\d UTC: submission 1, Norms\."


def uploads(site: Site) -> list[tuple[str, str]]:
    """Name and digest of every submission."""
    with site.db.read() as session:
        rows = session.execute(
            select(SubmissionRecord.name, SubmissionRecord.bundle_sha256).order_by(SubmissionRecord.id)
        )
        return [(name, digest) for name, digest in rows]


@pytest.mark.parametrize("filename", ["mine.py", "mine.zip"])
def test_the_page_asks_and_keeps_what_was_sent(site: Site, filename: str) -> None:
    site.phase()
    ann = site.browser("ann")
    content = GOOD_MEASURE if filename.endswith(".py") else zip_of({"complexity.py": GOOD_MEASURE})

    def sent(name: str) -> dict[str, object]:
        return {"name": name, "description": "Why", "file": (io.BytesIO(content), filename)}

    assert ann.post(FORM, sent("Norms"), form=FORM).location == "/submissions/1"
    asked = ann.post(FORM, sent("Once more"), form=FORM)
    page = html.unescape(asked.text)
    assert (asked.status_code, len(uploads(site))) == (409, 1)
    assert re.search(QUESTION, page)
    (button,) = re.findall(r'<button[^>]* name="(\w+)" value="(\d+)">Send it again', page)
    assert button == ("confirmed", "1")
    (code,) = re.findall(r"<textarea id=\"code\"[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert 'value="Once more"' in page
    kept = {"name": "Once more", "description": "Why", "code": code}
    refused = ann.post(FORM, kept | {"name": "", "confirmed": "1"}, form=FORM)
    assert (refused.status_code, "Send it again" in refused.text) == (422, True)
    assert ann.post(FORM, kept | {"confirmed": "1"}, form=FORM).location == "/submissions/2"
    digest = hashlib.sha256(content).hexdigest()
    assert uploads(site) == [("Norms", digest), ("Once more", digest)]


def test_who_confirms_with_the_number_of_somebody_elses_submission_gets_nothing_of_it(site: Site) -> None:
    site.phase()
    theirs = zip_of({"complexity.py": b"# secret\n" + GOOD_MEASURE})
    site.browser("bob").post(FORM, {"name": "Theirs", "file": (io.BytesIO(theirs), "theirs.zip")}, form=FORM)
    answer = site.browser("ann").post(FORM, {"name": "x", "code": "", "confirmed": "1"}, form=FORM)
    assert (answer.status_code, "theirs.zip" in answer.text) == (422, False)
    assert len(uploads(site)) == 1


@pytest.mark.parametrize("as_file", [False, True])
def test_the_api_asks_and_takes_a_confirmation(site: Site, as_file: bool) -> None:
    site.phase()
    ann = script(site, "ann")
    assert ann.post(PATH, WANTED).status_code == 201
    body = Form({"name": "Norms"}, "norms.py", GOOD_MEASURE) if as_file else WANTED
    refused = ann.post(PATH, body)
    assert (refused.status_code, fields(refused)) == (409, {"confirmed"})
    assert re.search(QUESTION + " Send it with confirmed = true", refused.get_json()["detail"])
    confirmed = (
        Form({"name": "Norms", "confirmed": "true"}, "norms.py", GOOD_MEASURE)
        if as_file
        else WANTED | {"confirmed": True}
    )
    assert ann.post(PATH, confirmed).status_code == 201


@pytest.mark.parametrize("state", [state for state in State if state.is_final])
def test_what_was_cancelled_or_broke_may_be_sent_again_at_once(site: Site, state: State) -> None:
    site.phase()
    ann = script(site, "ann")
    assert ann.post(PATH, WANTED).status_code == 201
    with site.db.write() as session:
        session.get_one(SubmissionRecord, 1).state = state
    expected = 201 if state in (State.CANCELLED, State.BROKEN) else 409
    assert ann.post(PATH, WANTED).status_code == expected


def test_it_is_asked_of_a_team_and_of_nobody_else_nor_in_another_phase(site: Site) -> None:
    site.phase()
    site.phase("other")
    site.team("gaps", site.ann, site.bob)
    ann, bob, olga = (script(site, name) for name in ("ann", "bob", "olga"))
    assert ann.post(PATH, WANTED).status_code == 201
    assert "Your team sent exactly this" in bob.post(PATH, WANTED).get_json()["detail"]
    assert olga.post(PATH, WANTED).status_code == 201
    assert ann.post(PATH.replace("main", "other"), WANTED).status_code == 201
    assert ann.post(PATH, WANTED | {"source": f"{WANTED['source']}# another\n"}).status_code == 201


@pytest.fixture
def terminal(site: Site, serve: Callable[[Site], str], tmp_path: Path) -> Terminal:
    """A terminal where ann is logged in and has submitted norms.py."""
    site.phase()
    terminal = Terminal(tmp_path)
    (tmp_path / "norms.py").write_bytes(GOOD_MEASURE)
    token = create_token(site.db, site.ann, "terminal", ["read", "submit"])[1]
    terminal.says("login", serve(site), "--token", "-", typed=token)
    terminal.says("submit", "norms.py", "--phase", "demo/main", "--name", "Norms")
    return terminal


def test_the_command_asks_only_at_a_terminal_and_takes_an_option(site: Site, terminal: Terminal) -> None:
    again = ("submit", "norms.py", "--phase", "demo/main")
    assert re.search(QUESTION + r" Nothing was submitted.*--confirm", terminal.refused(*again).replace("\n", " "))
    assert len(uploads(site)) == 1
    assert terminal.json(*again, "--confirm")["id"] == 2
    assert _at_a_terminal(terminal, again, "n") == (1, "")
    assert len(uploads(site)) == 2
    status, said = _at_a_terminal(terminal, again, "y")
    assert (status, "Submission 3:" in said) == (0, True)
    assert len(uploads(site)) == 3


def _at_a_terminal(terminal: Terminal, words: tuple[str, ...], typed: str) -> tuple[int, str]:
    """The exit status and the output of a command whose input is a terminal where somebody types."""
    main_end, terminal_end = pty.openpty()
    try:
        os.write(main_end, f"{typed}\n".encode())
        done = subprocess.run(
            [sys.executable, "-P", "-m", "server.cli", *words],
            env=os.environ | {"XDG_CONFIG_HOME": str(terminal.home)},
            cwd=terminal.home,
            stdin=terminal_end,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        for end in (main_end, terminal_end):
            with contextlib.suppress(OSError):
                os.close(end)
    assert "Submit it once more?" in done.stderr
    return done.returncode, done.stdout
