"""Accounts on both databases: what is refused, who gets in, who never does."""

from unicodedata import normalize

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from submissions.people.accounts import AccountError, authenticate, create_organizer, register, system_user
from submissions.storage.database import Database
from submissions.storage.records import UserRecord

PASSWORD = "correct horse battery"


def _user(db: Database, user_id: int) -> UserRecord:
    with db.read() as session:
        return session.get_one(UserRecord, user_id)


def test_a_registered_person_gets_in_by_name_and_by_email_in_any_case(any_db: Database) -> None:
    user_id = register(any_db, " Ada.L ", "Ada@Example.org", PASSWORD)
    for login in ("Ada.L", "ada.l", "ADA.L", "ada@example.org", "ADA@example.ORG "):
        user = authenticate(any_db, login, PASSWORD)
        assert user is not None
        assert (user.id, user.name, user.role) == (user_id, "Ada.L", "participant")


def test_a_wrong_password_and_an_unknown_name_do_not_get_in(any_db: Database) -> None:
    register(any_db, "ada", "ada@example.org", PASSWORD)
    for name, password in (("ada", "wrong"), ("ada", ""), ("ada", PASSWORD * 100), ("bob", PASSWORD), ("", "")):
        assert authenticate(any_db, name, password) is None


@pytest.mark.parametrize(
    ("name", "email", "password", "faulty"),
    [
        ("a", "a@b.org", PASSWORD, {"name"}),
        ("a" * 41, "a@b.org", PASSWORD, {"name"}),
        ("a b", "a@b.org", PASSWORD, {"name"}),
        ("-abc", "a@b.org", PASSWORD, {"name"}),
        ("ada\u200d", "a@b.org", PASSWORD, {"name"}),
        ("a\u3164b", "a@b.org", PASSWORD, {"name"}),
        ("a＠b", "a@b.org", PASSWORD, {"name"}),
        ("a" + "\u0300" * 6, "a@b.org", PASSWORD, {"name"}),
        ("ß" * 21, "a@b.org", PASSWORD, {"name"}),
        ("Gengap", "a@b.org", PASSWORD, {"name"}),
        ("Gеngаp", "a@b.org", PASSWORD, {"name"}),
        ("deleted-account.3", "a@b.org", PASSWORD, {"name"}),
        ("Squared_norm", "a@b.org", PASSWORD, {"name"}),
        ("ada", "a@b", PASSWORD, {"email"}),
        ("ada", "a b@c.org", PASSWORD, {"email"}),
        ("ada", "a@b.org\nBcc: c@d.org", PASSWORD, {"email"}),
        ("ada", f"{'a' * 64}@{'b.' * 100}org", PASSWORD, {"email"}),
        ("ada", "a@b.org", "1234567", {"password"}),
        ("ada", "a@b.org", "1" * 129, {"password"}),
        ("", "", "", {"name", "email", "password"}),
    ],
)
def test_every_faulty_field_gets_its_sentence_and_nothing_is_stored(
    tmp_db: Database, name: str, email: str, password: str, faulty: set[str]
) -> None:
    with pytest.raises(AccountError) as refused:
        register(tmp_db, name, email, password)
    assert refused.value.messages.keys() == faulty
    assert all(message.endswith((".", "_ -")) for message in refused.value.messages.values())
    assert authenticate(tmp_db, name, password) is None


def test_names_are_taken_once_whatever_their_case(any_db: Database) -> None:
    register(any_db, "Ada", "ada@example.org", PASSWORD)
    with pytest.raises(AccountError) as refused:
        register(any_db, "aDA", "bea@example.org", PASSWORD)
    assert refused.value.messages.keys() == {"name"}


@pytest.mark.parametrize("name", ["Zoë", "山田", "Łukasz", "Ольга", "عمر", "हिन्दी", "Ｚｏｅ", "Nguyễn"])
def test_a_name_may_be_of_any_script_and_is_typed_in_any_form(any_db: Database, name: str) -> None:
    register(any_db, name, "zoe@example.org", PASSWORD)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        user = authenticate(any_db, normalize(form, name).upper(), PASSWORD)
        assert user is not None
        assert user.name == normalize("NFKC", name)


def test_an_organizer_needs_no_email(any_db: Database) -> None:
    create_organizer(any_db, "olga", PASSWORD)
    create_organizer(any_db, "otto", PASSWORD)
    user = authenticate(any_db, "olga", PASSWORD)
    assert user is not None
    assert (user.role, user.email) == ("organizer", None)
    with pytest.raises(AccountError, match="taken"):
        create_organizer(any_db, "Olga", PASSWORD)


def test_nobody_logs_in_as_the_system_user(any_db: Database) -> None:
    user_id = system_user(any_db)
    assert system_user(any_db) == user_id
    assert _user(any_db, user_id).name == "gengap"
    for password in ("", "None", PASSWORD):
        assert authenticate(any_db, "gengap", password) is None


@pytest.mark.usefixtures("production_hasher")
def test_passwords_are_kept_as_argon2id_and_an_older_hash_is_renewed(tmp_db: Database) -> None:
    user_id = register(tmp_db, "ada", "ada@example.org", PASSWORD)
    assert (_user(tmp_db, user_id).password_hash or "").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    older = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    with tmp_db.write() as session:
        session.get_one(UserRecord, user_id).password_hash = older
    assert authenticate(tmp_db, "ada", "wrong") is None
    assert _user(tmp_db, user_id).password_hash == older
    assert authenticate(tmp_db, "ada", PASSWORD) is not None
    assert (_user(tmp_db, user_id).password_hash or "").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert authenticate(tmp_db, "ada", PASSWORD) is not None


@given(st.text(), st.text(), st.text(max_size=7))
def test_whatever_is_typed_a_short_password_is_refused_with_sentences(
    shared_db: Database, name: str, email: str, password: str
) -> None:
    with pytest.raises(AccountError) as refused:
        register(shared_db, name, email, password)
    assert "password" in refused.value.messages
