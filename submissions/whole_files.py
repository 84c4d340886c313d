"""Files that appear whole or not at all: written under another name, synchronized to the disk, and renamed.

Whatever is left of a process that was killed meanwhile is named `.part-…`; `remove_old` removes it. Called by the
settings, stores and commands.
"""

import os
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

PART = ".part-"


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write or replace a file. After an error, or a power failure, it is as it was before.

    Parameters
    ----------
    mode : int, optional
        Permissions of the file, before the process's umask.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    part = _written(path, content, mode)
    try:
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_output(path: Path, content: bytes) -> None:
    """Write a file that a user has named: whole, unless the name is that of a device, a pipe or a link.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_bytes(content)
    else:
        write_whole(path, content, 0o666)


def create_whole(path: Path, content: bytes, mode: int = 0o600) -> bytes:
    """Create a file unless there is one, and return what is in it: of several processes, all get the same.

    Raises
    ------
    OSError
        If it cannot be written or read.
    """
    part = _written(path, content, mode)
    try:
        path.hardlink_to(part)  # unlike a rename, it replaces no file
    except FileExistsError:
        return path.read_bytes()
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)
    return content


def remove_old(paths: Iterable[Path], age_s: float) -> int:
    """Remove those of these files and folders that are this user's and were not changed for `age_s` seconds.

    Returns
    -------
    int
        How many were removed.
    """
    removed, oldest = 0, time.time() - age_s  # noqa: TID251  (compared with times of files, which are this clock's)
    for path in paths:
        try:
            status = path.lstat()
            if status.st_uid != os.geteuid() or status.st_mtime > oldest:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            removed += 1
        except OSError:  # somebody else has removed it, or it cannot be: it is tried again
            continue
    return removed


def _written(path: Path, content: bytes, mode: int) -> Path:
    part = path.with_name(f"{PART}{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def sync_folder(folder: Path) -> None:
    """Make the folder's new names survive a power failure, which fsync of a file does not."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
