"""Which errors mean that the database or a disk is away for a while. Called by the error pages, which then answer 503.

The rest is a fault of ours, which stays a 500.
"""

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

RETRY_AFTER_S = 5

_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE})
_SQLITE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)
_POSTGRES = frozenset({"25006", "40001", "40P01"})  # read-only, as during a failover; serialization failure; deadlock


def is_outage(error: BaseException | None) -> bool:
    """Whether the error, or one that caused it, will pass without a change of the program."""
    while error is not None:
        if _is_outage(error):
            return True
        error = error.__cause__
    return False


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, PoolTimeout):
        return True
    if isinstance(error, DBAPIError):
        if isinstance(error.orig, sqlite3.Error):
            return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _SQLITE  # the rest is the extended code
        is_away = error.connection_invalidated or isinstance(error, OperationalError)
        return is_away or getattr(error.orig, "sqlstate", None) in _POSTGRES
    return isinstance(error, OSError) and error.errno in _DISK
