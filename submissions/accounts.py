"""Accounts: registering, checking passwords, organizers, the system user. Called by pages and commands.

Passwords are hashed with argon2id at OWASP's smaller setting (19 MiB), two at a time: eight threads of the
web process hashing at argon2-cffi's default (64 MiB) would need half a gigabyte.
"""

import re
import secrets
import threading
from collections.abc import Mapping

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from submissions.database import Database
from submissions.records import UserRecord

NAME_LENGTHS = (3, 40)
PASSWORD_LENGTHS = (8, 128)
EMAIL_LENGTH = 254
SYSTEM_NAME = "gengap"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})+")

_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_HASHING = threading.BoundedSemaphore(2)
_NOBODY = _HASHER.hash(secrets.token_hex())  # for unknown users: both cost the same


class AccountError(Exception):
    """An account cannot be made as asked. `messages`: one sentence per faulty field (name, email, password)."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        super().__init__(" ".join(messages.values()))
        self.messages = dict(messages)


def register(db: Database, name: str, email: str, password: str) -> int:
    """The id of a new participant. Raises AccountError with a sentence for every faulty field."""
    name, email = name.strip(), email.strip().lower()
    messages = _faults(name, password)
    if len(email) > EMAIL_LENGTH or not _EMAIL.fullmatch(email):
        messages["email"] = "Enter an email address such as ada@example.org."
    return _create(db, name, email, password, "participant", messages)


def create_organizer(db: Database, name: str, password: str) -> int:
    """The id of a new organizer. Raises AccountError where the name is taken or a field is faulty."""
    return _create(db, name.strip(), None, password, "organizer", _faults(name.strip(), password))


def system_user(db: Database) -> int:
    """The id of the user that owns baselines, made at first use. Without a password nobody logs in as it."""
    with db.write() as session:
        known = session.scalar(select(UserRecord).where(UserRecord.name_key == SYSTEM_NAME))
        if known is None:
            known = UserRecord(name=SYSTEM_NAME, name_key=SYSTEM_NAME)
            session.add(known)
            session.flush()
        return known.id


def authenticate(db: Database, name_or_email: str, password: str) -> UserRecord | None:
    """The user with this name or email and password, or None.

    A wrong password, an unknown user and a user without a password cost the same work. A hash made with older
    parameters is renewed.
    """
    key = name_or_email.strip().lower()
    with db.read() as session:
        user = session.scalar(select(UserRecord).where(or_(UserRecord.name_key == key, UserRecord.email == key)))
    known_hash = user.password_hash if user is not None else None
    matches = _verify(known_hash or _NOBODY, password)
    if user is None or known_hash is None or not matches:
        return None
    if _HASHER.check_needs_rehash(known_hash):
        renewed = _hash(password)
        with db.write() as session:
            user = session.get_one(UserRecord, user.id)
            user.password_hash = renewed
    return user


def _faults(name: str, password: str) -> dict[str, str]:
    messages = {}
    if not NAME_LENGTHS[0] <= len(name) <= NAME_LENGTHS[1]:
        messages["name"] = "A name has {} to {} characters.".format(*NAME_LENGTHS)
    elif not _NAME.fullmatch(name):
        messages["name"] = "A name starts with a letter or digit and has only letters, digits and . _ -"
    elif name.lower() == SYSTEM_NAME:
        messages["name"] = "This name is taken."
    if len(password) < PASSWORD_LENGTHS[0]:
        messages["password"] = f"A password has at least {PASSWORD_LENGTHS[0]} characters."
    elif len(password) > PASSWORD_LENGTHS[1]:
        messages["password"] = f"A password has at most {PASSWORD_LENGTHS[1]} characters."
    return messages


def _create(db: Database, name: str, email: str | None, password: str, role: str, messages: dict[str, str]) -> int:
    with db.read() as session:
        messages = _taken(session, name, email) | messages
    if messages:
        raise AccountError(messages)
    user = UserRecord(
        name=name,
        name_key=name.lower(),
        email=email,
        password_hash=_hash(password),
        role=role,
    )
    try:
        with db.write() as session:
            session.add(user)
            session.flush()
            return user.id
    except IntegrityError:  # someone took the name or the address since we looked
        with db.read() as session:
            messages = _taken(session, name, email)
        raise AccountError(messages) from None


def _taken(session: Session, name: str, email: str | None) -> dict[str, str]:
    messages = {}
    if session.scalar(select(UserRecord.id).where(UserRecord.name_key == name.lower())) is not None:
        messages["name"] = "This name is taken."
    if email and session.scalar(select(UserRecord.id).where(UserRecord.email == email)) is not None:
        messages["email"] = "There is an account with this email address already."
    return messages


def _hash(password: str) -> str:
    with _HASHING:
        return _HASHER.hash(password)


def _verify(known_hash: str, password: str) -> bool:
    if len(password) > PASSWORD_LENGTHS[1]:
        password = ""  # no account has it; never hash megabytes
    try:
        with _HASHING:
            return _HASHER.verify(known_hash, password)
    except (VerificationError, InvalidHashError):
        return False
