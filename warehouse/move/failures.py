"""Say in one sentence what broke a move, a backup or a restore off: a full disk, a bucket, a server that is away."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
from sqlalchemy.exc import DBAPIError

from warehouse.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_REASON = 300


@contextmanager
def explain_failures(what: str) -> Iterator[None]:
    """Raise SetupError for errors of disks, networks and databases; `what` names the work and how it goes on."""
    try:
        yield
    except (OSError, DBAPIError, duckdb.Error) as error:
        said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        words = getattr(said, "strerror", None) or str(said).strip() or type(said).__name__
        raise SetupError(f"{what}: {words.splitlines()[0][:LONGEST_REASON]}") from error
