"""Whether anything in the store has changed: asked before an answer that was given before is given again."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from sqlalchemy import Engine


class ChangeCounter:
    """SQLite's own `data_version`, on a connection that never writes: every commit of any other one shows.

    That includes commits by other processes. Safe to share between threads.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, engine: Engine) -> Self | None:
        """Return a counter, or None where the database offers none."""
        path = engine.url.database
        if engine.dialect.name != "sqlite" or not path or path == ":memory:":
            return None
        return cls(sqlite3.connect(path, isolation_level=None, check_same_thread=False))

    def read(self) -> int:
        """Return a number that means nothing but: the same as before = nothing has been committed since."""
        with self._lock:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            return int(version)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()
