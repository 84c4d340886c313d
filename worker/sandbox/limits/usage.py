"""What a network's processes use, counted from outside in /proc: resident memory and processor time.

For machines on which no control group counts it. Called by `supervise`; needs only what any user may read of
another's process, so that it works on processes that cannot be traced.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_USER_FIELD, _START_FIELD = 11, 19  # in what follows the program's name in /proc/<pid>/stat


@dataclass
class Usage:
    """What all processes of a network use together.

    Attributes
    ----------
    init : int
        Process id of the network's first process.
    peak_bytes : int
        The largest result of `resident_bytes` so far.
    """

    init: int
    peak_bytes: int = 0
    _shared_pages: int = 0
    _seen_s: dict[tuple[int, int], float] = field(default_factory=dict)
    _cpu_s: float = 0.0

    def resident_bytes(self) -> int:
        """Return the resident memory of init's descendants in bytes, less what each shares with the zygote.

        The shared part is init's own memory. Its largest value is kept, since init has none left when it ends, while
        its descendants may still have theirs.
        """
        self._shared_pages = max(self._shared_pages, _resident_pages(self.init))
        total = sum(max(0, _resident_pages(pid) - self._shared_pages) for pid in _below(self.init)) * _PAGE_BYTES
        self.peak_bytes = max(self.peak_bytes, total)
        return total

    def cpu_s(self) -> float:
        """Return the processor seconds so far: never more than were used, never less than at the last call.

        A process's time is added to the parent that waits for it. It is lost where a parent does not wait, so every
        process that was ever seen is also counted by itself, and the larger sum is returned.
        """
        living = 0.0
        for pid in (self.init, *_below(self.init)):
            if (times := _times(pid)) is not None:
                start, own_s, children_s = times
                living += own_s + children_s
                self._seen_s[pid, start] = own_s
        self._cpu_s = max(self._cpu_s, living, sum(self._seen_s.values()))
        return self._cpu_s


def _below(pid: int) -> Iterator[int]:
    waiting = _children(pid)
    while waiting:
        child = waiting.pop()
        yield child
        waiting += _children(child)


def _children(pid: int) -> list[int]:
    """Those of every thread: what one thread has forked is not among another's children."""
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    except OSError:
        return found  # it has just ended
    return found


def _resident_pages(pid: int) -> int:
    """From statm, the one file about memory that another user's process may read of an undumpable one."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0


def _times(pid: int) -> tuple[int, float, float] | None:
    """When a process started (in ticks), its own seconds and those of the children that it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    user, system, children_user, children_system = (int(ticks) for ticks in fields[_USER_FIELD : _USER_FIELD + 4])
    return int(fields[_START_FIELD]), (user + system) / _TICKS, (children_user + children_system) / _TICKS
