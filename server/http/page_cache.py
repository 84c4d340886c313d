"""A cache of rendered parts of pages in this process. Used by the leaderboard.

A key names everything that the part depends on, so nothing has to be invalidated: entries that are no longer used are
evicted. A part that depends on the reader must not be stored under a key that another reader's request can have.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Piece = TypeVar("Piece")


class KeptPages(Generic[Piece]):
    """A thread-safe cache of the `most` recently used parts."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: OrderedDict[Hashable, Piece] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Piece]) -> Piece:
        """Return the part under `key`, making it if necessary. Two simultaneous threads may both make it."""
        with self._lock:
            if key in self._pieces:
                self._pieces.move_to_end(key)
                return self._pieces[key]
        piece = make()
        with self._lock:
            self._pieces[key] = piece
            self._pieces.move_to_end(key)
            while len(self._pieces) > self._most:
                self._pieces.popitem(last=False)
        return piece
