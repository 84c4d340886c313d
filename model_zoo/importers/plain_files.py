"""Opens the files of an import without following links or leaving the given folder.

The names come from JSON files and folders of unknown origin.
"""

import json
import re
import stat
from pathlib import Path

from model_zoo.manifest import ZooError

_JSON_LIMIT_BYTES = 64 * 2**20
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=,@ -]*")


def plain_name(name: str, place: Path) -> str:
    """Check that `name` can be a file name in one folder. Raises ZooError naming `place`, where it is from."""
    if _PLAIN_NAME.fullmatch(name) is None or ".." in name:
        raise ZooError(
            f"{place}: {name!r} cannot be the name of a network or file; use letters, digits and . _ - alone"
        )
    return name


def below(folder: Path, relative: str, place: Path) -> Path:
    """Return the path of the regular file `folder/relative`.

    Raises
    ------
    ZooError
        If the path leaves the folder, contains a link, or does not exist.
    """
    path = folder
    parts = relative.split("/")
    for part in parts[:-1]:
        path = plain_folder(path / plain_name(part, place))
    return plain_file(path / plain_name(parts[-1], place))


def plain_file(path: Path) -> Path:
    """Return `path` if it is a regular file and not a link. Raises ZooError."""
    if not stat.S_ISREG(_mode(path)):
        raise ZooError(f"{path}: not a plain file")
    return path


def plain_folder(path: Path) -> Path:
    """Return `path` if it is a folder and not a link. Raises ZooError."""
    if not stat.S_ISDIR(_mode(path)):
        raise ZooError(f"{path}: not a folder")
    return path


def is_there(path: Path) -> bool:
    """Whether there is anything at `path`, even a broken link."""
    return path.is_symlink() or path.exists()


def read_json(path: Path) -> object:
    """Read a JSON file; a key that occurs twice in an object is an error. Raises ZooError."""
    try:
        if path.stat().st_size > _JSON_LIMIT_BYTES:
            raise ZooError(f"{path}: larger than {_JSON_LIMIT_BYTES} bytes, so not the file that was meant")
        return json.loads(path.read_bytes(), object_pairs_hook=_without_repeats)
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ZooError(f"{path}: not the JSON that was expected ({error}); fetch the file again") from None


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content: dict[str, object] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key!r} occurs twice in one object")
        content[key] = value
    return content


def _mode(path: Path) -> int:
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror}; the import needs it, so fetch or write it again") from None
    if stat.S_ISLNK(mode):
        raise ZooError(f"{path}: a symbolic link; an import reads plain files only, so copy the file itself")
    return mode
