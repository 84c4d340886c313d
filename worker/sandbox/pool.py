"""A fixed number of sandboxes, made when first needed and lent to one thread at a time."""

import queue
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from submissions.settings import Backend
from worker.sandbox import cgroups
from worker.sandbox.bubblewrap import BubblewrapLauncher
from worker.sandbox.protocol import Sandbox
from worker.sandbox.spawn import Spawner
from worker.sandbox.zygote_sandbox import Launcher, ZygoteSandbox


class SandboxPool:
    """`slots` sandboxes. `borrow()` waits for a free one; `close()` ends them all."""

    def __init__(self, slots: int, make: Callable[[], Sandbox]) -> None:
        self._free: queue.LifoQueue[Sandbox] = queue.LifoQueue()
        self._all = [make() for _ in range(slots)]
        for sandbox in self._all:
            self._free.put(sandbox)

    @property
    def free_slots(self) -> int:
        return self._free.qsize()

    @contextmanager
    def borrow(self) -> Iterator[Sandbox]:
        sandbox = self._free.get()
        try:
            yield sandbox
        finally:
            self._free.put(sandbox)

    def interrupt(self) -> None:
        for sandbox in self._all:
            sandbox.interrupt()

    def close(self) -> None:
        for sandbox in self._all:
            sandbox.close()


def make_pool(backend: Backend, slots: int) -> SandboxPool:
    """A pool of the backend that `Settings.sandbox` names. Removes control groups that a killed predecessor left."""
    cgroups.remove_stale()
    launcher = _LAUNCHERS[backend]()
    return SandboxPool(slots, lambda: ZygoteSandbox(launcher))


_LAUNCHERS: Mapping[Backend, Callable[[], Launcher]] = {"bubblewrap": lambda: BubblewrapLauncher(Spawner())}
