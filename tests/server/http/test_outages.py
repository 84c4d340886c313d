"""While the database or the disk is away, pages and the API answer 503 in words; what somebody typed is not lost."""

import errno
import html
import re
import resource
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from werkzeug.test import TestResponse

import server.config
from server.problems import MEDIA_TYPE
from submissions.intake import bundle_store
from tests.databases import on_postgres
from tests.server.site import GOOD_MEASURE, Browser, Site
from tests.services import postgres_cluster

FORM = "/competitions/demo/main/submit"
API = "/api/v1/competitions"
TYPED = {"name": "My <best> measure", "description": "Two\nlines & more", "code": GOOD_MEASURE.decode()}


def _is_told(answer: TestResponse) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert "is not available at the moment" in answer.text


def _sent_again(browser: Browser, page: TestResponse) -> TestResponse:
    """Press the button of the page: its form as a browser sends it."""
    fields = re.findall(r'<textarea name="([^"]+)" hidden>\n(.*?)</textarea>', page.text, re.DOTALL)
    assert fields
    return browser.client.post(FORM, data={name: html.unescape(value) for name, value in fields})


@pytest.fixture
def impatient(make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site on SQLite that hardly waits for a lock."""
    monkeypatch.setattr(server.config, "DATABASE_PATIENCE_S", 0.05)
    site = make_site(changes_app=True)
    site.phase()
    return site


@pytest.fixture
def locked(impatient: Site) -> Iterator[sqlite3.Connection]:
    """Another connection that holds the lock of the database."""
    other = sqlite3.connect(impatient.settings.home / "gengap.sqlite", isolation_level=None)
    yield other
    other.close()


def test_a_form_sent_to_a_locked_database_can_be_sent_again(impatient: Site, locked: sqlite3.Connection) -> None:
    ann = impatient.browser("ann")
    token = ann.token(FORM)
    locked.execute("BEGIN IMMEDIATE")
    refused = ann.client.post(FORM, data={"csrf_token": token, **TYPED})
    _is_told(refused)
    assert ann.get(FORM).status_code == 200  # reading goes on
    locked.execute("ROLLBACK")
    answer = _sent_again(ann, refused)
    assert answer.status_code == 302
    assert TYPED["name"] in html.unescape(ann.get(answer.headers["Location"]).text)
    assert len(impatient.states()) == 1


def test_a_password_is_not_sent_back(impatient: Site, locked: sqlite3.Connection) -> None:
    visitor = impatient.browser()
    token = visitor.token("/login")
    locked.execute("BEGIN IMMEDIATE")
    typed = {"name": "eve", "email": "eve@example.org", "password": "correct horse", "csrf_token": token}
    answer = visitor.client.post("/register", data=typed)
    _is_told(answer)
    assert "Go back" in answer.text
    assert "correct horse" not in answer.text


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EROFS, errno.EDQUOT], ids=errno.errorcode.get)
def test_an_upload_that_finds_the_disk_full_or_read_only_is_kept(
    site: Site, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    def refuse(_path: Path, _content: bytes) -> NoReturn:
        raise OSError(fault, "no")

    site.phase()
    ann = site.browser("ann")
    token = ann.token(FORM)
    with monkeypatch.context() as patch:
        patch.setattr(bundle_store, "write_whole", refuse)
        answer = ann.client.post(FORM, data={"csrf_token": token, **TYPED})
        _is_told(answer)
    assert site.states() == []
    assert _sent_again(ann, answer).status_code == 302


def test_a_database_that_may_not_grow_is_an_outage(site: Site) -> None:
    site.phase()
    ann = site.browser("ann")
    token = ann.token(FORM)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        answer = ann.client.post(FORM, data={"csrf_token": token, **TYPED})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    _is_told(answer)
    assert site.states() == []
    assert _sent_again(ann, answer).status_code == 302


def test_a_postgresql_that_is_restarted(make_site: Callable[..., Site]) -> None:
    with postgres_cluster() as postgres, on_postgres(postgres.url, migrated=True) as db:
        site = make_site(changes_app=True, database_url=db.url)
        site.phase()
        ann = site.browser("ann")
        token = ann.token(FORM)
        db.close()
        postgres.end(signal.SIGINT)
        try:
            for path in ("/", FORM, "/my/submissions"):
                _is_told(ann.get(path))
            refused = ann.client.post(FORM, data={"csrf_token": token, **TYPED})
            _is_told(refused)
            problem = ann.get(API)
            assert (problem.status_code, problem.mimetype) == (503, MEDIA_TYPE)
            assert int(problem.headers["Retry-After"]) > 0
            assert ann.get("/healthz").status_code == 503
        finally:
            postgres.start()
        assert ann.get("/").status_code == 200  # the pool notices that its connections are dead
        assert _sent_again(ann, refused).status_code == 302
        site.db.close()
