"""The interface of a zoo store's backends: named objects that appear whole or not at all.

`schemes` has the backends, `zoo_store` calls them. Names are `files/<two digits>/<sha256>` and
`zoos/<sha256 of zoo.json>.json`.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from model_zoo.manifest import FileDigest, ZooError

BROUGHT, WRITTEN = "fetched", "written"
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Modification time of stored and cached files, which must not reveal when a network was made. Zip has none before 1980.
FIXED_TIME = 946_684_800  # the first second of 2000


class ZooStoreError(ZooError):
    """The store or the cache cannot return or keep a file. The message names the object and says what to do."""


class ObjectMissingError(ZooStoreError):
    """There is no such object in the store."""


class Objects(Protocol):
    """A place that keeps named objects: the interface of a store's backend.

    Every method may raise ZooStoreError, and is safe with many threads and processes.

    Attributes
    ----------
    parallel : int
        Number of transfers at a time that make sense.
    """

    parallel: int  # how many transfers at a time are worth it

    def is_made_later(self) -> bool:
        """Whether the place does not exist yet and is made with the first object.

        Raises
        ------
        ZooStoreError
            If it does not exist and could not be made.
        """

    def address(self, name: str) -> str:
        """Return the object's full address, for messages."""

    def holds(self, name: str, digest: FileDigest) -> bool:
        """Whether the object is stored already and need not be sent again."""

    def keep_file(self, name: str, source: Path, digest: FileDigest) -> None:
        """Store a copy of the file `source`. Raises ZooStoreError, and stores nothing, if the digest differs."""

    def settle(self, names: list[str]) -> None:
        """Wait until these objects would survive a power failure."""

    def keep(self, name: str, content: bytes) -> None:
        """Store a small object durably."""

    def read(self, name: str) -> bytes:
        """Return the content of a small object, unverified. Raises ObjectMissingError."""

    def link(self, name: str, target: Path) -> bool:
        """Hard-link the object to `target`, which takes no space; return False where that is not possible."""

    def bring(self, name: str, target: Path) -> None:
        """Copy the object to the new file `target`, unverified.

        Raises
        ------
        ObjectMissingError
            If it is not in the store.
        OSError
            If the disk of `target` is full.
        """

    def names(self, prefix: str) -> list[str]:
        """List the names of all objects that begin with `prefix`, a folder with its slash."""

    def remove(self, name: str) -> None:
        """Remove the object if it exists."""


@contextmanager
def naming(address: str, what: str, faults: tuple[type[Exception], ...] = (OSError,)) -> Iterator[None]:
    """Turn `faults`, which a backend's library raises, into a ZooStoreError that names the object at `address`.

    Parameters
    ----------
    address : str
        The object's address, as `Objects.address` gives it.
    what : str
        What is being done to it, as a past participle: "fetched", "written", "listed".
    faults : tuple of exception classes
        What to turn. An OSError of a missing file becomes an ObjectMissingError; one of a full disk passes through
        while an object is being fetched.
    """
    try:
        yield
    except faults as error:
        if what != WRITTEN and isinstance(error, FileNotFoundError):
            raise ObjectMissingError(
                f"{address}: not in the store; restore it from a backup, or add the zoo again"
            ) from None
        if what == BROUGHT and isinstance(error, OSError) and error.errno in DISK_FULL:
            raise  # of the disk that it is brought to
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ZooStoreError(f"{address}: cannot be {what}: {reason}; look at the store and its settings") from error


def changed(source: Path) -> ZooStoreError:
    """Make the error for a file that does not match its manifest."""
    return ZooStoreError(f"{source}: changed while it was stored, or not what zoo.json says; make the zoo again")
