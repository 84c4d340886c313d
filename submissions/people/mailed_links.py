"""Links in mails that verify an address or allow a new password: signed, expiring, and usable once.

They are not stored. A link contains the account's id, its expiry and a fingerprint of the account when the link was
made; using the link changes the fingerprint, so it works once. Called by `submissions.people.accounts` and the command
line.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy.orm import Session

from submissions.messages.outbox import SITE, write_mail, written_since
from submissions.storage.records import UserRecord, utc_now

VERIFY_FOR = timedelta(days=3)
RESET_FOR = timedelta(hours=2)
MOST_AN_HOUR = 5  # mails of one kind to one address: nobody fills another's mailbox from our forms

VERIFY_SUBJECT = "Your email address at Gengap"
RESET_SUBJECT = "A new password at Gengap"

_Purpose = Literal["verify", "reset"]


@dataclass(frozen=True)
class Link:
    """The content of a valid link. address: the one to verify; empty in a link for a new password."""

    user: UserRecord
    address: str


def write_verification(session: Session, secret: str, user: UserRecord, address: str) -> bool:
    """Mail a link that sets this address as the account's.

    Returns
    -------
    bool
        False if too many of these mails were sent recently.
    """
    text = (
        f"Hello {user.name},\n\n"
        "please confirm that this is your email address:\n\n"
        f"{SITE}/verify/{_token(secret, 'verify', user, address, utc_now() + VERIFY_FOR)}\n\n"
        "The link works once, for three days. If you have no account at Gengap, somebody mistyped their address: "
        "you need not do anything.\n"
    )
    return _write(session, address, VERIFY_SUBJECT, text)


def write_reset(session: Session, secret: str, user: UserRecord) -> bool:
    """Mail a link for a new password to the account's address.

    Returns
    -------
    bool
        False if too many of these mails were sent recently.
    """
    assert user.email is not None
    text = (
        f"Hello {user.name},\n\n"
        "somebody, probably you, asked for a new password for your account. Choose it here:\n\n"
        f"{SITE}{reset_path(secret, user)}\n\n"
        "The link works once, for two hours. If it was not you, you need not do anything: your password stays.\n"
    )
    return _write(session, user.email, RESET_SUBJECT, text)


def reset_path(secret: str, user: UserRecord) -> str:
    """Return the path of the page for choosing a new password; whoever has it can change this account's password."""
    return f"/reset/{_token(secret, 'reset', user, '', utc_now() + RESET_FOR)}"


def read_link(session: Session, secret: str, purpose: _Purpose, token: str, now: datetime | None = None) -> Link | None:
    """Read a link.

    Parameters
    ----------
    secret, token : str
        the key that signed the link, and the link's signed text.
    purpose : _Purpose
        a link for another purpose is not valid.

    Returns
    -------
    Link or None
        None if the link is not ours, has expired or was used.
    """
    try:
        user_id, address, ends, fingerprint = _serializer(secret, purpose).loads(token)
    except (BadData, ValueError, TypeError):
        return None
    user = session.get(UserRecord, user_id)
    if user is None or user.deleted_at is not None or fingerprint != _fingerprint(user):
        return None
    return Link(user, address) if datetime.fromtimestamp(ends, UTC) > (now or utc_now()) else None


def _write(session: Session, address: str, subject: str, text: str) -> bool:
    if written_since(session, address, subject, utc_now() - timedelta(hours=1)) >= MOST_AN_HOUR:
        return False
    write_mail(session, address, subject, text)
    return True


def _token(secret: str, purpose: _Purpose, user: UserRecord, address: str, ends: datetime) -> str:
    token = _serializer(secret, purpose).dumps([user.id, address, int(ends.timestamp()), _fingerprint(user)])
    return token if isinstance(token, str) else token.decode()


def _serializer(secret: str, purpose: _Purpose) -> URLSafeSerializer:
    return URLSafeSerializer(secret, salt=f"gengap {purpose}", signer_kwargs={"digest_method": hashlib.sha256})


def _fingerprint(user: UserRecord) -> str:
    """Return a digest of what using a link changes: the password, the address, and when it was verified."""
    state = repr((user.password_hash, user.email, user.email_verified_at))
    return hashlib.sha256(state.encode()).hexdigest()[:16]
