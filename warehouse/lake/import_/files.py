"""A history file as one Arrow table, for the loader of histories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from warehouse.lake.import_.read import parse_zone, read_file
from warehouse.lake.import_.types import ROW_SCHEMA, Detection, FileRefusedError, ReadOptions, RejectedRow

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

__all__ = ["HistoryFile", "RejectedRow", "parse_zone", "read_history"]


@dataclass(frozen=True, slots=True)
class HistoryFile:
    """Contents of a file."""

    rows: pa.Table
    """Valid rows: ROW_SCHEMA, and post_id (= external_id), captured_at (UTC), derived (captured_at is not from
    the file). A kind that the file does not say is text."""
    rejected: list[RejectedRow]
    total: int
    """Rows in the file, including invalid and repeated ones."""
    notes: list[str]
    """Notes for the user: what the file is, how it was read, the assumed time of measuring."""
    detection: Detection


def read_history(
    path: Path,
    *,
    timezone: str = "UTC",
    account_name: str | None = None,
    now: datetime | None = None,
    options: ReadOptions | None = None,
) -> HistoryFile:
    """Read a file in one of the formats that `read_file` recognises.

    `options` may hold more decisions; timezone, account_name and now go before it. Raises FileRefusedError like
    `read_file`, and InvalidInputError for an unknown zone or a file that names no account.
    """
    chosen = options or ReadOptions(timezone=None if timezone == "UTC" else timezone)
    chosen = replace(chosen, account=account_name or chosen.account)
    if now is not None:
        chosen = replace(chosen, now=now)
    detection, batches = read_file(path, options=chosen)
    rows = pa.concat_tables([batch.rows for batch in batches] or [ROW_SCHEMA.empty_table()])
    if len(rows) and rows["account"].null_count:
        raise FileRefusedError(
            "the file has no column account: add it, or name the account of all rows (--account)",
            field="account",
        )
    if (
        not len(rows)
        and chosen.account is None
        and not any(read.field == "account" for read in detection.columns)
    ):
        raise FileRefusedError(
            "the file has no column account: add it, or name the account of all rows (--account)",
            field="account",
        )
    notes = [*detection.decisions, *detection.notes]
    derived = pc.is_null(rows["measured_at"])
    newest = pc.max(rows["published_at"])
    if pc.any(derived).as_py():
        notes.append(
            "the file does not say when its counts were read (no captured_at): "
            f"the time of its newest post is used, {newest.as_py():%Y-%m-%d %H:%M} UTC"
        )
    rows = rows.set_column(rows.column_names.index("kind"), "kind", pc.fill_null(rows["kind"], "text"))
    rows = rows.append_column("post_id", rows["external_id"])
    rows = rows.append_column("captured_at", pc.fill_null(rows["measured_at"], newest))
    rows = rows.append_column("derived", derived)
    return HistoryFile(rows, list(detection.rejected), detection.rows, notes, detection)
