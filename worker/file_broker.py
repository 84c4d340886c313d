"""kombu's filesystem transport with atomic writes: the default broker, for machines without Redis.

kombu's own transport writes a message in place, so a reader may find it half written, which ends the reader's
process; it also moves messages through the shared temporary folder. Here a file is written under another name
and then renamed, and received by a rename within the same folder.
"""

import json
import logging
import os
import uuid
from pathlib import Path
from queue import Empty
from time import time_ns
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem

SCHEME = "gengap-files"
_log = logging.getLogger(__name__)


def register() -> None:
    """Register `gengap-files://` with kombu."""
    TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"


class Channel(filesystem.Channel):
    """Messages are files `<time>-<random>.<queue>.msg`; a queue's order is that of their names."""

    # kombu's two base classes name the second argument differently
    def _put(self, queue: str, message: Any, **_options: Any) -> None:  # type: ignore[override]
        name = f"{time_ns():020}-{uuid.uuid4().hex}.{queue}.msg"
        _write_whole(Path(self.data_folder_out) / name, message)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        folder = Path(self.data_folder_in)
        for path in sorted(folder.glob(f"*.{queue}.msg")):
            taken = folder / f".taken-{uuid.uuid4().hex}"
            try:
                path.rename(taken)
            except FileNotFoundError:
                continue  # another worker was faster
            content = taken.read_bytes()
            taken.unlink()
            try:
                return json.loads(content)
            except ValueError:
                _log.warning("a damaged message was dropped: %s", path)
        raise Empty

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        binding = [routing_key or "", pattern or "", queue or ""]
        known: list[tuple[str, str, str]] = self.get_table(exchange)  # type: ignore[no-untyped-call]
        path: Path = self._exchange_file(exchange)  # type: ignore[no-untyped-call]
        table = [list(entry) for entry in known]
        if binding not in table:
            _write_whole(path, [*table, binding])

    def _purge(self, queue: str) -> int:
        paths = list(Path(self.data_folder_in).glob(f"*.{queue}.msg"))
        for path in paths:
            path.unlink(missing_ok=True)
        return len(paths)

    def _size(self, queue: str) -> int:
        return len(list(Path(self.data_folder_in).glob(f"*.{queue}.msg")))


class Transport(filesystem.Transport):
    Channel = Channel


def _write_whole(path: Path, content: object) -> None:
    part = path.with_name(f".part-{uuid.uuid4().hex}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
    part.replace(path)
