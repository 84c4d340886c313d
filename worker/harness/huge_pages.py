"""Huge pages for the zygote's memory: a fork then copies, and its end frees, one entry instead of 512.

Torch and its companions leave some 200 MB of private memory, 50,000 entries that every fork of a zygote would copy one
by one. glibc's own option (GLIBC_TUNABLES=glibc.malloc.hugetlb) does not work here: it reads /sys, which a sandbox does
not show. Called by the zygote once, before its first fork.
"""

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path

HUGE_BYTES = 2**21  # x86-64, and aarch64 with pages of 4 KiB; where it is another size, the kernel refuses or does less
MADV_COLLAPSE = 25
_ANONYMOUS = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p 00000000 00:00 0 *(?:\[heap\])?")

_libc = ctypes.CDLL(None)


def gather() -> None:
    """Gather this process's private memory in huge pages, as far as it fills them and the kernel can (since Linux 6.1).

    Memory that cannot be gathered stays as it is, and forks take longer. No mapping is marked for huge pages: what a
    fork changes is copied in small pages, and what it allocates later is not affected.
    """
    for start, end in _mappings():
        first, last = start + -start % HUGE_BYTES, end - end % HUGE_BYTES
        if first < last:
            _libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), MADV_COLLAPSE)


def _mappings() -> Iterator[tuple[int, int]]:
    for line in Path("/proc/self/maps").read_text().splitlines():
        if found := _ANONYMOUS.fullmatch(line):
            yield int(found[1], 16), int(found[2], 16)
