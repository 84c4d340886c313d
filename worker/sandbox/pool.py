"""A fixed number of sandboxes, made when first needed and lent to one thread at a time.

`make_pool` makes one of the backend that the settings name; the worker, `gengap evaluate` and the self-test call it.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from submissions.settings import Settings
from worker.sandbox.backends import find_backend
from worker.sandbox.layers.layer_check import Layers
from worker.sandbox.limits import cgroups
from worker.sandbox.protocol import Sandbox, SandboxError
from worker.sandbox.zygote_sandbox import ZygoteSandbox


class SandboxPool:
    """A fixed number of sandboxes, each lent to one thread at a time.

    Parameters
    ----------
    slots : int
        Number of sandboxes.
    make : callable
        Makes the sandbox of a slot, given the slot's number from 0.
    end : callable
        Called after all sandboxes have been closed.
    """

    def __init__(self, slots: int, make: Callable[[int], Sandbox], end: Callable[[], None]) -> None:
        self._end = end
        self._free: queue.LifoQueue[Sandbox] = queue.LifoQueue()
        self._all = [make(slot) for slot in range(slots)]
        for sandbox in self._all:
            self._free.put(sandbox)

    @property
    def slots(self) -> int:
        """Number of sandboxes."""
        return len(self._all)

    def layers(self, *, anew: bool = False) -> Mapping[str, bool]:
        """Return which layers of protection hold; the first call tries them in a free sandbox.

        Parameters
        ----------
        anew : bool, optional
            Whether to try them again.

        Returns
        -------
        mapping of str to bool
            By the names of `layer_table.TABLE`.

        Raises
        ------
        SandboxError
            If no sandbox starts.
        """
        with self.borrow() as sandbox:
            if anew:
                sandbox.forget_layers()
            return sandbox.layers

    @contextmanager
    def borrow(self) -> Iterator[Sandbox]:
        """Wait for a free sandbox, and lend it for the duration of a ``with`` block."""
        sandbox = self._free.get()
        try:
            yield sandbox
        finally:
            self._free.put(sandbox)

    def warm(self) -> None:
        """Start every sandbox in the background, for work that is about to come; a fault shows when it is used."""
        for _ in self._all:
            threading.Thread(target=self._warm_one, name="sandbox-warmer", daemon=True).start()

    def _warm_one(self) -> None:
        with contextlib.suppress(SandboxError, queue.Empty):
            sandbox = self._free.get_nowait()
            try:
                sandbox.warm()
            finally:
                self._free.put(sandbox)

    def interrupt(self) -> None:
        """End the evaluations in progress; each raises SandboxError in its own thread."""
        for sandbox in self._all:
            sandbox.interrupt()

    def close(self) -> None:
        """End every process of the pool and remove its files."""
        for sandbox in self._all:
            sandbox.close()
        self._end()


def make_pool(settings: Settings, slots: int, *, is_lean: bool = False) -> SandboxPool:
    """Make a pool of the backend that the settings name, and remove control groups that a killed worker left.

    Parameters
    ----------
    settings : Settings
        `sandbox` names the backend, which takes its own options from the others.
    slots : int
        How many sandboxes the pool has.
    is_lean : bool, optional
        Whether its zygotes start without SciPy and scikit-learn: sooner, but each network of a measure that imports
        them loads them anew.

    Returns
    -------
    SandboxPool
        No sandbox of it has been started.

    Raises
    ------
    UnknownBackendError
        If there is no backend of this name.
    """
    backend = find_backend(settings.sandbox)
    cgroups.remove_stale()
    launcher = backend.launcher(settings, is_lean)
    layers = Layers()
    return SandboxPool(slots, lambda slot: ZygoteSandbox(launcher, slot, layers), launcher.close)
