"""Rendered pieces of pages, kept in this process under everything that they were made from. Called by the leaderboard.

A key names a version of what is shown, so nothing has to be thrown away when that changes: what is not asked for any
more is pushed out. Nothing of one reader's may be kept under a key that another reader's request can have.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Piece = TypeVar("Piece")


class KeptPages(Generic[Piece]):
    """At most `most` pieces, the ones that were asked for last. Threads may share it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: OrderedDict[Hashable, Piece] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Piece]) -> Piece:
        """The piece under `key`, made if it is not there. Two threads at once may both make it."""
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
