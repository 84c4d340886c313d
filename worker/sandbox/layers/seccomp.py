"""The system call filter of a participant's process: an allow-list, assembled here, loaded inside by prctl.

A call is allowed by its name, or by its arguments where some of what it does would reach beyond the network: a lock or
a lease on a file that other networks have too, the page cache, the whole machine's numbers. A measure may ask on which
processors it runs, but not change that: torch, OpenBLAS and scikit-learn only ask.
Assembled outside because libseccomp is not visible inside the sandbox. Everything not named is refused with
EPERM; newer calls that the C library tries first are refused with ENOSYS so that it falls back.
"""

import json
import socket
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache

try:
    import pyseccomp
except (ImportError, RuntimeError, OSError):  # the binding loads libseccomp.so.2 when it is imported
    pyseccomp = None

EPERM, EAGAIN, ENOSYS = 1, 11, 38
NAMESPACE_FLAGS = 0x7E020080  # CLONE_NEW* of clone(2)
CLONE_PIDFD = 0x1000  # a pidfd's inode counts the processes of the whole machine
MAP_HUGETLB = 0x40000  # pages of a pool that the whole machine shares and no control group of ours counts
FUTEX_PRIVATE, FUTEX_CLOCK_REALTIME = 0x80, 0x100
INT = 0xFFFFFFFF  # the kernel looks at the lower half of an argument that is an int

_ALLOWED_NAMES = """
access alarm arch_prctl brk capget chdir chmod clock_getres clock_gettime clock_nanosleep close close_range
copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd eventfd2
exit exit_group faccessat faccessat2 fallocate fchdir fchmod fchmodat fork fstat ftruncate getcpu getcwd getdents
getdents64 getegid geteuid getgid getgroups getitimer getpgid getpgrp getpid getppid getpriority getrandom getresgid
getresuid getrlimit getrusage getsid gettid gettimeofday getuid get_robust_list kill lseek lstat membarrier mkdir
mkdirat mprotect mremap munmap nanosleep newfstatat open openat pause pipe pipe2 poll ppoll pread64 preadv prlimit64
pselect6 pwrite64 pwritev read readlink readlinkat readv rename renameat renameat2 restart_syscall rmdir rseq
rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min sched_yield select
sendfile setitimer setpgid setpriority setrlimit setsid set_robust_list set_tid_address sigaltstack stat symlink
symlinkat tgkill time times tkill truncate umask uname unlink unlinkat utime utimensat utimes vfork wait4 waitid
write writev sendto recvfrom shutdown getpeername getsockname link linkat get_mempolicy
"""
ALLOWED = tuple(_ALLOWED_NAMES.split())
# By the value of one int: the argument's position, and the values that are allowed.
ALLOWED_VALUES: Mapping[str, tuple[int, tuple[int, ...]]] = {
    "fcntl": (1, (0, 1, 2, 3, 4, 1030)),  # duplicate, flags of descriptor and file; no lock, lease, notice, owner
    "ioctl": (1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x802C542A)),  # is it a terminal, FIONREAD, FIONBIO
    "madvise": (2, (0, 1, 2, 3, 4, 8, 10, 11, 14, 15, 16, 17, 18, 19)),  # no page cache, no merging of equal pages
    "prctl": (0, (1, 2, 3, 15, 16, 21, 23, 27, 29, 30, 38, 39, 41, 42, 0x53564D41)),  # not PR_SET_DUMPABLE
    "preadv2": (5, (0,)),  # RWF_NOWAIT tells whether a page is cached
    "pwritev2": (5, (0,)),
    "socketpair": (0, (int(socket.AF_UNIX),)),
}
SOCKET_OPTIONS = {  # of SOL_SOCKET; cookies count the sockets and network namespaces of the whole machine
    "getsockopt": (2, 3, 4, 7, 8, 20, 21, 30, 38, 39),
    "setsockopt": (7, 8, 20, 21),
}
# What a measure may write to is in memory, so there is nothing to wait for; on a library's file it would be the disk.
WITHOUT_EFFECT = ("fsync", "fdatasync", "msync")
_ABSENT_EVERYWHERE = ("clone3", "set_mempolicy", "mbind", "futex_wait", "futex_wake", "futex_requeue")
# Their arguments are in memory, where no filter looks: RESOLVE_CACHED, shared futexes, counts of the machine's mounts.
ABSENT = (*_ABSENT_EVERYWHERE, "openat2", "futex_waitv", "statx")
_ZYGOTE_NAMES = """
capset clone connect execve execveat fadvise64 fcntl flock fstatfs futex futex_waitv getsockopt ioctl landlock_add_rule
landlock_create_ruleset landlock_restrict_self madvise mincore mmap mount openat2 pidfd_open prctl preadv2 pwritev2
readahead recvmsg sched_setaffinity seccomp sendmsg sethostname setdomainname setsockopt socketpair splice
statfs statx sync_file_range sysinfo tee timer_create timer_delete timer_gettime timer_settime timerfd_create
timerfd_gettime timerfd_settime umount2 unshare
"""


@cache
def participant_filter() -> bytes | None:
    """Assemble the filter of a participant's process for this machine's architecture.

    Returns
    -------
    bytes or None
        BPF instructions of 8 bytes each; None where libseccomp is missing.
    """
    if pyseccomp is None:
        return None
    rules = pyseccomp.SyscallFilter(pyseccomp.ERRNO(EPERM))
    for name in ALLOWED:
        _add(rules, pyseccomp.ALLOW, name)
    for name in ABSENT:
        _add(rules, pyseccomp.ERRNO(ENOSYS), name)
    for name in WITHOUT_EFFECT:
        _add(rules, pyseccomp.ERRNO(0), name)
    for name, (position, values) in ALLOWED_VALUES.items():
        for value in values:
            _add(rules, pyseccomp.ALLOW, name, _has(position, INT, value))
    for name, options in SOCKET_OPTIONS.items():
        for option in options:
            _add(rules, pyseccomp.ALLOW, name, _has(1, INT, int(socket.SOL_SOCKET)), _has(2, INT, option))
    _add(rules, pyseccomp.ALLOW, "mmap", _has(3, MAP_HUGETLB, 0))
    _add(rules, pyseccomp.ALLOW, "clone", _has(0, NAMESPACE_FLAGS | CLONE_PIDFD, 0))
    _add_futex(rules)
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def _add_futex(rules: "pyseccomp.SyscallFilter") -> None:
    """Allow waiting and waking within a process; make what is shared between processes wait and wake nobody.

    Processes that have mapped the same file, a library say, would meet at an address in it, and tell each other one of
    as many addresses. A wait that fails with EAGAIN, as if the value had changed, is repeated by the C library, which
    joins threads that way: it then polls, and nothing else changes.
    """
    wait, wake, requeue, compare_requeue, wait_bitset, wake_bitset = 0, 1, 3, 4, 9, 10
    _add(rules, pyseccomp.ALLOW, "futex", _has(1, FUTEX_PRIVATE, FUTEX_PRIVATE))
    for operation in (wait, wait_bitset):
        _add(rules, pyseccomp.ERRNO(EAGAIN), "futex", _has(1, INT & ~FUTEX_CLOCK_REALTIME, operation))
    for operation in (wake, requeue, compare_requeue, wake_bitset):
        _add(rules, pyseccomp.ERRNO(0), "futex", _has(1, INT, operation))


def call_numbers(names: Sequence[str]) -> list[int]:
    """Look up the numbers of system calls on this machine.

    Parameters
    ----------
    names : sequence of str
        As in the kernel's manual, such as ``openat``.

    Returns
    -------
    list of int
        In the same order, -1 for unknown names; empty where libseccomp is missing.
    """
    if pyseccomp is None:
        return []
    return [_number(name) for name in names]


def _number(name: str) -> int:
    try:
        return int(pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name))
    except ValueError:
        return -1


def _add(rules: "pyseccomp.SyscallFilter", action: object, name: str, *arguments: object) -> None:
    """Add a rule, unless this architecture or libseccomp does not know the call (then it stays refused)."""
    if _number(name) != -1:
        rules.add_rule(action, name, *arguments)


def _has(position: int, mask: int, value: int) -> object:
    """Return the condition that the masked bits of an argument have this value."""
    return pyseccomp.Arg(position, pyseccomp.MASKED_EQ, mask, value)


def container_profile() -> str:
    """Return the seccomp profile of a whole container, as JSON in Docker's format.

    A zygote needs some calls that a measure does not: to start, to make namespaces, mounts and Landlock rules, to
    receive descriptors, and to drop its rights. A measure's own filter applies in addition, and looks at arguments.
    """
    rules: list[dict[str, object]] = [
        {"names": [*ALLOWED, *WITHOUT_EFFECT, *_ZYGOTE_NAMES.split()], "action": "SCMP_ACT_ALLOW"},
        {
            "names": ["socket"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": int(socket.AF_UNIX), "op": "SCMP_CMP_EQ"}],
        },
        {"names": list(_ABSENT_EVERYWHERE), "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS},
    ]
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules})
