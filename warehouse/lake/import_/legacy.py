"""Read our own columns (`read_history`) as a `Reading`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from warehouse.lake.import_.files import read_history
from warehouse.lake.import_.types import ROW_SCHEMA, Detection, Reading, ReadOptions, RejectedRow, RowBatch

if TYPE_CHECKING:
    from pathlib import Path


def read_file(path: Path, *, options: ReadOptions | None = None) -> Reading:
    """Return what a file with our own columns is, and its rows."""
    chosen = options or ReadOptions()
    history = read_history(
        path, timezone=chosen.timezone or "UTC", account_name=chosen.account, now=chosen.now
    )
    rows = history.rows
    nothing = {name: pa.nulls(len(rows), ROW_SCHEMA.field(name).type) for name in ROW_SCHEMA.names}
    given = {
        name: rows[name]
        for name in ("line", "account", "published_at", "kind", "likes", "comments", "shares", "impressions")
    }
    given["external_id"] = rows["post_id"]
    given["derived_id"] = pc.starts_with(rows["post_id"], "row-")
    given["day_only"] = pa.array([False] * len(rows))
    given["measured_at"] = pc.if_else(rows["derived"], None, rows["captured_at"])
    table = pa.table(nothing | given).select(ROW_SCHEMA.names).cast(ROW_SCHEMA)
    extent = pc.min_max(rows["published_at"])
    detection = Detection(
        format="generic",
        title="Table of posts",
        platform=None,
        accounts=tuple(sorted(set(rows["account"].to_pylist()))[:1000]),
        rows=history.total,
        posts=len(set(zip(rows["account"].to_pylist(), rows["post_id"].to_pylist(), strict=True))),
        rejected=tuple(RejectedRow(*row) for row in history.rejected),
        first=extent["min"].as_py(),
        last=extent["max"].as_py(),
        zone=chosen.timezone or "UTC",
        zone_source="option" if chosen.timezone else "default",
        columns=(),
        unknown_columns=(),
        decisions=(),
        notes=tuple(history.notes),
    )
    return Reading(detection, iter([RowBatch(table)] if len(table) else []))
