"""Log files of the child processes: appended to, and never larger than twice the size limit."""

from __future__ import annotations

import os
import shutil
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_BYTES = 20_000_000


def open_log(path: Path) -> IO[bytes]:
    """Open a log file for appending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keep_small(path)
    return path.open("ab")


def keep_small(path: Path, limit: int = LIMIT_BYTES) -> None:
    """When a log is large, copy it to the one former log and truncate it.

    The child keeps writing to the same file: it is open for appending, so this is safe after the truncation.
    A line written between the copy and the truncation is lost.
    """
    if path.exists() and path.stat().st_size > limit:
        shutil.copyfile(path, path.with_suffix(".log.1"))
        os.truncate(path, 0)
