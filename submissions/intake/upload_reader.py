"""Reads uploads in child processes with limits of time and memory, so that no upload can stop the one who reads it.

Called for each upload and check, and once for an upload that is older than its unpacked form (`stored_code`). Python's
parser takes seconds and hundreds of megabytes for some sources of a few hundred kilobytes, and can crash.
"""

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path

from submissions.intake.bundle import Bundle, BundleError, BundleLimits, base_name
from submissions.intake.bundle_store import BundleStore, StoreError
from submissions.intake.reading_child import VALID
from submissions.intake.unpacked import Unpacked, dump, load
from submissions.storage.states import Reason

CPU_S = 5
MEMORY_BYTES = 512 * 2**20  # beside the upload and its files
WALL_S = 30.0  # a child that has not used its processor time by then is not given any: the machine is overloaded
WAIT_S = 10.0
RETRY_AFTER_S = 5
LEAST_SLOTS = 4

_OUR_FOLDER = Path(__file__).parents[2]
# -I and -S: neither the environment nor installed packages have a part in it.
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from submissions.intake.reading_child import main; main()"
_COMMAND = (sys.executable, "-I", "-S", "-c", _PROGRAM, str(_OUR_FOLDER))
_ENDED_BY_THE_UPLOAD = frozenset({signal.SIGXCPU, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT})
_log = logging.getLogger(__name__)


class ReadingFailed(Exception):  # noqa: N818  (an overloaded machine is no malfunction)
    """An upload could not be read for a reason that is not its own; the message is a sentence for the participant."""


class UploadReader:
    """Reads uploads: at most `slots` at a time, and one at a time for each person.

    Parameters
    ----------
    limits : BundleLimits
    slots : int or None, optional
        Default: the number of processors, but at least `LEAST_SLOTS`. The children share the processors, so that a
        short one ends soon beside long ones.
    """

    def __init__(self, limits: BundleLimits, slots: int | None = None) -> None:
        self.limits = limits
        self.slots = slots or max(LEAST_SLOTS, os.cpu_count() or 1)
        self._changed = threading.Condition()
        self._reading: set[object] = set()
        self._waiting: Counter[object] = Counter()

    def read(self, filename: str, content: bytes, *, whose: object) -> Bundle:
        """Check an upload and unpack it.

        Parameters
        ----------
        filename : str
            As the browser sent it.
        whose : object
            Who waits for it; hashable. Uploads of the same person are read one after the other.

        Raises
        ------
        BundleError
            If the upload is not valid, or too costly to read.
        ReadingFailed
            If others keep all slots occupied, or the machine is overloaded.
        """
        with self._turn(whose):
            return read_apart(filename, content, self.limits)

    @contextmanager
    def _turn(self, whose: object) -> Iterator[None]:
        with self._changed:
            if self._waiting[whose] > 0:  # one thread of the server at most waits for each person
                raise ReadingFailed("Two of your uploads are still being checked. Please try again in a few seconds.")
            self._waiting[whose] += 1
            try:
                is_free = self._changed.wait_for(lambda: self._may_read(whose), WAIT_S)
            finally:
                del self._waiting[whose]
            if not is_free:
                raise ReadingFailed("Too many uploads are being checked. Please try again in a few seconds.")
            self._reading.add(whose)
        try:
            yield
        finally:
            with self._changed:
                self._reading.discard(whose)
                self._changed.notify_all()

    def _may_read(self, whose: object) -> bool:
        return whose not in self._reading and len(self._reading) < self.slots


def read_apart(filename: str, content: bytes, limits: BundleLimits) -> Bundle:
    """Check an upload and unpack it in a child process. Raises BundleError or ReadingFailed, as `UploadReader.read`."""
    name = base_name(filename)
    request = {
        "filename": name,
        "limits": astuple(limits),
        "cpu_s": CPU_S,
        "memory_bytes": MEMORY_BYTES + limits.upload_bytes + 2 * limits.unpacked_bytes,
    }
    sent = b"\n".join((json.dumps(request).encode(), content[: limits.upload_bytes + 1]))
    try:
        child = subprocess.run(_COMMAND, input=sent, capture_output=True, timeout=WALL_S, env={}, cwd="/", check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.warning("an upload could not be read: %s", error)
        raise ReadingFailed("The server is too busy to check this upload. Please try again later.") from error
    if -child.returncode in _ENDED_BY_THE_UPLOAD:
        raise BundleError(
            f"{name} could not be read within {CPU_S} s of processor time and {MEMORY_BYTES // 2**20} MiB of memory; "
            "make its Python files shorter.",
            Reason.IMPORT_ERROR,
        )
    if child.returncode != 0 or not child.stdout:
        last = child.stderr.decode(errors="replace")[-1000:]
        _log.error("the child that reads uploads ended with %d: %s", child.returncode, last)
        raise ReadingFailed("This upload could not be checked, and the server's log says why. Please try again later.")
    if child.stdout.startswith(VALID):
        return _bundle(name, content, load(child.stdout[len(VALID) :]))
    told = json.loads(child.stdout[1:])
    raise BundleError(
        told["text"], None if told["reason"] is None else Reason(told["reason"]), path=told["path"], line=told["line"]
    )


def stored_code(store: BundleStore, filename: str, digest: str, read: Callable[[str, bytes], Bundle]) -> Unpacked:
    """Return the content of a stored upload: its unpacked form, which is made now if it is missing or damaged.

    Parameters
    ----------
    filename : str
        As it was uploaded.
    digest : str
        The upload's sha256.
    read : Callable[[str, bytes], Bundle]
        Reads an upload, as `read_apart` does.

    Raises
    ------
    StoreError
        If the upload is missing or damaged.
    BundleError, ReadingFailed
        As `read`.
    """
    if (kept := store.get_unpacked(digest)) is not None:
        try:
            return load(kept)
        except ValueError as error:
            _log.warning("upload %s: %s It is made again.", digest, error)
    bundle = read(filename, store.get(digest))
    try:
        store.put_unpacked(digest, dump(bundle))
    except StoreError as error:  # a worker may have no right to write there
        _log.warning("%s", error)
    return bundle


def stored_bundle(store: BundleStore, filename: str, digest: str, read: Callable[[str, bytes], Bundle]) -> Bundle:
    """Return a stored upload with its unpacked content; parameters and errors as of `stored_code`."""
    return _bundle(filename, store.get(digest), stored_code(store, filename, digest, read))


def _bundle(name: str, content: bytes, unpacked: Unpacked) -> Bundle:
    return Bundle(
        filename=name,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        files=unpacked.files,
        track=unpacked.track,
        needs=unpacked.needs,
    )
