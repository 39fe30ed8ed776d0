"""Atomic file writes: write to a temporary path in the same folder, then move it into place."""

from __future__ import annotations

import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from warehouse.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def write_beside(target: Path) -> Iterator[Path]:
    """Yield a free path in the target's folder; after the block it is moved to the target.

    A file replaces an earlier file. A folder needs a free name or an empty folder of that name. On any error nothing is
    left behind. Raises InvalidInputError if the target cannot be written.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        if not target.parent.is_dir():
            raise InvalidInputError(
                f"there is no folder {target.parent}: create it first, or choose another", field="output"
            )
        yield temporary
        temporary.replace(target)
    except OSError as error:
        if error.filename is None:
            raise
        raise InvalidInputError(f"cannot write {target}: {error.strerror}", field="output") from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
