"""Detect the lake's newest commit without a catalog query each time, which costs 4 ms.

A commit to a local catalog (SQLite) writes to its files, so unchanged files mean that there is no newer commit.
Only their size and time are checked: opening them would drop DuckDB's locks on them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Stamps = tuple[tuple[int, int] | None, ...]

SETTLE_S = 0.1
"""Two writes within a tick of the file system's clock (4 ms) look like one, so more recent files prove nothing."""
LONGEST_S = 1.0
"""A commit becomes visible after its bytes are written, later on a slow disk, so results expire after this time."""


class CommitWatch:
    """Caches the number of the newest snapshot. Thread-safe."""

    def __init__(
        self, catalog: Path | None, ask: Callable[[], int], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Watch the catalog's file (None = not a file: call `ask` each time); `ask` queries the lake."""
        self._clock = clock
        self._files = () if catalog is None else (catalog, catalog.with_name(catalog.name + "-wal"))
        self._ask = ask
        self._known: tuple[Stamps, float, int] | None = None

    def snapshot_id(self) -> int:
        """Return the number of the newest commit."""
        if not self._files:
            return self._ask()
        # Check the files before the query: then a commit in between makes them differ the next time.
        stamps, asked_at = self._look(), self._clock()
        if (number := self._recall(stamps, asked_at)) is not None:
            return number
        settled_before = time.time_ns() - int(SETTLE_S * 1e9)
        number = self._ask()
        settled = all(stamp is None or stamp[0] < settled_before for stamp in stamps)
        # A single assignment: threads see either the old or the new value.
        self._known = (stamps, asked_at, number) if settled else None
        return number

    def peek(self) -> int | None:
        """Return the number of the newest commit if it is known without a query, else None. Takes microseconds."""
        return self._recall(self._look(), self._clock()) if self._files else None

    def _recall(self, stamps: Stamps, at: float) -> int | None:
        known = self._known
        if known is not None and known[0] == stamps and at - known[1] < LONGEST_S:
            return known[2]
        return None

    def _look(self) -> Stamps:
        stamps: list[tuple[int, int] | None] = []
        for file in self._files:
            try:
                status = file.stat()
            except FileNotFoundError:
                stamps.append(None)
            else:
                stamps.append((status.st_mtime_ns, status.st_size))
        return tuple(stamps)
