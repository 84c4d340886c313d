"""Changing an account on both databases: links in mails that work once and end, passwords, names, addresses."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from submissions.leaderboard import standings
from submissions.people import accounts, mailed_links, sessions, teams
from submissions.people.accounts import AccountError
from submissions.storage.database import Database
from submissions.storage.records import MailRecord, PhaseRecord, UserRecord, utc_now
from tests.records import PASSWORD, Records

SECRET = "a secret of the site"
NEW = "another long password"


def _user(records: Records, user_id: int | None = None) -> UserRecord:
    return accounts.account_of(records.db, user_id or records.ann)


def _mails(db: Database) -> list[MailRecord]:
    """Those that are to be sent: a row without a time for that is only there to be counted."""
    with db.read() as session:
        to_send = select(MailRecord).where(MailRecord.next_try_at.is_not(None))
        return list(session.scalars(to_send.order_by(MailRecord.id)))


def _token(db: Database, kind: str) -> str:
    """The token in the newest mail of a kind."""
    found = [match[1] for mail in _mails(db) if (match := re.search(rf"{{site}}/{kind}/(\S+)", mail.text))]
    return found[-1]


def _logs_in(records: Records, password: str) -> bool:
    return accounts.authenticate(records.db, "ann", password) is not None


def _open_sessions(records: Records) -> int:
    with records.db.read() as session:
        return len(sessions.sessions_of(session, records.ann))


def test_registering_mails_a_link_that_verifies_the_address_once(records: Records) -> None:
    db = records.db
    user_id = accounts.register(db, "cem", "Cem@example.org", PASSWORD, secret=SECRET)
    (mail,) = _mails(db)
    assert (mail.address, mail.subject) == ("cem@example.org", mailed_links.VERIFY_SUBJECT)
    assert _user(records, user_id).email_verified_at is None
    token = _token(db, "verify")
    verified = accounts.verify_email(db, SECRET, token)
    assert verified is not None
    assert verified.name == "cem"
    assert _user(records, user_id).email_verified_at is not None
    assert accounts.verify_email(db, SECRET, token) is None


def test_a_refused_registration_mails_nothing(records: Records) -> None:
    with pytest.raises(AccountError):
        accounts.register(records.db, "ann", "new@example.org", PASSWORD, secret=SECRET)
    assert _mails(records.db) == []


@pytest.mark.parametrize(
    "wait", [mailed_links.VERIFY_FOR - timedelta(minutes=1), mailed_links.VERIFY_FOR + timedelta(minutes=1)]
)
def test_a_link_to_verify_ends_after_three_days(records: Records, wait: timedelta) -> None:
    assert accounts.ask_to_verify(records.db, SECRET, records.ann)
    verified = accounts.verify_email(records.db, SECRET, _token(records.db, "verify"), utc_now() + wait)
    assert (verified is not None) == (wait < mailed_links.VERIFY_FOR)


def test_no_other_token_verifies_or_resets(records: Records) -> None:
    db = records.db
    accounts.ask_to_verify(db, SECRET, records.ann)
    accounts.ask_to_reset(db, SECRET, "ann@example.org")
    verify, reset = _token(db, "verify"), _token(db, "reset")
    for token in ("", "x", reset, verify[:-1], verify.swapcase(), verify.split(".")[0], "é", "." * 50):
        assert accounts.verify_email(db, SECRET, token) is None
    for token in ("", "x", verify, reset[:-1]):
        assert accounts.reset_password(db, SECRET, token, NEW) is None
    assert accounts.verify_email(db, "another secret", verify) is None
    assert accounts.reset_user(db, "another secret", reset) is None
    assert _logs_in(records, PASSWORD)


def test_asking_to_verify_again_is_possible_five_times_an_hour_and_needless_once_verified(records: Records) -> None:
    db = records.db
    answers = [accounts.ask_to_verify(db, SECRET, records.ann) for _ in range(6)]
    assert answers == [True] * 5 + [False]
    assert len(_mails(db)) == 5
    assert accounts.verify_email(db, SECRET, _token(db, "verify")) is not None
    assert accounts.ask_to_verify(db, SECRET, records.ann)
    assert len(_mails(db)) == 5


def test_a_new_password_by_mail_works_once_and_ends_every_session(records: Records) -> None:
    db = records.db
    sessions.begin(db, records.ann, "Firefox")
    accounts.ask_to_reset(db, SECRET, " ANN@example.org")
    token = _token(db, "reset")
    asked = accounts.reset_user(db, SECRET, token)
    assert asked is not None
    assert asked.name == "ann"
    with pytest.raises(AccountError) as refused:
        accounts.reset_password(db, SECRET, token, "short")
    assert refused.value.messages.keys() == {"password"}
    assert _open_sessions(records) == 1
    assert accounts.reset_password(db, SECRET, token, NEW) is not None
    assert (_logs_in(records, PASSWORD), _logs_in(records, NEW)) == (False, True)
    assert _open_sessions(records) == 0
    assert accounts.reset_password(db, SECRET, token, PASSWORD) is None
    assert _logs_in(records, NEW)


def test_a_link_for_a_new_password_ends_after_two_hours(records: Records) -> None:
    accounts.ask_to_reset(records.db, SECRET, "ann@example.org")
    token, late = _token(records.db, "reset"), utc_now() + mailed_links.RESET_FOR
    assert accounts.reset_user(records.db, SECRET, token, late) is None
    assert accounts.reset_password(records.db, SECRET, token, NEW, late) is None
    assert accounts.reset_user(records.db, SECRET, token, late - timedelta(minutes=1)) is not None


def test_a_changed_password_makes_an_older_link_useless(records: Records) -> None:
    accounts.ask_to_reset(records.db, SECRET, "ann@example.org")
    accounts.set_password(records.db, records.ann, NEW)
    assert accounts.reset_user(records.db, SECRET, _token(records.db, "reset")) is None


def test_nothing_is_mailed_to_an_address_that_is_nobodys_or_too_often(records: Records) -> None:
    for address in ("nobody@example.org", "", "ann"):
        accounts.ask_to_reset(records.db, SECRET, address)
    assert _mails(records.db) == []
    for _ in range(7):
        accounts.ask_to_reset(records.db, SECRET, "ann@example.org")
    assert len(_mails(records.db)) == 5


def test_changing_the_password_needs_the_current_one_and_ends_all_other_sessions(records: Records) -> None:
    db = records.db
    here = sessions.find(db, records.ann, sessions.begin(db, records.ann, "here"))
    sessions.begin(db, records.ann, "there")
    assert here is not None
    for current, new, faulty in (("wrong", NEW, {"current"}), (PASSWORD, "short", {"password"})):
        with pytest.raises(AccountError) as refused:
            accounts.change_password(db, records.ann, current, new, kept_session_id=here.session_id)
        assert refused.value.messages.keys() == faulty
    assert _open_sessions(records) == 2
    accounts.change_password(db, records.ann, PASSWORD, NEW, kept_session_id=here.session_id)
    assert (_logs_in(records, PASSWORD), _logs_in(records, NEW)) == (False, True)
    assert _open_sessions(records) == 1
    assert _mails(db) == []  # nobody knows whether that address is hers


def test_a_verified_address_is_told_of_a_new_password(records: Records) -> None:
    accounts.ask_to_verify(records.db, SECRET, records.ann)
    accounts.verify_email(records.db, SECRET, _token(records.db, "verify"))
    accounts.set_password(records.db, records.ann, NEW)
    told = _mails(records.db)[-1]
    assert (told.address, told.subject) == ("ann@example.org", "Your password at Gengap has changed")
    assert "{site}/reset\n" in told.text


def test_a_new_address_counts_once_it_is_verified_and_the_old_one_is_told(records: Records) -> None:
    db = records.db
    accounts.ask_to_verify(db, SECRET, records.ann)
    accounts.verify_email(db, SECRET, _token(db, "verify"))
    accounts.change_email(db, SECRET, records.ann, PASSWORD, " New@Example.org ")
    assert _user(records).email == "ann@example.org"
    assert _mails(db)[-1].address == "new@example.org"
    assert accounts.verify_email(db, SECRET, _token(db, "verify")) is not None
    assert _user(records).email == "new@example.org"
    assert accounts.authenticate(db, "new@example.org", PASSWORD) is not None
    assert (_mails(db)[-1].address, "changed" in _mails(db)[-1].subject) == ("ann@example.org", True)


@pytest.mark.parametrize(
    ("password", "email", "faulty"),
    [
        ("wrong", "new@example.org", {"current"}),
        (PASSWORD, "nonsense", {"email"}),
        (PASSWORD, "ANN@example.org", {"email"}),
        ("wrong", "nonsense", {"current", "email"}),
    ],
)
def test_an_address_that_cannot_be_had_is_not_mailed_to(
    records: Records, password: str, email: str, faulty: set[str]
) -> None:
    with pytest.raises(AccountError) as refused:
        accounts.change_email(records.db, SECRET, records.ann, password, email)
    assert refused.value.messages.keys() == faulty
    assert _mails(records.db) == []


def test_an_address_that_somebody_else_took_meanwhile_is_not_given_away(records: Records) -> None:
    accounts.change_email(records.db, SECRET, records.ann, PASSWORD, "new@example.org")
    link = _token(records.db, "verify")
    accounts.register(records.db, "cem", "new@example.org", PASSWORD, secret=SECRET)
    assert accounts.verify_email(records.db, SECRET, _token(records.db, "verify")) is not None
    assert accounts.verify_email(records.db, SECRET, link) is None
    assert _user(records).email == "ann@example.org"


def test_a_new_name_is_checked_and_moves_the_boards_that_show_it_on(records: Records) -> None:
    phase = records.phase()
    records.submission(phase, records.ann, cmi=(0.1, 0.2))
    with records.db.write() as session:
        standings.rebuild(session, phase)
        before = session.get_one(PhaseRecord, phase).board_version
    for name in ("bob", "BOB", "x", "gengap", "a b"):
        with pytest.raises(AccountError) as refused:
            accounts.change_name(records.db, records.ann, name)
        assert refused.value.messages.keys() == {"name"}
    accounts.change_name(records.db, records.ann, "Anna")
    accounts.change_name(records.db, records.ann, "ANNA")
    assert accounts.authenticate(records.db, "anna", PASSWORD) is not None
    assert accounts.authenticate(records.db, "ann", PASSWORD) is None
    with records.db.read() as session:
        assert session.get_one(PhaseRecord, phase).board_version == before + 2


def test_nobody_takes_the_name_of_a_team(records: Records) -> None:
    phase = records.phase()
    with records.db.read() as session:
        competition = session.get_one(PhaseRecord, phase).competition_id
    teams.create_team(records.db, competition, records.bob, "The-Gaps")
    with pytest.raises(AccountError, match="taken"):
        accounts.register(records.db, "the-gaps", "new@example.org", PASSWORD)
    with pytest.raises(AccountError, match="taken"):
        accounts.change_name(records.db, records.ann, "THE-GAPS")


def test_people_are_found_by_name_in_any_case_and_the_system_is_nobody(records: Records) -> None:
    found = accounts.find_user(records.db, " ANN ")
    assert found is not None
    assert found.id == records.ann
    assert accounts.find_user(records.db, "gengap") is None
    assert accounts.find_user(records.db, "nobody") is None
