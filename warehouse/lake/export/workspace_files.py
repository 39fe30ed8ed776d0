"""Export one workspace's rows of one table to a file, for downloads over HTTP.

DuckDB writes the file with constant memory. Columns are described in docs/warehouse.md.
"""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from warehouse.errors import InvalidInputError
from warehouse.lake.export.formulas import describe, guard_columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from connectors.types import Platform
    from warehouse.lake.connect import Lake

FORMATS = {"parquet": "FORMAT parquet, COMPRESSION zstd", "csv": "FORMAT csv, HEADER"}
_FORGOTTEN_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class OpenTable:
    """A table that can be exported."""

    relation: str
    time: str | None
    """The time column for period filters; None = the table has none."""
    platform: str = "account_id IN (SELECT account_id FROM dims.accounts WHERE platform = $platform)"
    account: str | None = "account_id = $account_id"


TABLES = {
    "publications": OpenTable("dims.publications", "published_at"),
    "accounts": OpenTable("dims.accounts", None),
    "publication_latest": OpenTable("marts.publication_latest", "published_at"),
    "publication_at_age": OpenTable("marts.publication_at_age", "published_at"),
    "post_performance": OpenTable(
        "marts.post_performance", "published_at", "list_contains(platforms, $platform)", None
    ),
    "engagement_daily": OpenTable("marts.engagement_daily", "day"),
    "account_daily": OpenTable("marts.account_daily", "day"),
    "suspicious_counts": OpenTable("marts.suspicious_counts", "captured_at"),
    "growth_curves": OpenTable("marts.growth_curves", None, "platform = $platform"),
    "slot_engagement": OpenTable("marts.slot_engagement", None),
    "optimal_times": OpenTable("marts.optimal_times", None),
    "post_snapshots": OpenTable("(SELECT * EXCLUDE (raw) FROM raw.post_snapshots)", "captured_at"),
    "account_snapshots": OpenTable("(SELECT * EXCLUDE (raw) FROM raw.account_snapshots)", "captured_at"),
}
"""Exportable tables by public name. Raw rows do not include the platform's response."""


@contextmanager
def write_table(
    lake: Lake,
    table: str,
    kind: str,
    *,
    workspace_id: str,
    start: datetime | None = None,
    end: datetime | None = None,
    platform: Platform | str | None = None,
    account_id: str | None = None,
) -> Iterator[Path]:
    """Yield a file (in one of FORMATS) with the workspace's rows of one of TABLES; it is deleted after the block.

    [start, end) applies to the table's time column; a day belongs to the period if its beginning (UTC) does.
    Raises InvalidInputError for a filter without a matching column.
    """
    wanted = TABLES[table]
    conditions, params = ["workspace_id = $workspace_id"], {"workspace_id": workspace_id}
    filters: list[tuple[str, Any, str | None]] = [
        ("from", start, wanted.time and f"{wanted.time} >= $from::TIMESTAMPTZ"),
        ("to", end, wanted.time and f"{wanted.time} < $to::TIMESTAMPTZ"),
        ("platform", None if platform is None else str(platform), wanted.platform),
        ("account_id", account_id, wanted.account),
    ]
    for name, value, condition in filters:
        if value is None:
            continue
        if condition is None:
            raise InvalidInputError(
                f"the table {table} cannot be filtered by {name}: leave it out",
                field=name,
                code="no_such_filter",
            )
        conditions.append(condition)
        params[name] = value
    folder = lake.settings.home / "lake" / "tmp"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sweep(folder)
    path = folder / f"export-{secrets.token_hex(8)}.{kind}"
    quoted = str(path).replace("'", "''")
    chosen = "*"
    if kind == "csv":
        columns = lake.query(describe(wanted.relation))
        chosen = guard_columns((column["column_name"], column["column_type"]) for column in columns)
    rows = f"SELECT {chosen} FROM {wanted.relation} WHERE {' AND '.join(conditions)}"  # noqa: S608 (our own names; values are parameters)
    try:
        lake.query(f"COPY ({rows}) TO '{quoted}' ({FORMATS[kind]})", params)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Delete files left by killed processes."""
    for path in folder.glob("export-*"):
        try:
            if time.time() - path.stat().st_mtime > _FORGOTTEN_AFTER_S:
                path.unlink()
        except FileNotFoundError:
            continue  # already deleted by its own process
