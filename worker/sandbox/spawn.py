"""A permanent thread that starts child processes.

`bwrap --die-with-parent` fires when the *thread* that started it ends, so a sandbox started from a pool's
thread would die with that thread. This thread lives as long as the process.
"""

import queue
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import Future

_Request = tuple[Sequence[str], dict[str, object], "Future[subprocess.Popen[bytes]]"]


class Spawner:
    """Starts child processes from one thread that lives as long as this process."""

    def __init__(self) -> None:
        self._requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, command: Sequence[str], **options: object) -> "subprocess.Popen[bytes]":
        """Start a child process from the permanent thread.

        Parameters
        ----------
        command : sequence of str
        **options
            Passed on to `subprocess.Popen`.

        Returns
        -------
        subprocess.Popen

        Raises
        ------
        OSError
            If the program cannot be started.
        """
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name="sandbox-spawner", daemon=True)
                self._thread.start()
        answer: Future[subprocess.Popen[bytes]] = Future()
        self._requests.put((command, options, answer))
        return answer.result()

    def _serve(self) -> None:
        while True:
            command, options, answer = self._requests.get()
            try:
                answer.set_result(subprocess.Popen(command, **options))  # type: ignore[call-overload]
            except OSError as error:
                answer.set_exception(error)
