"""Detect whether anything in the store has changed since a response was cached."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from sqlalchemy import Engine


class ChangeCounter:
    """Reads SQLite's `data_version` on a connection that never writes, so every commit by another connection shows.

    This includes commits by other processes. Thread-safe.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, engine: Engine) -> Self | None:
        """Return a counter, or None if the database has no such number."""
        path = engine.url.database
        if engine.dialect.name != "sqlite" or not path or path == ":memory:":
            return None
        return cls(sqlite3.connect(path, isolation_level=None, check_same_thread=False))

    def read(self) -> int:
        """Return the data version: the same number as before = no commit since."""
        with self._lock:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            return int(version)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()
