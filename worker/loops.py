"""The threads of a worker process: each repeats one step until the process stops, whatever the step raises.

`Loop` has a period of its own; `Slots` are threads that do the same work and are woken one at a time.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable

_log = logging.getLogger(__name__)


class Loop:
    """A thread that calls `step` every `period_s` seconds, and at once when woken.

    What `step` raises is logged, and the loop goes on: a thread that ended would leave a worker that looks alive and
    does nothing.
    """

    def __init__(self, name: str, step: Callable[[], object], period_s: float) -> None:
        self._step = step
        self._period_s = period_s
        self._woken = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Begin the next step now, or once the present one has ended."""
        self._woken.set()

    def stop(self) -> None:
        """Begin no further step."""
        self._stopping = True
        self._woken.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            _attempt(self._thread.name, self._step)
            if not self._stopping:
                self._woken.wait(self._period_s)


class Slots:
    """Threads that wait for work; `wake` wakes one that waits, and is kept, once, if none does."""

    def __init__(self, count: int, work: Callable[[], object]) -> None:
        self._work = work
        self._calls: queue.Queue[None] = queue.Queue(maxsize=1)
        self._stopping = False
        self._threads = [threading.Thread(target=self._run, name=f"slot-{n}", daemon=True) for n in range(count)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        with contextlib.suppress(queue.Full):
            self._calls.put_nowait(None)

    def stop(self) -> None:
        """Begin no further work."""
        self._stopping = True
        self.wake()

    def join(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while True:
            self._calls.get()
            if self._stopping:
                self.wake()  # each wakes the next
                return
            _attempt(threading.current_thread().name, self._work)


def _attempt(name: str, step: Callable[[], object]) -> None:
    try:
        step()
    except Exception:  # noqa: BLE001
        _log.exception("%s failed; it goes on", name)


def stop_all(loops: Iterable[Loop | Slots], timeout_s: float) -> None:
    """Stop all of them, and wait until they have ended, for `timeout_s` seconds at most."""
    loops = list(loops)
    for loop in loops:
        loop.stop()
    deadline = time.monotonic() + timeout_s
    for loop in loops:
        loop.join(max(0.0, deadline - time.monotonic()))
