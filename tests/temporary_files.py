"""Temporary files of a test run in memory, below one folder that goes with the run.

A disk whose file system tells it of every freed block takes longer to remove the files than the tests take to write
them. `tests/conftest.py` calls this.
"""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
WANTED_BYTES = 4 * 2**30
PREFIX = "gengap-tests-of-"

_folder = MEMORY / f"{PREFIX}{os.getpid()}"


def move_to_memory() -> None:
    """From now on this process and its children make temporary files there, if there is room and TMPDIR is not set."""
    if "TMPDIR" in os.environ or not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < WANTED_BYTES:
        return
    _remove_those_of_killed_runs()
    _folder.mkdir(mode=0o711)  # PostgreSQL's own user has a folder below
    os.environ["TMPDIR"] = str(_folder)
    tempfile.tempdir = None


def remove() -> None:
    """Remove what is left of them."""
    if os.environ.get("TMPDIR") == str(_folder):
        del os.environ["TMPDIR"]
        tempfile.tempdir = None
        shutil.rmtree(_folder, ignore_errors=True)


def _remove_those_of_killed_runs() -> None:
    for folder in MEMORY.glob(f"{PREFIX}*"):
        if not Path("/proc", folder.name.removeprefix(PREFIX)).exists():
            shutil.rmtree(folder, ignore_errors=True)
