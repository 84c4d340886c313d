"""The outbox on both databases: what is due, claimed once, tried again with growing pauses, given up, forgotten."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from submissions.messages import outbox
from submissions.storage.database import Database
from submissions.storage.records import MailRecord
from tests.records import START

pytestmark = pytest.mark.both_databases


def _write(db: Database, address: str = "ann@example.org", text: str = "Hello") -> None:
    with db.write() as session:
        outbox.write_mail(session, address, "About\nsomething", text)
        session.flush()
        for record in session.scalars(select(MailRecord).where(MailRecord.tries == 0)):
            record.created_at = record.next_try_at = START


def _record(db: Database) -> MailRecord:
    with db.read() as session:
        return session.scalars(select(MailRecord)).one()


def test_a_mail_is_claimed_once_and_again_only_when_its_pause_is_over(any_db: Database) -> None:
    _write(any_db)
    claimed = outbox.claim_due(any_db, START)
    assert claimed is not None
    assert (claimed.address, claimed.subject, claimed.text) == ("ann@example.org", "About something", "Hello")
    assert outbox.claim_due(any_db, START) is None
    assert outbox.claim_due(any_db, START + outbox.PAUSES[0] - timedelta(seconds=1)) is None
    assert outbox.claim_due(any_db, START + outbox.PAUSES[0]) is not None


def test_what_a_transaction_did_not_commit_is_not_in_the_outbox(any_db: Database) -> None:
    try:
        with any_db.write() as session:
            outbox.write_mail(session, "ann@example.org", "Hello", "text")
            raise RuntimeError("halfway")
    except RuntimeError:
        pass
    assert outbox.claim_due(any_db) is None


def test_a_sent_mail_is_sent_no_more_and_its_text_is_gone(any_db: Database) -> None:
    _write(any_db)
    claimed = outbox.claim_due(any_db, START)
    assert claimed is not None
    outbox.note_sent(any_db, claimed.id)
    record = _record(any_db)
    assert (record.text, record.next_try_at, record.error) == ("", None, None)
    assert record.sent_at is not None
    assert outbox.claim_due(any_db, START + timedelta(days=9)) is None


def test_a_mail_that_is_never_taken_is_tried_with_growing_pauses_and_then_given_up(any_db: Database) -> None:
    _write(any_db)
    moment, pauses = START, []
    while (claimed := outbox.claim_due(any_db, moment)) is not None:
        will_be_tried = outbox.note_failure(any_db, claimed, "421 come back later", for_good=False)
        record = _record(any_db)
        assert will_be_tried == (record.next_try_at is not None)
        if record.next_try_at is not None:
            pauses.append(record.next_try_at - moment)
            moment = record.next_try_at
    assert pauses == sorted(pauses) == list(outbox.PAUSES)
    assert (record.tries, record.error, record.text, record.sent_at) == (
        outbox.MOST_TRIES,
        "421 come back later",
        "",
        None,
    )


def test_a_mail_refused_for_good_is_given_up_at_once(any_db: Database) -> None:
    _write(any_db)
    claimed = outbox.claim_due(any_db, START)
    assert claimed is not None
    assert not outbox.note_failure(any_db, claimed, "550 nobody here", for_good=True)
    assert _record(any_db).next_try_at is None


def test_two_workers_never_claim_the_same_mail(any_db: Database) -> None:
    for number in range(12):
        _write(any_db, f"p{number}@example.org")
    claimed: list[str] = []

    def work() -> None:
        while (found := outbox.claim_due(any_db, START)) is not None:
            claimed.append(found.address)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(f"p{number}@example.org" for number in range(12))


def test_old_mails_are_forgotten_but_none_that_waits(any_db: Database) -> None:
    _write(any_db, "sent@example.org")
    claimed = outbox.claim_due(any_db, START)
    assert claimed is not None
    outbox.note_sent(any_db, claimed.id)
    _write(any_db, "waiting@example.org")
    outbox.forget_old(any_db, START + outbox.KEPT - timedelta(seconds=1))
    outbox.forget_old(any_db, START + outbox.KEPT)
    assert _record(any_db).address == "waiting@example.org"


def test_mails_to_an_address_are_counted_and_withdrawn(any_db: Database) -> None:
    _write(any_db, "a@example.org")
    _write(any_db, "b@example.org")
    with any_db.read() as session:
        assert outbox.written_since(session, "a@example.org", "About something", START - timedelta(seconds=1)) == 1
        assert outbox.written_since(session, "a@example.org", "About something", START) == 0
        assert outbox.written_since(session, "a@example.org", "Another", START - timedelta(seconds=1)) == 0
    with any_db.write() as session:
        outbox.withdraw(session, "a@example.org")
    assert _record(any_db).address == "b@example.org"
