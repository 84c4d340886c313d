"""`gengap` with a clock that is wrong by CHAOS_SHIFT_S seconds: time.time and datetime.now, in this process alone."""

import datetime
import os
import time
from datetime import datetime as real_datetime
from typing import Any

from tests.chaos.programs import SHIFT

_real_time, _real_time_ns = time.time, time.time_ns


class _AlsoReal(type):
    """Instances of the real class count as instances of the shifted one."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, real_datetime)


class _Shifted(real_datetime, metaclass=_AlsoReal):
    __slots__ = ()  # as large as the real one, which compiled modules check

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return real_datetime.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return real_datetime.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)


def shift(seconds: float) -> None:
    """From now on the clock is wrong; must come before the import of whatever takes these names out of the modules."""
    time.time = lambda: _real_time() + seconds
    time.time_ns = lambda: _real_time_ns() + int(seconds * 1e9)
    datetime.datetime = _Shifted  # type: ignore[misc]


if __name__ == "__main__":
    shift(float(os.environ[SHIFT]))
    from server.cli import main

    main()
