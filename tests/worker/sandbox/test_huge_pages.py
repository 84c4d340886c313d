"""A process's private memory in huge pages: the same bytes, in fewer entries of its page table."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage")
HUGE_BYTES = 2**21
MAPPED_BYTES = 4 * HUGE_BYTES
PROCESS = f"""
import mmap, os
from pathlib import Path
from worker.harness import huge_pages

content = os.urandom({MAPPED_BYTES})
memory = mmap.mmap(-1, {MAPPED_BYTES}, flags=mmap.MAP_PRIVATE)
memory.write(content)
huge_pages.gather()
pid = os.fork()
if pid == 0:
    memory[::4096] = bytes({MAPPED_BYTES} // 4096)
    os._exit(0 if memory[::4096].strip(bytes(1)) == b"" else 1)
assert os.waitpid(pid, 0)[1] == 0
assert memory[:] == content
print(Path("/proc/self/smaps_rollup").read_text())
"""


def summary_of(program: str) -> str:
    """What the kernel says of the memory of a process at the end of this program; raises where it ends otherwise."""
    return subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True).stdout


def anonymous_huge_bytes(program: str) -> int:
    found = re.search(r"^AnonHugePages: +(\d+) kB$", summary_of(program), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def anything_to_gather() -> bool:
    """Since Linux 6.1, where huge pages have the usual size and are not given to every process anyway."""
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    assert found is not None
    if (int(found[1]), int(found[2])) < (6, 1) or not HUGE_PAGES.exists():
        return False
    is_usual = int((HUGE_PAGES / "hpage_pmd_size").read_text()) == HUGE_BYTES
    return is_usual and "[madvise]" in (HUGE_PAGES / "enabled").read_text()


def test_what_a_process_has_loaded_stays_the_same_for_it_and_its_forks() -> None:
    assert "Rss" in summary_of(PROCESS)


@pytest.mark.skipif(not anything_to_gather(), reason="this kernel has nothing to be gathered, or cannot")
def test_whole_huge_pages_are_gathered() -> None:
    """Of four huge pages' length at least three are whole, wherever the mapping begins."""
    assert anonymous_huge_bytes(PROCESS) >= 3 * HUGE_BYTES
    assert anonymous_huge_bytes(PROCESS.replace("huge_pages.gather()", "")) == 0
