"""The system call filter of a participant's process: an allow-list, assembled here, loaded inside by prctl.

A measure may ask on which processors it runs, but not change that: torch, OpenBLAS and scikit-learn only ask.
Assembled outside because libseccomp is not visible inside the sandbox. Everything not named is refused with
EPERM; newer calls that the C library tries first are refused with ENOSYS so that it falls back.
"""

import json
import socket
import tempfile
from collections.abc import Sequence
from functools import cache

try:
    import pyseccomp
except (ImportError, RuntimeError, OSError):  # the binding loads libseccomp.so.2 when it is imported
    pyseccomp = None

EPERM, ENOSYS = 1, 38
NAMESPACE_FLAGS = 0x7E020080  # CLONE_NEW* of clone(2)

_ALLOWED_NAMES = """
access alarm arch_prctl brk capget chdir chmod clock_getres clock_gettime clock_nanosleep close close_range
copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd eventfd2
execve execveat exit exit_group faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fcntl fdatasync flock
fork fstat fstatfs fsync ftruncate futex futex_waitv getcpu getcwd getdents getdents64 getegid geteuid getgid
getgroups getitimer getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage
getsid gettid gettimeofday getuid get_robust_list ioctl kill lseek lstat madvise membarrier mincore mkdir mkdirat mmap
mprotect mremap msync munmap nanosleep newfstatat open openat openat2 pause pipe pipe2 poll ppoll prctl pread64 preadv
preadv2 prlimit64 pselect6 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv rename renameat
renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
rt_sigsuspend rt_sigtimedwait sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max
sched_get_priority_min sched_yield select sendfile setitimer setpgid setpriority setrlimit setsid
set_robust_list set_tid_address sigaltstack socketpair splice stat statfs statx symlink symlinkat sync_file_range
sysinfo tee tgkill time times tkill truncate umask uname unlink unlinkat utime utimensat utimes vfork wait4 waitid
write writev sendto recvfrom sendmsg recvmsg shutdown getsockopt setsockopt getpeername getsockname timer_create
timer_delete timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime link linkat get_mempolicy
"""
ALLOWED = tuple(_ALLOWED_NAMES.split())
ABSENT = ("clone3", "set_mempolicy", "mbind", "futex_wait", "futex_wake")
_ZYGOTE_NAMES = """
capset clone connect landlock_add_rule landlock_create_ruleset landlock_restrict_self mount pidfd_open
sched_setaffinity seccomp sethostname umount2 unshare
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
    rules.add_rule(pyseccomp.ALLOW, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, NAMESPACE_FLAGS, 0))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def call_numbers(names: Sequence[str]) -> list[int]:
    """Look up the numbers of system calls on this machine.

    Parameters
    ----------
    names : sequence of str

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


def _add(rules: "pyseccomp.SyscallFilter", action: object, name: str) -> None:
    """Allow a call, unless this architecture or libseccomp does not know it (then it stays refused)."""
    if _number(name) != -1:
        rules.add_rule(action, name)


def container_profile() -> str:
    """Return the seccomp profile of a whole container, as JSON in Docker's format.

    A zygote needs some calls that a measure does not: to make namespaces, mounts and Landlock rules, and to drop its
    rights, which `layer_check` tests with `sethostname`. A measure's own filter applies in addition.
    """
    rules: list[dict[str, object]] = [
        {"names": [*ALLOWED, *_ZYGOTE_NAMES.split()], "action": "SCMP_ACT_ALLOW"},
        {
            "names": ["socket"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": int(socket.AF_UNIX), "op": "SCMP_CMP_EQ"}],
        },
        {"names": list(ABSENT), "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS},
    ]
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules})
