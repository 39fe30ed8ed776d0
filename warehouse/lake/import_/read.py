"""Read a file of past posts, whatever program wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.lake.import_.types import FileRefusedError, ReadOptions

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.lake.import_.types import Reading


def read_file(path: Path, *, options: ReadOptions | None = None) -> Reading:
    """Recognise the file by its content; return what it is and its valid rows in batches.

    The whole file is read once before this returns, into a temporary database on disk: decisions about numbers and
    dates hold for a whole column, and every problem is known before the first row is loaded. Reading it again gives
    the same rows in the same order. Raises FileRefusedError; then there are no rows.
    """
    raise FileRefusedError(f"{path} has no reader yet", field="path" if options is None else "path")
