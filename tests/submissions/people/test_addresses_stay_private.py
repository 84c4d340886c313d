"""Nobody learns which addresses have an account: the same answers after the same work, and mails to their owners."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, event, select

from submissions.people import accounts, passwords
from submissions.storage.database import Database
from submissions.storage.records import MailRecord, UserRecord, utc_now
from tests.records import PASSWORD, Records

pytestmark = pytest.mark.both_databases

SECRET = "a secret of the site"
KNOWN, UNKNOWN = "ann@example.org", "nobody@example.org"


@pytest.fixture
def verified(records: Records) -> Records:
    """ann has verified her address."""
    with records.db.write() as session:
        session.get_one(UserRecord, records.ann).email_verified_at = utc_now()
    return records


@contextmanager
def _work(db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count the statements sent to the database, and the passwords hashed or compared."""
    done: Counter[str] = Counter()

    def count(_c: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        done[statement] += 1

    class Counting:
        def __init__(self, hasher: object) -> None:
            self._hasher = hasher

        def __getattr__(self, name: str) -> object:
            done[f"password {name}"] += 1
            return getattr(self._hasher, name)

    event.listen(db.engine, "before_cursor_execute", count)
    with monkeypatch.context() as patch:
        patch.setattr(passwords, "_HASHER", Counting(passwords._HASHER))
        yield done
    event.remove(db.engine, "before_cursor_execute", count)


def _mails(db: Database) -> list[MailRecord]:
    with db.read() as session:
        return list(session.scalars(select(MailRecord).order_by(MailRecord.id)))


def _register(db: Database, address: str) -> bool:
    return accounts.register(db, f"cem{address[0]}", address, PASSWORD, secret=SECRET) > 0


def _change_email(db: Database, address: str) -> None:
    bob = accounts.find_user(db, "bob")
    assert bob is not None
    accounts.change_email(db, SECRET, bob.id, PASSWORD, address)


def _ask_to_reset(db: Database, address: str) -> None:
    accounts.ask_to_reset(db, SECRET, address)


def _log_in(db: Database, address: str) -> object:
    return accounts.authenticate(db, address, "wrong password")


@pytest.mark.parametrize("ask", [_register, _change_email, _ask_to_reset, _log_in])
def test_a_known_address_gets_the_same_answer_after_the_same_work(
    verified: Records, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Database, str], object]
) -> None:
    answers, works = [], []
    for address in (KNOWN, UNKNOWN):
        with _work(verified.db, monkeypatch) as work:
            answers.append(ask(verified.db, address))
        works.append(work)
    assert answers[0] == answers[1]
    assert works[0] == works[1]
    assert works[0]


def test_who_has_the_address_already_is_told_by_mail_and_keeps_it(verified: Records) -> None:
    _register(verified.db, KNOWN)
    (mail,) = _mails(verified.db)
    assert mail.address == KNOWN
    assert "/verify/" not in mail.text
    assert "It is the address of your account ann" in mail.text
    user = accounts.authenticate(verified.db, KNOWN, PASSWORD)
    assert user is not None
    assert user.name == "ann"


def test_of_two_who_give_an_address_the_one_who_reads_its_mails_has_it(records: Records) -> None:
    for name in ("mallory", "cem"):
        accounts.register(records.db, name, "cem@example.org", PASSWORD, secret=SECRET)
    links = [mail.text.partition("/verify/")[2].split()[0] for mail in _mails(records.db)]
    verified = accounts.verify_email(records.db, SECRET, links[1])
    assert verified is not None
    assert verified.name == "cem"
    assert accounts.verify_email(records.db, SECRET, links[0]) is None
    user = accounts.authenticate(records.db, "cem@example.org", PASSWORD)
    assert user is not None
    assert user.name == "cem"


def test_nothing_is_sent_to_an_address_without_an_account_however_often_it_is_asked(records: Records) -> None:
    for _ in range(7):
        _ask_to_reset(records.db, UNKNOWN)
        _ask_to_reset(records.db, KNOWN)
    counted = Counter((mail.address, mail.next_try_at is None) for mail in _mails(records.db))
    assert counted == {(UNKNOWN, True): 5, (KNOWN, False): 5}
