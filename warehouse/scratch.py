"""Temporary folders that go even if their process is killed: the next one sweeps them away."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "socialflow-scratch-"
_LOCK = "in-use.lock"
_YOUNG_SECONDS = 60.0
"""A folder may be made and not locked yet."""


class Scratch:
    """A temporary folder of this process, locked while it is used."""

    def __init__(self) -> None:
        sweep()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = FileLock(self.path / _LOCK)
        self._lock.acquire(timeout=0)

    def remove(self) -> None:
        """Delete the folder; nothing happens if it is gone."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a temporary folder."""
    scratch = Scratch()
    try:
        yield scratch.path
    finally:
        scratch.remove()


def sweep(now: float | None = None) -> int:
    """Delete the folders of processes that were killed; return their number. Folders in use are locked."""
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            status = folder.lstat()
            if (
                status.st_mtime > (now or time.time()) - _YOUNG_SECONDS
                or not folder.is_dir()
                or folder.is_symlink()
            ):
                continue
            if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
                continue
            with FileLock(folder / _LOCK, timeout=0):
                pass
        except (Timeout, OSError):  # in use, or another process has just removed it
            continue
        shutil.rmtree(folder, ignore_errors=True)
        removed += not folder.exists()
    return removed
