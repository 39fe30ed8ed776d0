"""The lock that serialises all writes to the lake.

DuckLake has no unique keys. Without the lock, four processes that loaded the same rows duplicated them silently
(measured on a PostgreSQL catalog), because the check of each process did not see the rows of the others.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import psycopg
from filelock import FileLock, Timeout

from warehouse.errors import ConflictError, SetupError
from warehouse.lake.attach import describe_lake, local_catalog, postgres_words
from warehouse.postgres import add_timeouts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from warehouse.settings import WarehouseSettings

LOCK_TIMEOUT_S = 600.0
"""Longer than the longest write, an import of some million rows."""
_POLL_S = 0.01
_ADVISORY_KEY = 0x736F6369_616C666C  # "socialfl"


class WriteLock(Protocol):
    """Held by one writer at a time, over all threads and processes; released if the holder is killed."""

    def hold(self) -> AbstractContextManager[None]:
        """Acquire the lock and hold it inside the block. Raises ConflictError after LOCK_TIMEOUT_S."""

    def verify(self) -> None:
        """Raise ConflictError if the lock was lost in the meantime; called just before a commit."""


def make_lock(settings: WarehouseSettings) -> WriteLock:
    """Return the lock of the configured catalog."""
    path = local_catalog(settings)
    if path is not None:
        return FileWriteLock(path.with_name(path.name + ".lock"))
    return PostgresWriteLock(settings)


class FileWriteLock:
    """A flock on a file beside the local catalog. The kernel releases it with its process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Acquire the lock and hold it inside the block."""
        # A new object each time: each has its own file handle, so that threads exclude each other too.
        lock = FileLock(self._path, timeout=LOCK_TIMEOUT_S, poll_interval=_POLL_S)
        try:
            lock.acquire()
        except Timeout:
            raise ConflictError(
                f"another process has been writing to the lake for {LOCK_TIMEOUT_S / 60:.0f} minutes "
                f"(lock {self._path}): try again later",
                code="lake_busy",
            ) from None
        except OSError as error:
            raise SetupError(
                f"cannot write to the lake's folder {self._path.parent}: {error.strerror}"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def verify(self) -> None:
        """Do nothing: a flock cannot be lost while its process lives."""


class PostgresWriteLock:
    """A session-level advisory lock in the catalog's database. The server releases it with the session."""

    def __init__(self, settings: WarehouseSettings) -> None:
        self._words = add_timeouts(postgres_words(settings))
        self._shown = describe_lake(settings)
        self._held = threading.local()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Acquire the lock and hold it inside the block."""
        try:
            session = psycopg.connect(self._words, autocommit=True)
        except psycopg.OperationalError as error:
            raise SetupError(
                f"cannot reach the lake's catalog {self._shown} ({type(error).__name__})"
            ) from None
        with session:
            try:
                session.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S:.0f}s'")
                session.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_KEY,))
            except psycopg.errors.LockNotAvailable:
                raise ConflictError(
                    f"another process has been writing to the lake for {LOCK_TIMEOUT_S / 60:.0f} minutes: "
                    "try again later",
                    code="lake_busy",
                ) from None
            self._held.session = session
            try:
                yield
            finally:
                self._held.session = None

    def verify(self) -> None:
        """Check that the session, and with it the lock, still exists on the server."""
        session: psycopg.Connection | None = getattr(self._held, "session", None)
        try:
            if session is None:
                raise ConflictError("the lake's write lock is not held", code="lake_lock_lost")
            session.execute("SELECT 1")
        except psycopg.OperationalError as error:
            raise ConflictError(
                "the lake's write lock was lost: nothing was written", code="lake_lock_lost"
            ) from error
