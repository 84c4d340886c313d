"""Accounts: registration, password checks, changes of an account, organizers, the system user.

Called by pages, the API and commands. Changes that are confirmed by mail use the links of
`submissions.people.mailed_links`; a new address takes effect once it is verified.
"""

import re
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from submissions.leaderboard.shown_names import SYSTEM_NAME, hold_names, is_taken
from submissions.messages.outbox import SITE, write_mail
from submissions.people import mailed_links
from submissions.people.passwords import hash_password, is_outdated, password_faults, verify_password
from submissions.people.sessions import end_others
from submissions.storage import board_version
from submissions.storage.database import Database
from submissions.storage.field_error import FieldError
from submissions.storage.name_keys import NAME_LENGTHS, is_name, name_key, plain_name, skeleton
from submissions.storage.records import UserRecord, utc_now
from submissions.storage.roles import Role

EMAIL_LENGTH = 254

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})+")

_NAME_TAKEN = "This name is taken, or looks like one that is."
_PASSWORD_CHANGED = (
    "the password of your account has changed, and its other sessions have ended. If that was not you, "
    f"choose a new one at once:\n\n{SITE}/reset\n"
)
_ADDRESS_CHANGED = (
    "your account has another email address now, and this one gets no more mails. If that was "
    "not you, write to the organizers.\n"
)


class AccountError(FieldError):
    """An account cannot be created or changed as requested; fields: name, email, password, current."""


def register(db: Database, name: str, email: str, password: str, *, secret: str | None = None) -> int:
    """Create an account for a participant.

    Whether the address belongs to another account is said in the mail to it alone, so that nobody else learns it. The
    address is the new account's once it is verified.

    Parameters
    ----------
    secret : str or None, optional
        Key that signs the link mailed to verify the address; without it no mail is written.

    Returns
    -------
    int
        The id of the new account.

    Raises
    ------
    AccountError
        With a sentence for every faulty field.
    """
    return _create(db, plain_name(name), email.strip().lower(), password, Role.PARTICIPANT, secret)


def create_account(db: Database, name: str, password: str, role: Role) -> int:
    """Create an account with this role, without an email address.

    Returns
    -------
    int
        The id of the new account.

    Raises
    ------
    AccountError
        If the name is taken or a field is faulty.
    """
    return _create(db, plain_name(name), None, password, role)


def create_organizer(db: Database, name: str, password: str) -> int:
    """Create an account with the role of an organizer. See `create_account`."""
    return create_account(db, name, password, Role.ORGANIZER)


def system_user(db: Database) -> int:
    """Return the id of the user that owns baselines; it is created at first use and has no password."""
    with db.write() as session:
        known = session.scalar(select(UserRecord).where(UserRecord.name_key == SYSTEM_NAME))
        if known is None:
            known = UserRecord(name=SYSTEM_NAME, name_key=SYSTEM_NAME, skeleton=skeleton(SYSTEM_NAME))
            session.add(known)
            session.flush()
        return known.id


def authenticate(db: Database, name_or_email: str, password: str) -> UserRecord | None:
    """Find the user with this name or email address and this password.

    A wrong password, an unknown user and a user without a password take the same time, so that a caller cannot learn
    which accounts exist. A hash made with older parameters is replaced.

    Returns
    -------
    UserRecord or None
        None if there is no such user or the password is wrong.
    """
    with db.read() as session:
        if "@" in name_or_email:
            user = _with_email(session, name_or_email)
        else:
            user = session.scalar(select(UserRecord).where(UserRecord.name_key == name_key(name_or_email)))
    known_hash = user.password_hash if user is not None else None
    matches = verify_password(known_hash, password)
    if user is None or known_hash is None or not matches:
        return None
    if is_outdated(known_hash):
        renewed = hash_password(password)
        with db.write() as session:
            user = session.get_one(UserRecord, user.id)
            user.password_hash = renewed
    return user


def find_user(db: Database, name: str) -> UserRecord | None:
    """Find the account with this name, ignoring case. The system user is not found."""
    with db.read() as session:
        query = select(UserRecord).where(UserRecord.name_key == name_key(name), UserRecord.deleted_at.is_(None))
        return session.scalar(query.where(UserRecord.name_key != SYSTEM_NAME))


def account_of(db: Database, user_id: int) -> UserRecord:
    """Return the account with this id, which must exist."""
    with db.read() as session:
        return session.get_one(UserRecord, user_id)


def change_name(db: Database, user_id: int, name: str) -> str:
    """Change the name of an account, on leaderboards as well.

    Returns
    -------
    str
        The name as it is stored (see `submissions.storage.name_keys.plain_name`).

    Raises
    ------
    AccountError
        If the name is invalid or taken.
    """
    name = plain_name(name)
    if messages := _name_faults(name):
        raise AccountError(messages)
    with db.write() as session:
        user = session.get_one(UserRecord, user_id, with_for_update=True)
        hold_names(session)
        if is_taken(session, name, user_id):
            raise AccountError({"name": _NAME_TAKEN})
        user.name, user.name_key, user.skeleton = name, name_key(name), skeleton(name)
        board_version.name_changed(session, [f"u{user_id}"])
    return name


def change_password(db: Database, user_id: int, current: str, new: str, *, kept_session_id: int | None) -> None:
    """Change the password of an account and end its other sessions.

    Parameters
    ----------
    current : str
        The current password.
    kept_session_id : int or None
        The session that stays; None ends all.

    Raises
    ------
    AccountError
        If the current password is wrong (current) or the new one invalid (password).
    """
    if messages := password_faults(new) | _wrong_password(db, user_id, current):
        raise AccountError(messages)
    set_password(db, user_id, new, kept_session_id=kept_session_id)


def set_password(db: Database, user_id: int, password: str, *, kept_session_id: int | None = None) -> None:
    """Set the password of an account, end its sessions but one, and inform the owner by mail.

    Parameters
    ----------
    kept_session_id : int or None, optional
        The session that stays; None ends all.

    Raises
    ------
    AccountError
        If the password is invalid.
    """
    if messages := password_faults(password):
        raise AccountError(messages)
    new_hash = hash_password(password)
    with db.write() as session:
        _set_password(session, session.get_one(UserRecord, user_id, with_for_update=True), new_hash, kept_session_id)


def set_wants_mail(db: Database, user_id: int, wants_mail: bool) -> None:
    """Set whether this person gets mails when their submissions end."""
    with db.write() as session:
        session.get_one(UserRecord, user_id).wants_mail = wants_mail


def ask_to_verify(db: Database, secret: str, user_id: int) -> bool:
    """Mail the link that verifies the account's address again.

    Parameters
    ----------
    secret : str
        Key that signs the link.

    Returns
    -------
    bool
        False if too many of these mails were sent recently.
    """
    with db.write() as session:
        user = session.get_one(UserRecord, user_id)
        if user.email is None or user.email_verified_at is not None:
            return True
        return mailed_links.write_verification(session, secret, user, user.email)


def change_email(db: Database, secret: str, user_id: int, password: str, email: str) -> None:
    """Mail a link to a new address; the account's address changes once the link is used.

    If the address belongs to another account, the mail says so, and nobody else learns it.

    Parameters
    ----------
    secret : str
        Key that signs the link.
    password : str
        The current password.

    Raises
    ------
    AccountError
        If the password is wrong (current) or the address invalid or the present one (email).
    """
    email = email.strip().lower()
    messages = _email_faults(email) | _wrong_password(db, user_id, password)
    with db.write() as session:
        user = session.get_one(UserRecord, user_id)
        if not messages and email == user.email:
            messages = {"email": "This is your email address already."}
        if not messages and not mailed_links.write_verification(session, secret, user, email):
            messages = {"email": "Too many mails went to this address in the last hour. Try again later."}
        if messages:
            raise AccountError(messages)


def verify_email(db: Database, secret: str, token: str, now: datetime | None = None) -> UserRecord | None:
    """Set the account's address to the one in a link, verified.

    Returns
    -------
    UserRecord or None
        The account, or None if the link is invalid, expired or used.
    """
    moment = now or utc_now()
    try:
        with db.write() as session:
            link = mailed_links.read_link(session, secret, "verify", token, moment)
            if link is None or mailed_links.is_of_another(session, link.address, link.user.id):
                return None
            user, old = link.user, link.user.email
            if old is not None and old != link.address and user.email_verified_at is not None:
                text = f"Hello {user.name},\n\n{_ADDRESS_CHANGED}"
                write_mail(session, old, "Your email address at Gengap has changed", text)
            user.email, user.email_verified_at = link.address, moment
            return user
    except IntegrityError:  # two accounts verify the same address at the same time
        return None


def ask_to_reset(db: Database, secret: str, email: str) -> None:
    """Mail a link for choosing a new password, if an account has this address.

    The caller does not learn whether one has, nor from the time that it takes.
    """
    address = email.strip().lower()[:EMAIL_LENGTH]
    with db.write() as session:
        user = _with_email(session, address)
        mailed_links.write_reset(session, secret, user, address)


def reset_user(db: Database, secret: str, token: str, now: datetime | None = None) -> UserRecord | None:
    """Return the account whose password a link allows to change; None if the link is invalid, expired or used."""
    with db.read() as session:
        link = mailed_links.read_link(session, secret, "reset", token, now)
        return None if link is None else link.user


def reset_password(
    db: Database, secret: str, token: str, password: str, now: datetime | None = None
) -> UserRecord | None:
    """Set a new password for the account of a link and end all its sessions.

    Returns
    -------
    UserRecord or None
        The account, or None if the link is invalid, expired or used.

    Raises
    ------
    AccountError
        If the password is invalid; the link can then be used again.
    """
    if messages := password_faults(password):
        raise AccountError(messages)
    new_hash = hash_password(password)
    with db.write() as session:
        link = mailed_links.read_link(session, secret, "reset", token, now)
        if link is None:
            return None
        _set_password(session, link.user, new_hash, None)
        return link.user


def has_password(db: Database, user_id: int, password: str) -> bool:
    """Check whether this is the account's password."""
    return verify_password(account_of(db, user_id).password_hash, password)


def _set_password(session: Session, user: UserRecord, new_hash: str, kept_session_id: int | None) -> None:
    user.password_hash = new_hash
    end_others(session, user.id, kept_session_id)
    if user.email is not None and user.email_verified_at is not None:
        write_mail(
            session, user.email, "Your password at Gengap has changed", f"Hello {user.name},\n\n{_PASSWORD_CHANGED}"
        )


def _wrong_password(db: Database, user_id: int, password: str) -> dict[str, str]:
    return {} if has_password(db, user_id, password) else {"current": "This is not your password."}


def _email_faults(email: str) -> dict[str, str]:
    if len(email) > EMAIL_LENGTH or not _EMAIL.fullmatch(email):
        return {"email": "Enter an email address such as ada@example.org."}
    return {}


def _name_faults(name: str) -> dict[str, str]:
    if not NAME_LENGTHS[0] <= len(name) <= NAME_LENGTHS[1]:
        return {"name": "A name has {} to {} characters.".format(*NAME_LENGTHS)}
    if not is_name(name, "._-"):
        return {"name": "A name starts with a letter or digit and has only letters, digits and . _ -"}
    return {}


def _create(db: Database, name: str, email: str | None, password: str, role: Role, secret: str | None = None) -> int:
    faults = _name_faults(name) | password_faults(password) | ({} if email is None else _email_faults(email))
    with db.read() as session:
        if "name" not in faults and is_taken(session, name, None):
            faults["name"] = _NAME_TAKEN
    if faults:
        raise AccountError(faults)
    user = UserRecord(
        name=name,
        name_key=name_key(name),
        skeleton=skeleton(name),
        email=email,
        password_hash=hash_password(password),
        role=role,
    )
    with db.write() as session:
        hold_names(session)
        if is_taken(session, name, None):  # someone has taken it since we looked
            raise AccountError({"name": _NAME_TAKEN})
        session.add(user)
        session.flush()
        if email is not None and secret is not None:
            mailed_links.write_verification(session, secret, user, email)
        return user.id


def _with_email(session: Session, email: str) -> UserRecord | None:
    """Return the account with this address: the one that has verified it, else the oldest that says it is theirs."""
    known = select(UserRecord).where(UserRecord.email == email.strip().lower())
    return session.scalar(known.order_by(UserRecord.email_verified_at.is_(None), UserRecord.id).limit(1))
