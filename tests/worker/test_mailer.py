"""Sending over a real mail server: what arrives, TLS and login, refusals, a server that is away, the log instead."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from sqlalchemy import select

from server.demo.processes import Child, environment_with, free_port, running
from submissions.intake.bundle_store import BundleStore
from submissions.messages.outbox import write_mail
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from submissions.storage.records import MailRecord, UserRecord, utc_now
from tests.factories import make_competition
from tests.mail_server import mail_server
from tests.services import wait_until
from worker.hints import send_mail_hint
from worker.mailer import Mailer

ANN = "ann@example.org"
LONG_LINK = "{site}/reset/" + "x" * 200


@pytest.fixture
def outbox(settings: Settings) -> Iterator[Database]:
    """The settings' database with a mail to ann in its outbox."""
    settings.make_home()
    db = Database(settings.effective_database_url)
    migrate(db)
    with db.write() as session:
        write_mail(session, ANN, "“Größe” was scored", f"Look: {LONG_LINK}\nψ is 0.5")
    yield db
    db.close()


def _with(settings: Settings, **values: object) -> Settings:
    public = {"public_url": "https://gengap.example/site/", "mail_from": "Gengap <post@gengap.example>"}
    return Settings(**(settings.model_dump() | {"smtp_host": "localhost", "smtp_security": "none"} | public | values))


def _mails(db: Database) -> list[MailRecord]:
    with db.read() as session:
        return list(session.scalars(select(MailRecord).order_by(MailRecord.id)))


def test_a_mail_arrives_as_it_was_written_with_links_to_the_site(settings: Settings, outbox: Database) -> None:
    with mail_server() as server:
        mailer = Mailer(_with(settings, smtp_port=server.port), outbox)
        assert mailer.send_due() == 1
        assert mailer.send_due() == 0
    (message,) = server.messages
    assert server.recipients == [ANN]
    assert server.texts == [f"Look: https://gengap.example/site/reset/{'x' * 200}\nψ is 0.5\n"]
    assert (message["Subject"], message["To"]) == ("“Größe” was scored", ANN)
    assert message["From"] == "Gengap <post@gengap.example>"
    assert message["Message-ID"] == f"<gengap-{_mails(outbox)[0].id}@gengap.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] is not None
    assert _mails(outbox)[0].sent_at is not None


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_over_tls_with_a_login(
    settings: Settings, outbox: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    login = {"smtp_user": "gengap", "smtp_password": "secret"}
    with mail_server(authority=authority, tls=security == "tls", login=("gengap", "secret")) as server:
        mailer = Mailer(_with(settings, smtp_port=server.port, smtp_security=security, **login), outbox)
        assert mailer.send_due() == 0  # nobody knows who signed the server's certificate
        assert "CERTIFICATE_VERIFY_FAILED" in (_mails(outbox)[0].error or "")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        _due_now(outbox)
        assert mailer.send_due() == 1
    assert server.recipients == [ANN]


def test_a_wrong_password_is_told_without_the_password(
    settings: Settings, outbox: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with mail_server(login=("gengap", "secret")) as server:
        changed = _with(settings, smtp_port=server.port, smtp_user="gengap", smtp_password="not it at all")
        assert Mailer(changed, outbox).send_due() == 0
    (record,) = _mails(outbox)
    assert "535" in (record.error or "")
    assert record.next_try_at is not None  # our fault: the mail waits until it is mended
    assert "it will be tried again" in caplog.text
    assert "not it at all" not in caplog.text + (record.error or "") + repr(changed)


@pytest.mark.parametrize(("answer", "tried_again"), [("550 nobody here", False), ("451 later", True)])
def test_a_refused_mail_holds_up_no_other(settings: Settings, outbox: Database, answer: str, tried_again: bool) -> None:
    with outbox.write() as session:
        for name in ("bob", "cem"):
            write_mail(session, f"{name}@example.org", "Hello", "Hello")
    with mail_server() as server:
        server.refused_recipients[ANN] = answer
        server.answers["bob@example.org"] = answer
        assert Mailer(_with(settings, smtp_port=server.port), outbox).send_due() == 1
    assert server.recipients == ["cem@example.org"]
    for record in _mails(outbox)[:2]:
        assert record.error == answer
        assert (record.next_try_at is not None) == tried_again


def test_while_the_server_is_away_mails_wait(settings: Settings, outbox: Database) -> None:
    with outbox.write() as session:
        write_mail(session, "bob@example.org", "Hello", "Hello")
    mailer = Mailer(_with(settings, smtp_port=free_port()), outbox)
    assert mailer.send_due() == 0
    ann, bob = _mails(outbox)
    assert "Refused" in (ann.error or "")
    assert (ann.tries, bob.tries) == (1, 0)  # the second is not tried in vain
    with mail_server() as server:
        _due_now(outbox)
        assert Mailer(_with(settings, smtp_port=server.port), outbox).send_due() == 2
    assert sorted(server.recipients) == [ANN, "bob@example.org"]


def test_a_server_that_hangs_up_between_two_mails_gets_a_new_connection(settings: Settings, outbox: Database) -> None:
    with mail_server() as server:
        server.answers[ANN] = "421 I am leaving"
        mailer = Mailer(_with(settings, smtp_port=server.port), outbox)
        assert mailer.send_due() == 0
        server.answers.clear()
        _due_now(outbox)
        assert mailer.send_due() == 1


def test_without_a_server_mails_are_printed_to_the_log(
    settings: Settings, outbox: Database, caplog: pytest.LogCaptureFixture
) -> None:
    assert Mailer(_with(settings, smtp_host="", public_url="", port=8123), outbox).send_due() == 1
    assert f"Mail to {ANN}" in caplog.text
    assert f"http://127.0.0.1:8123/reset/{'x' * 200}" in caplog.text
    assert logging.WARNING in {record.levelno for record in caplog.records}
    assert _mails(outbox)[0].sent_at is not None


def test_a_thread_sends_what_is_due_and_looks_again_when_woken(settings: Settings, outbox: Database) -> None:
    with mail_server() as server:
        patient = _with(settings, smtp_port=server.port, sweep_s=3600.0)
        with Mailer(patient, outbox) as mailer:
            wait_until(lambda: len(server.messages) == 1, "the first mail")
            with outbox.write() as session:
                write_mail(session, "bob@example.org", "Hello", "Hello")
            mailer.wake()
            wait_until(lambda: len(server.messages) == 2, "the second mail")


def test_a_worker_sends_after_a_hint_without_waiting_for_its_sweep(settings: Settings, outbox: Database) -> None:
    with mail_server() as server:
        patient = _with(settings, smtp_port=server.port, sweep_s=3600.0)
        with _worker(patient):
            wait_until(lambda: len(server.messages) == 1, "what was due at the start")
            with outbox.write() as session:
                write_mail(session, "bob@example.org", "Hello", "Hello")
            send_mail_hint(patient)
            wait_until(lambda: len(server.messages) == 2, "what was hinted at")


def test_a_worker_whose_sandbox_is_not_good_enough_sends_mails_all_the_same(
    settings: Settings, outbox: Database
) -> None:
    with mail_server() as server, _worker(_with(settings, smtp_port=server.port, sandbox_minimum=("moat",))):
        wait_until(lambda: len(server.messages) == 1, "the mail")


@pytest.mark.thorough
def test_a_worker_that_scores_a_submission_mails_its_author(settings: Settings, tiny_zoo: Path) -> None:
    with mail_server() as server:
        sending = _with(settings, smtp_port=server.port)
        sending.make_home()
        db = Database(sending.effective_database_url)
        migrate(db)
        competition = make_competition(db, BundleStore(sending.store_folder), [tiny_zoo], smoke_networks=0)
        ada = competition.user("ada")
        with db.write() as session:
            session.get_one(UserRecord, ada).email_verified_at = utc_now()
        submission = competition.submit(ada)
        with _worker(sending):
            wait_until(lambda: len(server.messages) == 1, "the mail")
        score = competition.submission(submission).score
        db.close()
    assert server.recipients == ["ada@example.org"]
    assert server.messages[0]["Subject"] == f"“measure” was scored {score:.2f}"
    assert f"https://gengap.example/site/submissions/{submission}\n" in server.texts[0]


@contextmanager
def _worker(settings: Settings) -> Iterator[None]:
    child = Child("worker", ("worker",), environment_with(settings.model_dump()), settings.home / "worker.log")
    with running([child]):
        yield


def _due_now(db: Database) -> None:
    with db.write() as session:
        for record in session.scalars(select(MailRecord).where(MailRecord.next_try_at.is_not(None))):
            record.next_try_at = utc_now()
