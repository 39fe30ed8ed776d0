"""Export one workspace's rows of one table to a file, for downloads over HTTP.

DuckDB writes the file with constant memory. Columns are described in docs/warehouse.md.
"""

from __future__ import annotations

import re
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse.errors import InvalidInputError
from warehouse.lake.export.formulas import describe, guard_columns
from warehouse.lake.export.workbook import Workbook, read_batches
from warehouse.lake.views import VIEWS, select_view

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from connectors.types import Platform
    from warehouse.lake.connect import Lake

FORMATS = ("parquet", "csv", "xlsx")
_OPTIONS = {"parquet": "FORMAT parquet, COMPRESSION zstd", "csv": "FORMAT csv, HEADER"}
_FORGOTTEN_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class OpenTable:
    """A table that can be exported."""

    relation: str
    time: str | None
    """The time column for period filters; None = the table has none."""
    key: tuple[str, ...]
    """The columns that identify a row."""
    platform: str = "account_id IN (SELECT account_id FROM dims.accounts WHERE platform = $platform)"
    account: str | None = "account_id = $account_id"

    def at(self, snapshot_id: int) -> str:
        """Return the relation at a snapshot of the lake, as an expression after FROM."""
        version = f"AT (VERSION => {snapshot_id})"
        if self.relation in VIEWS:
            return f"({select_view(self.relation, lambda table: f'(FROM {table} {version})')})"
        if self.relation.endswith(")"):
            return f"{self.relation[:-1]} {version})"
        return f"{self.relation} {version}"


TABLES = {
    "publications": OpenTable("dims.publications", "published_at", ("publication_id",)),
    "accounts": OpenTable("dims.accounts", None, ("account_id",)),
    "publication_latest": OpenTable("marts.publication_latest", "published_at", ("publication_id",)),
    "publication_at_age": OpenTable(
        "marts.publication_at_age", "published_at", ("publication_id", "age_hours")
    ),
    "post_performance": OpenTable(
        "marts.post_performance", "published_at", ("post_id",), "list_contains(platforms, $platform)", None
    ),
    "engagement_daily": OpenTable("marts.engagement_daily", "day", ("publication_id", "day")),
    "account_daily": OpenTable("marts.account_daily", "day", ("account_id", "day")),
    "suspicious_counts": OpenTable("marts.suspicious_counts", "captured_at", ("account_id", "captured_at")),
    "growth_curves": OpenTable(
        "marts.growth_curves",
        None,
        ("platform", "account_id", "from_hours", "age_hours"),
        "platform = $platform",
    ),
    "slot_engagement": OpenTable("marts.slot_engagement", None, ("account_id", "weekday", "hour")),
    "account_baselines": OpenTable("marts.account_baselines", None, ("account_id", "age_hours")),
    "posts_wide": OpenTable(
        "marts.posts_wide", "created_timestamp", ("publication_id",), "platform = $platform"
    ),
    "dates": OpenTable(
        "dims.dates",
        "starts_at",
        ("timezone", "day"),
        "timezone IN (SELECT timezone FROM dims.accounts WHERE platform = $platform)",
        "timezone IN (SELECT timezone FROM dims.accounts WHERE account_id = $account_id)",
    ),
    "optimal_times": OpenTable("marts.optimal_times", None, ("account_id", "weekday", "hour")),
    "timing_accounts": OpenTable("marts.timing_accounts", None, ("account_id",)),
    "posting_habits": OpenTable("marts.posting_habits", None, ("account_id", "subject", "label")),
    "post_snapshots": OpenTable(
        "(SELECT * EXCLUDE (raw) FROM raw.post_snapshots)", "captured_at", ("publication_id", "captured_at")
    ),
    "account_snapshots": OpenTable(
        "(SELECT * EXCLUDE (raw) FROM raw.account_snapshots)", "captured_at", ("account_id", "captured_at")
    ),
    "findings": OpenTable(
        "quality.findings",
        "captured_at",
        ("account_id", "publication_id", "check_name", "captured_at", "metric"),
    ),
}
"""Exportable tables by public name. Raw rows do not include the platform's response."""

KEY_OF = {re.sub(r".*FROM (\S+?)\)", r"\1", table.relation): table.key for table in TABLES.values()}
"""Key columns by the table's full name."""


@contextmanager
def write_table(
    lake: Lake,
    table: str,
    kind: str,
    *,
    workspace_id: str,
    snapshot_id: int,
    start: datetime | None = None,
    end: datetime | None = None,
    platform: Platform | str | None = None,
    account_id: str | None = None,
    changed_since: int | None = None,
) -> Iterator[Path]:
    """Yield a file (in one of FORMATS) with the workspace's rows of one of TABLES; it is deleted after the block.

    The rows are those of the lake's snapshot `snapshot_id`. [start, end) applies to the table's time column; a day
    belongs to the period if its beginning (UTC) does.

    `changed_since`: only what differs from that snapshot, in a column `change`: inserted, changed (both with the row
    as it is now) or removed (with the row as it was). Applying the file to a copy of that snapshot by the table's
    key gives the rows of `snapshot_id`, whatever happened in between and in whatever order.

    Raises InvalidInputError for a filter without a matching column, and for a snapshot that cannot be compared.
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
    where = " AND ".join(conditions)
    rows = f"SELECT * FROM {wanted.at(snapshot_id)} WHERE {where}"  # noqa: S608 (our own names; values are parameters)
    if changed_since is not None:
        _check_comparable(lake, table, changed_since, snapshot_id)
        before = f"SELECT * FROM {wanted.at(changed_since)} WHERE {where}"  # noqa: S608 (same)
        rows = compare(before, rows, wanted.key)
    folder = lake.settings.home / "lake" / "tmp"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sweep(folder)
    path = folder / f"export-{secrets.token_hex(8)}.{kind}"
    quoted = str(path).replace("'", "''")
    chosen = "*"
    if kind == "csv":
        columns = lake.query(describe(wanted.at(snapshot_id)))
        names = [(column["column_name"], column["column_type"]) for column in columns]
        chosen = guard_columns([*([("change", "VARCHAR")] if changed_since is not None else []), *names])
    try:
        if kind == "xlsx":
            _write_workbook(lake, path, table, rows, params)
        else:
            lake.query(f"COPY (SELECT {chosen} FROM ({rows})) TO '{quoted}' ({_OPTIONS[kind]})", params)  # noqa: S608 (same)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _write_workbook(lake: Lake, path: Path, table: str, rows: str, params: dict[str, Any]) -> None:
    book = Workbook(path)
    with lake.stream(rows, params) as cursor:
        columns = [str(column[0]) for column in cursor.description or []]
        try:
            book.add_sheet(table, columns, read_batches(cursor))
        finally:
            book.close()


def compare(before: str, after: str, key: tuple[str, ...]) -> str:
    """Return a query for the difference of two states of a table, with the column `change` first."""
    same = " AND ".join(f"fresh.{column} IS NOT DISTINCT FROM gone.{column}" for column in key)
    return (
        f"WITH before AS ({before}), after AS ({after}), "  # noqa: S608 (our own statements)
        "fresh AS (FROM after EXCEPT FROM before), gone AS (FROM before EXCEPT FROM after) "
        f"SELECT CASE WHEN EXISTS (FROM gone WHERE {same}) THEN 'changed' ELSE 'inserted' END AS change, * FROM fresh "
        f"UNION ALL SELECT 'removed', * FROM gone WHERE NOT EXISTS (FROM fresh WHERE {same})"
    )


def _check_comparable(lake: Lake, table: str, since: int, snapshot_id: int) -> None:
    """Raise InvalidInputError unless the lake still has the snapshot, with the table's present columns."""
    remedy = "export everything once without changed_since, and continue from the cursor of that answer"
    if since > snapshot_id:
        raise InvalidInputError(
            f"changed_since: the lake's newest snapshot is {snapshot_id}: {remedy}",
            field="changed_since",
            code="unknown_snapshot",
        )
    wanted = TABLES[table]
    try:
        before, now = (lake.query(describe(wanted.at(number))) for number in (since, snapshot_id))
    except (duckdb.InvalidInputException, duckdb.CatalogException) as error:
        raise InvalidInputError(
            f"changed_since: the lake no longer has snapshot {since}: {remedy}",
            field="changed_since",
            code="cursor_expired",
        ) from error
    except duckdb.BinderException:  # a view of today needs a column that the tables did not have then
        before, now = [], [{"column_name": "", "column_type": ""}]
    columns = [[(row["column_name"], row["column_type"]) for row in rows] for rows in (before, now)]
    if columns[0] != columns[1]:
        raise InvalidInputError(
            f"changed_since: the columns of {table} have changed since snapshot {since}: {remedy}",
            field="changed_since",
            code="columns_changed",
        )


def _sweep(folder: Path) -> None:
    """Delete files left by killed processes."""
    for path in folder.glob("export-*"):
        try:
            if time.time() - path.stat().st_mtime > _FORGOTTEN_AFTER_S:
                path.unlink()
        except FileNotFoundError:
            continue  # already deleted by its own process
