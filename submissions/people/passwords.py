"""Password hashes: argon2id at OWASP's smaller setting (19 MiB), two at a time.

Eight threads of the web process hashing at argon2-cffi's default (64 MiB) would need half a gigabyte. Called by
`submissions.people.accounts`.
"""

import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

PASSWORD_LENGTHS = (8, 128)
_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_HASHING = threading.BoundedSemaphore(2)
_NOBODY = _HASHER.hash(secrets.token_hex())  # checked for unknown users, so that both take the same time


def hash_password(password: str) -> str:
    """Return a new hash of the password."""
    with _HASHING:
        return _HASHER.hash(password)


def verify_password(known_hash: str | None, password: str) -> bool:
    """Return whether the password belongs to the hash; None costs the same time and is never right."""
    if len(password) > PASSWORD_LENGTHS[1]:
        password = ""  # no account has it; never hash megabytes
    try:
        with _HASHING:
            return _HASHER.verify(known_hash or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(known_hash: str) -> bool:
    """Return whether the hash was made with older parameters."""
    return _HASHER.check_needs_rehash(known_hash)


def password_faults(password: str) -> dict[str, str]:
    """Return a sentence for the field `password`, or nothing."""
    messages = {}
    if len(password) < PASSWORD_LENGTHS[0]:
        messages["password"] = f"A password has at least {PASSWORD_LENGTHS[0]} characters."
    elif len(password) > PASSWORD_LENGTHS[1]:
        messages["password"] = f"A password has at most {PASSWORD_LENGTHS[1]} characters."
    return messages
