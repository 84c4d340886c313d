"""The code of a submission for its owners: its files, and the lines around the one that failed.

It is read from the store as workers read it, in its unpacked form. Called by the pages of a submission and by the form
that resubmits one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from submissions.intake.bundle import ENTRY_FILE, MAX_SOURCE_BYTES, Bundle, BundleError
from submissions.intake.bundle_store import BundleStore, StoreError
from submissions.intake.upload_reader import ReadingFailed, stored_code

AROUND = 3  # lines shown before and after the one that failed
_PLACE = re.compile(r"\bat (?P<path>\S.*) line (?P<line>[0-9]{1,7})$")


class CodeUnavailable(Exception):  # noqa: N818  (the page goes on without it)
    """The stored upload cannot be read, because of the store or of changed limits; the message says why."""


@dataclass(frozen=True)
class CodeFile:
    """One file of an upload. text: None if it is not text, or too long to be shown."""

    path: str
    size_bytes: int
    text: str | None


@dataclass(frozen=True)
class Line:
    """One line of code. number counts from 1."""

    number: int
    text: str
    is_failing: bool


@dataclass(frozen=True)
class Excerpt:
    """Lines of the author's own file around the one that failed."""

    path: str
    lines: tuple[Line, ...]


def stored_files(
    store: BundleStore, filename: str, digest: str, read: Callable[[str, bytes], Bundle]
) -> Mapping[str, bytes]:
    """Return the files of a stored upload.

    Parameters
    ----------
    filename : str
        As it was uploaded.
    digest : str
        The upload's sha256.
    read : Callable[[str, bytes], Bundle]
        Reads an upload that has no unpacked form yet, as `submissions.intake.upload_reader.read_apart` does.

    Returns
    -------
    Mapping[str, bytes]
        Content by path; contains `complexity.py`.

    Raises
    ------
    CodeUnavailable
        If the upload cannot be read.
    """
    try:
        return stored_code(store, filename, digest, read).files
    except (StoreError, BundleError, ReadingFailed) as error:
        raise CodeUnavailable(f"The uploaded code cannot be shown: {error}") from error


def readable(files: Mapping[str, bytes]) -> tuple[CodeFile, ...]:
    """Return the files as text, `complexity.py` first, then by path."""
    paths = sorted(files, key=lambda path: (path != ENTRY_FILE, path))
    return tuple(CodeFile(path, len(files[path]), as_text(files[path])) for path in paths)


def as_text(content: bytes) -> str | None:
    """Return the content as text with Unix line ends; None if it is not text, or longer than a source may be."""
    if len(content) > MAX_SOURCE_BYTES or b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        return None


def excerpt(files: Mapping[str, bytes], detail: str) -> Excerpt | None:
    """Return the lines around the place that a failure's `detail` names; None if it names none of these files."""
    found = _PLACE.search(detail)
    text = as_text(files[found["path"]]) if found and found["path"] in files else None
    if found is None or text is None:
        return None
    lines, failing = text.removesuffix("\n").split("\n"), int(found["line"])
    if not 1 <= failing <= len(lines):
        return None
    first, last = max(1, failing - AROUND), min(len(lines), failing + AROUND)
    return Excerpt(
        found["path"],
        tuple(Line(number, lines[number - 1], number == failing) for number in range(first, last + 1)),
    )
