"""Rendered parts of responses, kept by the values they were rendered from, up to a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

_MOST_BYTES = 16_000_000
"""Of renderings; the values they were rendered from take about as much again."""


class Renderings:
    """The least recently used are dropped. A key must determine its rendering. Thread-safe."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self.bytes_kept = 0

    def find(self, key: Hashable) -> bytes | None:
        """Return the rendering of the key, if it is kept."""
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
            return known

    def keep(self, key: Hashable, made: bytes) -> None:
        """Keep the rendering of the key."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self.bytes_kept += len(made)
            while self.bytes_kept > self._most_bytes:
                _, dropped = self._kept.popitem(last=False)
                self.bytes_kept -= len(dropped)
