"""API tokens: told once, told apart, bounded by scopes, and refused as soon as they should be."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from submissions.people.accounts import create_organizer, register
from submissions.people.tokens import (
    MOST_TOKENS,
    PREFIX,
    SCOPES,
    Scope,
    TokenError,
    authenticate_token,
    create_token,
    revoke_token,
    tokens_of,
)
from submissions.storage.database import Database
from submissions.storage.records import ApiTokenRecord, UserRecord, utc_now
from tests.records import PASSWORD


@pytest.fixture
def ann(any_db: Database) -> int:
    return register(any_db, "ann", "ann@example.org", PASSWORD)


def _last_used(db: Database, token_id: int) -> datetime | None:
    with db.read() as session:
        return session.scalar(select(ApiTokenRecord.last_used_at).where(ApiTokenRecord.id == token_id))


def test_a_token_stands_for_its_account_within_its_scopes(any_db: Database, ann: int) -> None:
    record, text = create_token(any_db, ann, "  laptop ", ["submit", "read"])
    holder = authenticate_token(any_db, text)
    assert holder is not None
    assert (holder.user.id, holder.user.name, holder.token.id) == (ann, "ann", record.id)
    assert holder.scopes == {Scope.READ, Scope.SUBMIT}
    assert (record.name, record.scopes) == ("laptop", ["read", "submit"])


def test_the_plain_text_is_kept_nowhere(any_db: Database, ann: int) -> None:
    record, text = create_token(any_db, ann, "laptop", ["read"])
    assert text.startswith(PREFIX)
    assert len(text) > 45
    kept = [str(value) for value in vars(record).values()]
    assert not any(text[len(record.hint) :] in value for value in kept)
    assert text.startswith(record.hint)
    assert len(record.hint) < 12


def test_no_two_tokens_are_alike(any_db: Database, ann: int) -> None:
    made = [create_token(any_db, ann, "laptop", ["read"]) for _ in range(3)]
    assert len({text for _, text in made}) == 3
    assert [record.id for record in tokens_of(any_db, ann)] == [record.id for record, _ in reversed(made)]


@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: text + "A", lambda text: text.swapcase()])
def test_nearly_the_token_is_no_token(any_db: Database, ann: int, change: Callable[[str], str]) -> None:
    _, text = create_token(any_db, ann, "laptop", ["read"])
    assert authenticate_token(any_db, change(text)) is None


@pytest.mark.parametrize("text", ["", PREFIX, "gengap_" + "A" * 43, "gengap_" + "A" * 10_000, "gengap_ü\x00"])
def test_nonsense_is_no_token(any_db: Database, ann: int, text: str) -> None:
    create_token(any_db, ann, "laptop", ["read"])
    assert authenticate_token(any_db, text) is None


def test_an_expired_token_is_refused_from_that_moment_on(any_db: Database, ann: int) -> None:
    expiry = utc_now() + timedelta(days=1)
    _, text = create_token(any_db, ann, "laptop", ["read"], expiry)
    assert authenticate_token(any_db, text, now=expiry - timedelta(seconds=1)) is not None
    assert authenticate_token(any_db, text, now=expiry) is None


def test_a_revoked_token_is_refused_and_only_its_account_revokes_it(any_db: Database, ann: int) -> None:
    bob = register(any_db, "bob", "bob@example.org", PASSWORD)
    record, text = create_token(any_db, ann, "laptop", ["read"])
    assert not revoke_token(any_db, bob, record.id)
    assert authenticate_token(any_db, text) is not None
    assert revoke_token(any_db, ann, record.id)
    assert authenticate_token(any_db, text) is None
    assert not revoke_token(any_db, ann, record.id)
    assert tokens_of(any_db, ann) == []


def test_a_deleted_accounts_token_is_refused(any_db: Database, ann: int) -> None:
    _, text = create_token(any_db, ann, "laptop", ["read"])
    with any_db.write() as session:
        session.get_one(UserRecord, ann).deleted_at = utc_now()
    assert authenticate_token(any_db, text) is None


def test_its_use_is_noted_at_most_once_a_minute(any_db: Database, ann: int) -> None:
    record, text = create_token(any_db, ann, "laptop", ["read"])
    assert record.last_used_at is None
    start = utc_now()
    noted = []
    for seconds in (0, 59, 60, 61):
        authenticate_token(any_db, text, now=start + timedelta(seconds=seconds))
        noted.append(_last_used(any_db, record.id))
    minute = start + timedelta(seconds=60)
    assert noted == [start, start, minute, minute]


def test_a_faulty_token_is_refused_with_a_sentence_per_field(any_db: Database, ann: int) -> None:
    with pytest.raises(TokenError) as refused:
        create_token(any_db, ann, " ", ["read", "fly"], utc_now() - timedelta(days=1))
    assert refused.value.messages.keys() == {"name", "scopes", "expires_at"}
    with pytest.raises(TokenError) as refused:
        create_token(any_db, ann, "laptop", [])
    assert refused.value.messages.keys() == {"scopes"}
    assert tokens_of(any_db, ann) == []


def test_only_organizers_have_tokens_to_organize_with(any_db: Database, ann: int) -> None:
    with pytest.raises(TokenError, match="Only organizers"):
        create_token(any_db, ann, "laptop", ["organize"])
    olga = create_organizer(any_db, "olga", PASSWORD)
    _, text = create_token(any_db, olga, "laptop", ["organize"])
    holder = authenticate_token(any_db, text)
    assert holder is not None
    assert holder.scopes == {Scope.ORGANIZE}


def test_an_account_has_a_bounded_number_of_tokens(tmp_db: Database) -> None:
    ann = register(tmp_db, "ann", "ann@example.org", PASSWORD)
    made = [create_token(tmp_db, ann, f"script {number}", ["read"])[0] for number in range(MOST_TOKENS)]
    with pytest.raises(TokenError, match="Revoke one first"):
        create_token(tmp_db, ann, "one more", ["read"])
    revoke_token(tmp_db, ann, made[0].id)
    create_token(tmp_db, ann, "one more", ["read"])


def test_every_scope_says_in_a_sentence_what_it_allows() -> None:
    assert list(SCOPES) == list(Scope)
    assert all(sentence.endswith(".") for sentence in SCOPES.values())
