"""API tokens: keys with which scripts act for an account, limited to scopes. Called by the API and the account's pages.

A token is 256 random bits, so a fast digest is enough to protect it. The plain text is returned once and not stored.
"""

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, or_, select, update

from submissions.storage.database import Database
from submissions.storage.field_error import FieldError
from submissions.storage.queries import count, rows_changed
from submissions.storage.records import ApiTokenRecord, UserRecord, utc_now
from submissions.storage.roles import PERMISSIONS

PREFIX = "gengap_"  # so that people, and scanners of published code, recognise one
NAME_LENGTH = 80
MOST_TOKENS = 50
USE_NOTED_EVERY = timedelta(minutes=1)
_HINT_LENGTH = len(PREFIX) + 4
_TEXT_LENGTH = 100


class Scope(StrEnum):
    """The purposes that a token may be used for."""

    READ = "read"
    SUBMIT = "submit"
    ACCOUNT = "account"
    ORGANIZE = "organize"


SCOPES: Mapping[Scope, str] = {
    Scope.READ: "See what you see when you are logged in: your submissions, your team, your account.",
    Scope.SUBMIT: "Submit measures, cancel and choose your submissions.",
    Scope.ACCOUNT: "Change and delete your account, its teams and its tokens.",
    Scope.ORGANIZE: "Do what organizers can do; only organizers can have such tokens.",
}


class TokenError(FieldError):
    """A token cannot be created as requested; fields: name, scopes, expires_at."""


@dataclass(frozen=True)
class TokenHolder:
    """The account that a token stands for, and the token's scopes."""

    user: UserRecord
    token: ApiTokenRecord
    scopes: frozenset[Scope]


def create_token(
    db: Database, user_id: int, name: str, scopes: Collection[str], expires_at: datetime | None = None
) -> tuple[ApiTokenRecord, str]:
    """Create a token for this account.

    Parameters
    ----------
    expires_at : datetime or None, optional
        When it expires; None for never.

    Returns
    -------
    tuple[ApiTokenRecord, str]
        The record, and the plain text, which cannot be read again.

    Raises
    ------
    TokenError
        With a sentence for every faulty field.
    """
    name = name.strip()
    messages = _faults(name, scopes, expires_at)
    with db.write() as session:
        user = session.get_one(UserRecord, user_id)
        if Scope.ORGANIZE in scopes and not PERMISSIONS[user.role]:
            messages["scopes"] = "Only organizers can have tokens with the scope organize."
        if count(session, ApiTokenRecord, ApiTokenRecord.user_id == user_id) >= MOST_TOKENS:
            messages["name"] = f"You have {MOST_TOKENS} tokens, which is the maximum. Revoke one first."
        if messages:
            raise TokenError(messages)
        text = PREFIX + secrets.token_urlsafe(32)
        record = ApiTokenRecord(
            user_id=user_id,
            name=name,
            token_sha256=_digest(text),
            hint=text[:_HINT_LENGTH],
            scopes=[scope.value for scope in Scope if scope in scopes],
            expires_at=expires_at,
        )
        session.add(record)
    return record, text


def tokens_of(db: Database, user_id: int) -> list[ApiTokenRecord]:
    """Return the account's tokens, the newest first, including expired ones."""
    with db.read() as session:
        query = select(ApiTokenRecord).where(ApiTokenRecord.user_id == user_id).order_by(ApiTokenRecord.id.desc())
        return list(session.scalars(query))


def revoke_token(db: Database, user_id: int, token_id: int) -> bool:
    """Delete a token of this account.

    Returns
    -------
    bool
        False if the account has no such token.
    """
    with db.write() as session:
        found = delete(ApiTokenRecord).where(ApiTokenRecord.id == token_id, ApiTokenRecord.user_id == user_id)
        return rows_changed(session, found) == 1


def authenticate_token(db: Database, text: str, *, now: datetime | None = None) -> TokenHolder | None:
    """Find the account that a token stands for.

    The time of its last use is updated at most once a minute, so that a script's reads do not cause a write each.

    Parameters
    ----------
    text : str
        The plain text of the token.

    Returns
    -------
    TokenHolder or None
        None if the token is unknown or expired, or its account was deleted.
    """
    if not text.startswith(PREFIX) or len(text) > _TEXT_LENGTH:
        return None
    now = now or utc_now()
    with db.read() as session:
        query = select(ApiTokenRecord, UserRecord).join(UserRecord, UserRecord.id == ApiTokenRecord.user_id)
        found = session.execute(query.where(ApiTokenRecord.token_sha256 == _digest(text))).one_or_none()
    if found is None:
        return None
    token, user = found
    if user.deleted_at is not None or (token.expires_at is not None and token.expires_at <= now):
        return None
    if token.last_used_at is None or token.last_used_at <= now - USE_NOTED_EVERY:
        unnoted = or_(ApiTokenRecord.last_used_at.is_(None), ApiTokenRecord.last_used_at <= now - USE_NOTED_EVERY)
        with db.write() as session:
            session.execute(
                update(ApiTokenRecord).where(ApiTokenRecord.id == token.id, unnoted).values(last_used_at=now)
            )
    return TokenHolder(user, token, frozenset(Scope(scope) for scope in token.scopes))


def _faults(name: str, scopes: Collection[str], expires_at: datetime | None) -> dict[str, str]:
    messages = {}
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        messages["name"] = f"Give the token a name of at most {NAME_LENGTH} characters, such as where it is used."
    if not scopes or not set(Scope).issuperset(scopes):
        messages["scopes"] = f"Choose among the scopes {', '.join(Scope)}."
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= utc_now()):
        messages["expires_at"] = "The expiry must be in the future and have a time zone."
    return messages


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
