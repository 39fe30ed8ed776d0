"""The store's clock: one reference for due times, leases and heartbeats on all machines.

    PostgreSQL  the server's `clock_timestamp()`, carried forward by this process's monotonic clock between syncs
    SQLite      the machine's own clock, checked against the time that the file system stamps on a file beside
                the database

A process whose own clock differs by more than CLOCK_TOLERANCE from that reference must not publish: its log, its
timeouts and the times it sends to platforms would be wrong, and the whole machine's clock may be.
"""

from __future__ import annotations

import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from warehouse.store.database import Session, Store

CLOCK_TOLERANCE = timedelta(seconds=2)


def utc_now() -> datetime:
    """Return the current time by this process's own clock, aware UTC."""
    return datetime.now(UTC)


class StoreClock:
    """Returns the current time by the store's clock, aware UTC. Thread-safe.

    Before the first `sync`, and if the reference cannot be read, this process's own clock is used.
    """

    def __init__(
        self,
        store: Store,
        *,
        wall: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        reference: Callable[[], datetime] | None = None,
        carried_forward: bool | None = None,
    ) -> None:
        """All arguments but `store` are for tests: this process's clocks, and the reference clock.

        `carried_forward`: use the reference plus the monotonic clock, as on PostgreSQL, not `wall`.
        """
        self._wall = wall
        self._monotonic = monotonic
        self._reference = reference or _choose_reference(store)
        # SQLite has no clock of its own, and file times may be rounded to two seconds: usable for comparison
        # only.
        self._carried_forward = store.dialect != "sqlite" if carried_forward is None else carried_forward
        self._anchor: tuple[datetime, float] | None = None
        self.skew = timedelta(0)
        """This process's own clock minus the reference, at the last `sync`; positive = ours is ahead."""
        self._uncertainty = timedelta(0)

    def __call__(self) -> datetime:
        """Return the current time."""
        if self._anchor is None:
            return self._wall() if self.is_trusted else self._wall() - self.skew
        at, monotonic = self._anchor
        return at + timedelta(seconds=self._monotonic() - monotonic)

    @property
    def is_trusted(self) -> bool:
        """False when this process's own clock is certainly off by more than the tolerance."""
        return abs(self.skew) - self._uncertainty <= CLOCK_TOLERANCE

    def sync(self) -> None:
        """Compare with the reference, in one short query. Raises the database driver's errors."""
        before = self._monotonic()
        reference = self._reference()
        after = self._monotonic()
        # The reference was read at some moment in between.
        took = timedelta(seconds=after - before)
        self.skew = self._wall() - took / 2 - reference
        self._uncertainty = took / 2
        if self._carried_forward:
            self._anchor = (reference, (before + after) / 2)


def read_time(session: Session) -> datetime:
    """Return the current time by the clock of the session's store."""
    if session.get_bind().dialect.name == "sqlite":
        return utc_now()
    now: datetime = session.scalars(select(func.clock_timestamp())).one()
    return now.astimezone(UTC)


def to_store_clock(store: Store, clock: Callable[[], datetime] | None) -> StoreClock:
    """Return `clock` as a StoreClock: the store's own for None; an injected clock is its own reference."""
    if clock is None:
        return StoreClock(store)
    if isinstance(clock, StoreClock):
        return clock
    return StoreClock(store, wall=clock, reference=clock, carried_forward=False)


def _choose_reference(store: Store) -> Callable[[], datetime]:
    if store.dialect == "sqlite":
        folder = store.folder
        return utc_now if folder is None else lambda: read_file_time(folder)

    def read() -> datetime:
        with store.read() as session:
            return read_time(session)

    return read


def read_file_time(folder: Path) -> datetime:
    """Return the time that the file system of `folder` stamps on files. Raises OSError."""
    with tempfile.TemporaryFile(dir=folder) as file:
        os.utime(file.fileno())
        return datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
