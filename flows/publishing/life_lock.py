"""Certainty about the end of a publisher on this machine: a file lock that its process holds as long as it lives.

The operating system frees the lock when the process ends, however it ends. A heartbeat that stops proves less: the
process may be cut off from the store, and still be sending.
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
"""Nobody else holds a new publisher's lock but, for a moment, one that looks whether it is free."""


def make_owner() -> str:
    """Return a lease name that no other publisher has: host, process and a random part."""
    return f"{_host()}:{os.getpid()}:{uuid4().hex[:12]}"


class LifeLock:
    """The lock of one publisher, and its look at those of others. `folder` is on a disk of this machine."""

    def __init__(self, folder: Path, owner: str) -> None:
        self._folder = folder
        self._owner = owner
        # Not bound to a thread: it is acquired in one and released in another.
        self._lock = FileLock(_path(folder, owner), thread_local=False)

    def acquire(self) -> None:
        """Hold the lock. Raises OSError where the folder cannot be written, filelock.Timeout."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock.acquire(timeout=ACQUIRE_SECONDS)

    def release(self) -> None:
        """Give the lock up; its file stays, and says that this publisher has ended."""
        self._lock.release()

    def find_dead(self, owners: Iterable[str]) -> list[str]:
        """Return those of `owners` whose process on this machine has ended.

        One of another machine, or of another home, is never among them: there is no file to tell.
        """
        return [
            owner for owner in owners if owner != self._owner and _is_here(owner) and self._is_dead(owner)
        ]

    def forget(self, owners: Iterable[str]) -> None:
        """Remove the files of publishers whose end is noted in the store."""
        for owner in owners:
            with suppress(
                OSError
            ):  # Windows refuses while another looks at it: a file left over harms nobody
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
