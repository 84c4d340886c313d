"""Landlock: the participant's process gives up access to every file and port that it does not need.

It is a second layer behind the mounts, and the only one for files where a container's whole image is visible. It uses
plain system calls through ctypes and adapts to the kernel's version of Landlock; without Landlock it does nothing, and
`layer_check` reports that. Called in the participant's process, before its system call filter is loaded.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_FIRST_RIGHTS = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL_DEV  # any other right on a file is EINVAL
_BIND_TCP, _CONNECT_TCP = 1, 2
_ABSTRACT_UNIX_SOCKET, _SIGNAL = 1, 2

LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache", "/proc")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
SCRATCH = ("/tmp", "/dev/shm")  # noqa: S108  (tmpfs of this network alone)


def restrict() -> None:
    """Allow only reading the interpreter and its libraries and writing below the scratch folders; no program, no port.

    Does nothing where the kernel has no Landlock. Raises OSError if it has but refuses. The process must have
    no_new_privs set. Files that are open already stay usable.
    """
    known = version()
    if known < 1:
        return
    files = _file_rights(known)
    attributes = struct.pack("=Q", files)
    if known >= 4:
        attributes += struct.pack("=Q", _BIND_TCP | _CONNECT_TCP)
    if known >= 6:
        attributes += struct.pack("=Q", _ABSTRACT_UNIX_SOCKET | _SIGNAL)
    ruleset = _call(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        for path, rights in _rules(files):
            _allow(ruleset, path, rights)
        _call(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def version() -> int:
    """Return the kernel's version of Landlock; 0 or less: none."""
    known: int = _libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_RULESET_VERSION)
    return known


def _file_rights(known: int) -> int:
    """Return every right over files that this version knows; it refuses rules with others."""
    rights = _FIRST_RIGHTS
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        if known >= since:
            rights |= right
    return rights


def _rules(files: int) -> Iterator[tuple[str, int]]:
    interpreter = {sys.prefix, sys.base_prefix, sys.exec_prefix} - {"/usr", "/"}
    ours = str(Path(__file__).parents[2])
    for path in (*interpreter, ours, *LIBRARIES):
        yield path, READ_FILE | READ_DIR
    yield sys.executable, READ_FILE
    for path in DEVICES:
        yield path, READ_FILE | WRITE_FILE
    for path in SCRATCH:
        yield path, files & ~(EXECUTE | _MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # not every system has every one of these
    try:
        if not os.path.isdir(path):  # noqa: PTH112  (once per rule and network: a Path costs more than the call)
            rights &= _OF_FILES
        _call(ADD_RULE, ruleset, RULE_PATH_BENEATH, struct.pack("=Qi", rights, beneath), 0)
    finally:
        os.close(beneath)


def _call(number: int, *arguments: object) -> int:
    answer: int = _libc.syscall(number, *arguments)
    if answer < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"landlock, system call {number}: {os.strerror(error)}")
    return answer
