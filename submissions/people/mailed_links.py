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
from sqlalchemy import select
from sqlalchemy.orm import Session

from submissions.messages.outbox import SITE, write_mail, write_nothing, written_since
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
    """Mail a link that sets this address as the account's; or, if it is another account's, say so there instead.

    Returns
    -------
    bool
        False if too many of these mails were sent recently.
    """
    link = _token(secret, "verify", user, address, utc_now() + VERIFY_FOR)
    if owner := _owner(session, address, user.id):
        return _write(session, address, VERIFY_SUBJECT, _already_yours(owner, user))
    text = (
        f"Hello {user.name},\n\n"
        "please confirm that this is your email address:\n\n"
        f"{SITE}/verify/{link}\n\n"
        "The link works once, for three days. If you have no account at Gengap, somebody mistyped their address: "
        "you need not do anything.\n"
    )
    return _write(session, address, VERIFY_SUBJECT, text)


def is_of_another(session: Session, address: str, user_id: int) -> bool:
    """Check whether this address is the verified one of another account than `user_id`."""
    return _owner(session, address, user_id) is not None


def write_reset(session: Session, secret: str, user: UserRecord | None, address: str) -> None:
    """Mail a link for a new password to this address of an account, unless too many were sent recently.

    Where no account has the address (`user` is None), as much is done, and the row of the outbox is never sent.
    """
    if _is_too_often(session, address, RESET_SUBJECT):
        return
    if user is None or user.password_hash is None:
        write_nothing(session, address, RESET_SUBJECT)
        return
    text = (
        f"Hello {user.name},\n\n"
        "somebody, probably you, asked for a new password for your account. Choose it here:\n\n"
        f"{SITE}{reset_path(secret, user)}\n\n"
        "The link works once, for two hours. If it was not you, you need not do anything: your password stays.\n"
    )
    write_mail(session, address, RESET_SUBJECT, text)


def reset_path(secret: str, user: UserRecord) -> str:
    """Return the path of the page for choosing a new password; whoever has it can change this account's password."""
    return f"/reset/{_token(secret, 'reset', user, '', utc_now() + RESET_FOR)}"


def read_link(session: Session, secret: str, purpose: _Purpose, token: str, now: datetime | None = None) -> Link | None:
    """Read a link.

    Parameters
    ----------
    secret, token : str
        The key that signed the link, and the link's signed text.
    purpose : _Purpose
        A link for another purpose is not valid.

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
    if _is_too_often(session, address, subject):
        return False
    write_mail(session, address, subject, text)
    return True


def _is_too_often(session: Session, address: str, subject: str) -> bool:
    return written_since(session, address, subject, utc_now() - timedelta(hours=1)) >= MOST_AN_HOUR


def _owner(session: Session, address: str, user_id: int) -> str | None:
    """Return the name of another account whose verified address this is, if any."""
    is_theirs = (UserRecord.email == address, UserRecord.email_verified_at.is_not(None), UserRecord.id != user_id)
    return session.scalar(select(UserRecord.name).where(*is_theirs))


def _already_yours(owner: str, user: UserRecord) -> str:
    return (
        f"Hello {owner},\n\n"
        f"somebody, probably you, gave this email address for the account {user.name}. It is the address of your "
        f"account {owner} and cannot be that of another one. Log in as {owner}; if you have forgotten the password, "
        f"choose a new one:\n\n{SITE}/reset\n\n"
        "If it was not you, you need not do anything.\n"
    )


def _token(secret: str, purpose: _Purpose, user: UserRecord, address: str, ends: datetime) -> str:
    token = _serializer(secret, purpose).dumps([user.id, address, int(ends.timestamp()), _fingerprint(user)])
    return token if isinstance(token, str) else token.decode()


def _serializer(secret: str, purpose: _Purpose) -> URLSafeSerializer:
    return URLSafeSerializer(secret, salt=f"gengap {purpose}", signer_kwargs={"digest_method": hashlib.sha256})


def _fingerprint(user: UserRecord) -> str:
    """Return a digest of what using a link changes: the password, the address, and when it was verified."""
    state = repr((user.password_hash, user.email, user.email_verified_at))
    return hashlib.sha256(state.encode()).hexdigest()[:16]
