"""Measures where the time of one network goes, for the author of a measure: loading, forward passes, lines of code.

`participant` uses it where the request asks for a profile. The tracing slows the measure's own lines down.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch

MOST_LINES = 20


class Profiler:
    """Times the parts of one evaluation.

    folder: where the measure's own files are; only their lines are timed.
    """

    def __init__(self, folder: str) -> None:
        self._prefix = f"{folder}/"
        self._started_at = time.perf_counter()
        self._ends: dict[str, float] = {}
        self._lines: dict[tuple[str, int], float] = defaultdict(float)
        self._forward_s, self._forward_passes, self._depth, self._forward_at = 0.0, 0, 0, 0.0

    def mark(self, part: str) -> None:
        """Note that a part ends here; the parts follow each other."""
        now = time.perf_counter()
        self._ends[part], self._started_at = now - self._started_at, now

    def watch(self, model: torch.nn.Module) -> None:
        """Time the forward passes of a network."""
        model.register_forward_pre_hook(self._before)
        model.register_forward_hook(self._after, always_call=True)

    def call(self, function: Callable[..., object], *arguments: object) -> object:
        """Call a function while the lines of the measure's files are timed."""
        sys.settrace(self._enter)
        try:
            return function(*arguments)
        finally:
            sys.settrace(None)

    def told(self) -> dict[str, object]:
        """Return what was measured, as JSON can hold it."""
        slowest = sorted(self._lines.items(), key=lambda item: -item[1])[:MOST_LINES]
        return {
            "load_s": self._ends.get("load", 0.0),
            "import_s": self._ends.get("import", 0.0),
            "measure_s": self._ends.get("measure", 0.0),
            "forward_s": self._forward_s,
            "forward_passes": self._forward_passes,
            "lines": [
                [file.removeprefix(self._prefix)[:80], line, round(seconds, 6)] for (file, line), seconds in slowest
            ],
        }

    def _before(self, *_: Any) -> None:
        if self._depth == 0:
            self._forward_at = time.perf_counter()
        self._depth += 1

    def _after(self, *_: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._forward_s += time.perf_counter() - self._forward_at
            self._forward_passes += 1

    def _enter(self, frame: FrameType, _event: str, _argument: object) -> Callable[..., Any] | None:
        file = frame.f_code.co_filename
        return _LineTimer(file, self._lines).step if file.startswith(self._prefix) else None


class _LineTimer:
    """Times the lines of one call of one function: a line lasts until the next one of the same call begins."""

    def __init__(self, file: str, lines: dict[tuple[str, int], float]) -> None:
        self._file, self._lines = file, lines
        self._line, self._since = 0, time.perf_counter()

    def step(self, frame: FrameType, event: str, _argument: object) -> Callable[..., Any]:
        now = time.perf_counter()
        if event in ("line", "return"):
            if self._line:
                self._lines[self._file, self._line] += now - self._since
            self._line = frame.f_lineno if event == "line" else 0
            self._since = time.perf_counter()
        return self.step
