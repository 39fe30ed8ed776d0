"""Failed sign-ins, counted: an attacker must not fill the audit log, or have every guess written to the disk."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

MOST_BUCKETS = 60
"""Keys and addresses told apart in one minute; the failures of further ones are counted together."""
_OTHERS = ("", "")


class FailureCounter:
    """Counts failures of one process per key, address and minute. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute: datetime | None = None
        self._counts: dict[tuple[str, str], int] = {}

    def count(self, key_id: str, address: str, now: datetime) -> tuple[str, str, int] | None:
        """Count one failure; return (key, address, count) where an entry is due: at 1, 10, 100 ... in a minute.

        Key and address are empty where too many differ in this minute.
        """
        minute = now.replace(second=0, microsecond=0)
        with self._lock:
            if minute != self._minute:
                self._minute, self._counts = minute, {}
            bucket = (key_id, address)
            if bucket not in self._counts and len(self._counts) >= MOST_BUCKETS:
                bucket = _OTHERS
            count = self._counts[bucket] = self._counts.get(bucket, 0) + 1
        # A power of ten is a 1 and zeros.
        return (*bucket, count) if str(count).rstrip("0") == "1" else None
