"""The children's logs: appended to, and never larger than twice the limit, however long a child lives."""

from __future__ import annotations

import os
import shutil
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_BYTES = 20_000_000


def open_log(path: Path) -> IO[bytes]:
    """Open a log to append to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keep_small(path)
    return path.open("ab")


def keep_small(path: Path, limit: int = LIMIT_BYTES) -> None:
    """Once a log has grown large, keep it as the one former log and begin anew.

    The child goes on writing to the same file: it appends, so what is emptied is simply filled again. A line
    written between the copy and the emptying is lost.
    """
    if path.exists() and path.stat().st_size > limit:
        shutil.copyfile(path, path.with_suffix(".log.1"))
        os.truncate(path, 0)
