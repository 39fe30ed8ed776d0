"""Detect that a publisher on this machine has ended: its process holds a file lock for its whole lifetime.

The operating system releases the lock when the process ends, however it ends. A missing heartbeat proves
less: the process may be cut off from the store and still be sending.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LONGEST_HOST = 50
ACQUIRE_SECONDS = 10.0
"""A new publisher's lock can only be held for a moment, by another publisher that tests it."""


def make_owner() -> str:
    """Return a unique lease name: host, process and a random part."""
    return f"{_host()}:{os.getpid()}:{uuid4().hex[:12]}"


class LifeLock:
    """The lock of one publisher, and tests of the locks of others. `folder` is on a local disk."""

    def __init__(self, folder: Path, owner: str) -> None:
        self._folder = folder
        self._owner = owner
        # Not thread-local: it is acquired in one thread and released in another.
        self._lock = FileLock(_path(folder, owner), thread_local=False)

    def acquire(self) -> None:
        """Acquire the lock. Raises OSError if the folder is not writable, filelock.Timeout."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock.acquire(timeout=ACQUIRE_SECONDS)

    def release(self) -> None:
        """Release the lock. The file stays and shows that this publisher has ended."""
        self._lock.release()

    def find_dead(self, owners: Iterable[str]) -> list[str]:
        """Return those of `owners` whose process on this machine has ended.

        Publishers of another machine or another home are never returned: they have no lock file here.
        """
        return [
            owner for owner in owners if owner != self._owner and _is_here(owner) and self._is_dead(owner)
        ]

    def forget(self, owners: Iterable[str]) -> None:
        """Remove the lock files of publishers whose end is recorded in the store."""
        for owner in owners:
            with suppress(
                OSError
            ):  # Windows refuses while another process tests the lock; a leftover file is harmless
                _path(self._folder, owner).unlink(missing_ok=True)

    def _is_dead(self, owner: str) -> bool:
        path = _path(self._folder, owner)
        return path.exists() and not _is_locked(path)


def find_living(folder: Path) -> list[Path]:
    """Return the lock files in `folder` that a publisher holds."""
    return [path for path in sorted(folder.glob("*.lock")) if _is_locked(path)]


def _is_locked(path: Path) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _host() -> str:
    return socket.gethostname()[:LONGEST_HOST]


def _is_here(owner: str) -> bool:
    return owner.rsplit(":", 2)[0] == _host()


def _path(folder: Path, owner: str) -> Path:
    return folder / f"{owner.replace(':', '_')}.lock"
