"""Export posts with their latest and equal-age metrics: CSV, XLSX, Parquet, JSON or DuckDB.

The columns are those that `import-history` reads, so that importing the file gives the same rows.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from warehouse.lake.export.formulas import describe, guard_columns
from warehouse.lake.export.workbook import Workbook, read_batches
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from connectors.types import Platform
    from warehouse.lake.connect import Lake

PostsFormat = Literal["csv", "xlsx", "parquet", "json", "duckdb"]
_COPY = {
    "csv": "FORMAT csv, HEADER",
    "json": "FORMAT json, ARRAY true",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}


def write_posts(
    lake: Lake,
    path: Path,
    kind: PostsFormat,
    *,
    workspace_id: str,
    start: datetime | None = None,
    end: datetime | None = None,
    platform: Platform | str | None = None,
    account_id: str | None = None,
    post_ids: Sequence[str] | None = None,
) -> int:
    """Write the workspace's posts published in [start, end) to a new file; return the number of rows.

    `post_ids` selects some of them; None = all.
    Times are UTC with an offset; CSV cells that begin like a formula get an apostrophe.
    """
    params: dict[str, Any] = {
        "workspace_id": workspace_id,
        "start": start,
        "end": end,
        "platform": None if platform is None else str(platform),
        "account_id": account_id,
        "post_ids": None if post_ids is None else list(post_ids),
    }
    rows = load_sql("queries/select_posts_export")
    if kind == "xlsx":
        return _write_workbook(lake, path, rows, params)
    if kind == "duckdb":
        beside = path.with_name(f"{path.name}.parquet")
        try:
            count = _copy(lake, beside, "parquet", "*", rows, params)
            _write_duckdb(path, beside)
        finally:
            beside.unlink(missing_ok=True)
        return count
    chosen = "*"
    if kind == "csv":
        columns = lake.query(describe(f"({rows})"), params)
        shown = guard_columns((row["column_name"], row["column_type"]) for row in columns)
        times = ", ".join(
            f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%fZ') AS {name}" for name in ("published_at", "captured_at")
        )
        chosen = shown.replace("* REPLACE (", f"* REPLACE ({times}, ", 1)
    return _copy(lake, path, kind, chosen, rows, params)


def _copy(  # noqa: PLR0917 (a statement and where its rows go)
    lake: Lake, path: Path, kind: str, chosen: str, rows: str, params: dict[str, Any]
) -> int:
    quoted = str(path).replace("'", "''")
    told = lake.query(f"COPY (SELECT {chosen} FROM ({rows})) TO '{quoted}' ({_COPY[kind]})", params)  # noqa: S608 (our own statement and path)
    return int(next(iter(told[0].values()))) if told else 0


def _write_workbook(lake: Lake, path: Path, rows: str, params: dict[str, Any]) -> int:
    book = Workbook(path)
    with lake.stream(rows, params) as cursor:
        columns = [str(column[0]) for column in cursor.description or []]
        try:
            return book.add_sheet("posts", columns, read_batches(cursor))
        finally:
            book.close()


def _write_duckdb(path: Path, rows: Path) -> None:
    path.unlink(missing_ok=True)
    connection = duckdb.connect(str(path))
    try:
        connection.execute("CREATE TABLE posts AS FROM read_parquet($rows)", {"rows": str(rows)})
    except duckdb.Error:
        with suppress(OSError):
            path.unlink()
        raise
    finally:
        connection.close()
