"""Files that a user names for a command's output."""

from pathlib import Path

from server.commands.errors import InputError
from submissions.whole_files import write_output


def write_named(path: Path, content: bytes) -> None:
    """Write such a file, whole or not at all. Raises InputError if it cannot be written."""
    try:
        write_output(path, content)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
