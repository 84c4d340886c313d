"""Counters of requests in this process: the limiter's memory storage, without its timer thread.

The library's storage starts a timer thread whenever it counts, which costs more than a cached page, and scans all
counters each time. Here an expired counter is removed when it is read, and all others once a minute.
"""

import time

from limits.storage import MemoryStorage

SCHEME = "counts"
_SWEEP_S = 60.0


class _NoTimer:
    """Replaces the timer; it is never started, because it always claims to be running."""

    def is_alive(self) -> bool:
        return True


class Counts(MemoryStorage):
    """Counters in memory, cleaned up once a minute by the request that counts then."""

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012  (as the library declares it)

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **options: str) -> None:
        super().__init__(uri, wrap_exceptions, **options)
        self.timer.join()
        self.timer = _NoTimer()  # type: ignore[assignment]
        self._sweep_at = 0.0

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = time.time()
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_S
            for old in [name for name, ends in list(self.expirations.items()) if ends <= now]:
                self.clear(old)
        return super().incr(key, expiry, amount)
