"""The zygote: imports torch and its companions once, then forks one fresh process per network.

A backend (`worker.sandbox.backends.bubblewrap`, …) starts it inside a sandbox with a control socket. Each
message on that socket is one network: names of `Descriptors`, and the descriptors in that order. Per network:

    zygote ── clone ──> init: process 1 in new namespaces, mounts, drops every right, reports the end
                          └─ fork ──> participant: limits, Landlock, seccomp, the measure, 9 bytes

The zygote itself never runs participant code, so that nothing carries over from one network to the next.
"""

import ctypes
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch

from model_zoo.architectures import build
from worker.harness import huge_pages, landlock, lockdown, participant
from worker.harness.descriptors import Descriptors

ALWAYS_LOADED = (  # each with the packages above it
    "torch.nn.functional",
    "torch.utils.data",
    "torch.func",
    "numpy.random",
    "numpy.linalg",
)
LOADED_FOR_MANY = (  # left out of a lean zygote
    "scipy.stats",
    "scipy.linalg",
    "scipy.optimize",
    "scipy.sparse.linalg",
    "scipy.spatial",
    "sklearn.cluster",
    "sklearn.metrics",
    "sklearn.decomposition",
    "sklearn.neighbors",
    "sklearn.linear_model",
)

NAMES_BYTES = 4000
MOST_DESCRIPTORS = 253  # in one message; the kernel sends no more


def main(control_descriptor: int, *, is_lean: bool = False) -> None:
    """Serve until the supervisor closes its end of the control socket."""
    control = socket.socket(fileno=control_descriptor)
    tempfile.tempdir = "/tmp"  # noqa: S108  (read-only here, a private tmpfs in every participant's process)
    for name in ALWAYS_LOADED if is_lean else ALWAYS_LOADED + LOADED_FOR_MANY:
        importlib.import_module(name)
    _warm_up()
    gc.collect()
    gc.freeze()  # a collection in a child must not copy the zygote's pages
    huge_pages.gather()
    _assert_single_threaded()
    memory_map, writable = Path("/proc/self/maps").read_bytes(), lockdown.writable_mounts()
    control.send(b"ready")
    while True:
        message, received, _flags, _address = socket.recv_fds(control, NAMES_BYTES, MOST_DESCRIPTORS)
        if not message:
            os._exit(0)  # there is nothing to clean up, and torch's own clean-up takes long
        descriptors = Descriptors.of(message.decode().split(), received)
        _assert_single_threaded()
        init = lockdown.fork_into_namespaces()
        if init == 0:
            control.close()
            try:
                _init(descriptors, memory_map, writable)
            except BaseException:  # noqa: BLE001  (ours, and the log of the zygote is where we look)
                traceback.print_exc()
            finally:
                os._exit(71)
        for descriptor in received:
            if descriptor != descriptors.channel:
                os.close(descriptor)
        _watch(init, descriptors.channel)
        os.close(descriptors.channel)
        control.send(b"done")


def _warm_up() -> None:
    """Do once, before the first fork, what torch does at first use.

    It reads /proc/cpuinfo, which is not there later; building a network without memory and seeding would cost every
    fork 10 ms. `torch.func.hessian` is left out: its lazy imports take its few users a second, but in the zygote they
    would cost every network another 25 ms of forking and every slot 75 MB.
    """
    image = torch.ones(1, 1, 3, 3)
    torch.nn.functional.conv2d(image, image) @ torch.ones(1, 1)
    layers = [{"type": "flatten"}, {"type": "linear", "inputs": 9, "outputs": 1}]
    with torch.device("meta"):
        network = build({"family": "sequential", "layers": layers})
    network.load_state_dict({"1.weight": torch.ones(1, 9), "1.bias": torch.ones(1)}, assign=True)
    network.requires_grad_(True).eval()
    network(image)
    torch.manual_seed(0)
    # The C library's sort asks once how much memory the machine has, which a measure may not.
    numbers = (ctypes.c_int * 2000)()
    comparison = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda _one, _other: 0)
    ctypes.CDLL(None).qsort(numbers, len(numbers), ctypes.sizeof(ctypes.c_int), comparison)


def _assert_single_threaded() -> None:
    """Raise if there are several threads: a fork could then inherit locks that nobody releases."""
    tasks = len(list(Path("/proc/self/task").iterdir()))
    if tasks != 1:
        raise RuntimeError(f"the zygote runs {tasks} threads; it must run one")


def _watch(init: int, channel: int) -> None:
    """Wait until init ends, and kill it when the supervisor closes its end of the channel.

    The supervisor's end closes when it dies, and when it may not signal a process of another user itself.
    """
    init_ends = os.pidfd_open(init)
    events = select.poll()
    events.register(init_ends, select.POLLIN)
    events.register(channel, select.POLLRDHUP)
    while init_ends not in (descriptor for descriptor, _ in events.poll()):
        os.kill(init, signal.SIGKILL)
        events.unregister(channel)
    os.close(init_ends)
    os.waitpid(init, 0)


def _init(descriptors: Descriptors, memory_map: bytes, writable: Sequence[lockdown.Mount]) -> None:
    """Run process 1 of the network's pid namespace, which is trusted: it starts the participant and reports its end.

    Both processes introduce themselves, and the supervisor puts both into a control group while the participant's
    process still runs our code alone (moving a process may take the kernel 10 ms); later processes inherit it.
    """
    lockdown.die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=descriptors.channel)
    channel.send(b"here")  # the kernel attaches our pid, as the supervisor sees it
    request = json.loads(os.pread(descriptors.request, os.fstat(descriptors.request).st_size, 0))
    lockdown.stay_on(request["processors"])
    lockdown.take_name()
    lockdown.private_files(request["limits"]["scratch_bytes"], memory_map, writable)
    if request["covers_root"]:
        lockdown.cover_unneeded()
    lockdown.drop_rights()
    pid = lockdown.fork()
    if pid == 0:
        try:
            lockdown.die_with_parent()
            channel.send(b"here")
            if request["kernel_limits"]:
                lockdown.limit_resources(request["limits"])
            if request["landlock"]:
                landlock.restrict()
            if request["seccomp"]:
                lockdown.filter_system_calls(bytes.fromhex(request["seccomp"]))
            participant.run(request, descriptors, channel.detach())
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        finally:
            os._exit(72)
    for descriptor in (descriptors.result, descriptors.report, descriptors.log):
        os.close(descriptor)
    while True:
        waited, status = os.wait()
        if waited == pid:
            break
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)  # of every process that has ended, orphans too
    shared_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # what is the zygote's, not the measure's
    told = {
        "status": status,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_bytes": max(0, usage.ru_maxrss - shared_kib) * 1024,
    }
    channel.send(json.dumps(told).encode())
    os._exit(0)
