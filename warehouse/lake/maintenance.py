"""Lake maintenance: merge the small files of commits (a dozen each), expire old snapshots, delete unused files.

The catalog lists every file needed by an existing snapshot, and each query searches this list. So only the newest
snapshots are all kept; of the older ones, one per day, and after a week one per week.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from warehouse.lake.growth import learn_growth
from warehouse.lake.marts import rebuild_all_marts
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from duckdb import DuckDBPyConnection

    from warehouse.lake.connect import Lake

KEEP_SNAPSHOTS = timedelta(days=30)
"""How far back the lake's time travel reaches."""
KEEP_EACH = timedelta(hours=6)
"""Older snapshots are thinned out. Longer than any read, because a transaction reads from its snapshot."""
GRACE = timedelta(days=1)
"""An unused file is kept this long: far longer than any read that may still use it."""
ORPHAN_AGE = timedelta(days=3)
"""A file unknown to all commits may belong to an open transaction; no transaction lasts days."""
NEEDLESS_FILES = 60
"""Number of surplus small files that triggers a merge: about a dozen commits. After 100 unmerged commits a load took
twice the CPU of the first (0.45 s); a merge after each dozen (0.3 s) saved a quarter of all CPU."""
SMALL_FILE, LARGE_FILE = 32_000_000, 512_000_000
"""Bytes. During the day only small files are merged, so that a few rows do not cause the rewrite of a large file. At
night files are merged up to the large size, and deleted rows are removed from small files: files with deleted rows
are never merged."""


def rebuild_marts(lake: Lake) -> dict[str, int]:
    """Rebuild all marts that loads update, from raw and dims, in one transaction; return rows per mart."""
    return lake.run_write(rebuild_all_marts)


def refresh_growth(lake: Lake, now: datetime) -> dict[str, int]:
    """Learn the growth curves again and update the estimates; return {curves, estimates_changed}."""
    return lake.run_write(lambda cursor: learn_growth(cursor, now))


def maintain_lake(
    lake: Lake,
    now: datetime,
    *,
    keep_snapshots: timedelta = KEEP_SNAPSHOTS,
    kept: Collection[int] = (),
    delete_files: bool = True,
) -> dict[str, Any]:
    """Delete expired payloads and findings, merge small files, expire old snapshots, delete unused files.

    Safe while others read and write. `kept`: snapshots that incremental exports continue from. Without
    `delete_files`, unused files stay for the next night: a backup is being made of them. The
    retention of payloads and findings is in the settings.

    Returns {before, after: {tables, files, delete_files, bytes}, payloads_dropped, findings_dropped,
    snapshots_expired, files_deleted, orphans_deleted}.
    """
    before = measure_files(lake)
    payloads_before = now - lake.settings.keep_raw_payloads
    payloads = _forget(lake, "drop_post_payloads", payloads_before)
    payloads += _forget(lake, "drop_account_payloads", payloads_before)
    findings = _forget(lake, "delete_findings", now - lake.settings.keep_findings)
    _merge(lake, below=LARGE_FILE, small=SMALL_FILE)
    expired = _run(lake, "expire_snapshots", older_than=now - keep_snapshots)
    expired += _thin(lake, now - KEEP_EACH, kept)
    deleted = orphans = 0
    if delete_files:
        deleted = _run(lake, "cleanup_old_files", older_than=now - GRACE)
        orphans = _run(lake, "delete_orphaned_files", older_than=now - ORPHAN_AGE)
    return {
        "before": before,
        "after": measure_files(lake),
        "payloads_dropped": payloads,
        "findings_dropped": findings,
        "snapshots_expired": expired,
        "files_deleted": deleted,
        "orphans_deleted": orphans,
    }


def merge_if_many(lake: Lake, now: datetime, *, kept: Collection[int] = ()) -> bool:
    """Merge small files if there are many; True = merged. Call it after a load.

    `kept`: snapshots that incremental exports continue from.
    """
    (row,) = lake.query(load_sql("maintenance/count_needless_files"))
    if row["needless"] < NEEDLESS_FILES:
        return False
    _merge(lake, below=SMALL_FILE, small=0)
    _thin(lake, now - KEEP_EACH, kept)
    return True


def measure_files(lake: Lake) -> dict[str, int]:
    """Return {tables, files, delete_files, bytes} of the newest snapshot."""
    (row,) = lake.query(load_sql("maintenance/count_files"))
    return row


def get_pipeline_state(lake: Lake, now: datetime) -> dict[str, Any]:
    """Return the columns of maintenance/pipeline_state.sql: commits, measurements, gaps, findings of the last day."""
    (row,) = lake.query(load_sql("maintenance/select_pipeline_state"), {"now": now})
    return row


def _merge(lake: Lake, *, below: int, small: int) -> None:
    # Each step holds the lock only briefly, so that loads can run in between.
    lake.run_write(lambda cursor: _write_again(cursor, small))
    _run(lake, "merge_adjacent_files", below=below)


def _write_again(cursor: DuckDBPyConnection, small: int) -> None:
    """Rewrite files with many deleted rows, using plain statements.

    Never use ducklake_rewrite_data_files (1.5.5): if a column has no value in one of the files, it loses the column's
    minimum and maximum in the table, and the next insert sets them to its own. DuckDB trusts these values: filters then
    find nothing, and ORDER BY returns numbers that are not in the table.
    """
    holed = cursor.execute(load_sql("maintenance/select_files_with_deletes"), {"small": small}).fetchall()
    for schema, table, names in holed:
        within = f"{schema}.{table} WHERE parse_filename(filename) IN (SELECT unnest($names))"
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE kept AS FROM {within}", {"names": names})
        cursor.execute(f"DELETE FROM {within}", {"names": names})  # noqa: S608 (names of the lake)
        cursor.execute(f"INSERT INTO {schema}.{table} FROM kept")
    cursor.execute("DROP TABLE IF EXISTS kept")


def _run(lake: Lake, name: str, **params: datetime | int) -> int:
    def work(cursor: DuckDBPyConnection) -> int:
        return len(cursor.execute(load_sql(f"maintenance/{name}"), params).fetchall())

    return lake.run_write(work)


def _thin(lake: Lake, older_than: datetime, kept: Collection[int]) -> int:
    """Expire the snapshots from select_thinned_snapshots.sql; return the number."""

    def work(cursor: DuckDBPyConnection) -> int:
        rows = cursor.execute(
            load_sql("maintenance/select_thinned_snapshots"), {"older_than": older_than, "kept": list(kept)}
        ).fetchall()
        if rows:
            cursor.execute(
                load_sql("maintenance/expire_listed_snapshots"), {"versions": [row[0] for row in rows]}
            )
        return len(rows)

    return lake.run_write(work)


def _forget(lake: Lake, name: str, older_than: datetime) -> int:
    """Run a statement that changes old rows; return the number of rows."""

    def work(cursor: DuckDBPyConnection) -> int:
        row = cursor.execute(load_sql(f"maintenance/{name}"), {"older_than": older_than}).fetchone()
        return int(row[0]) if row else 0

    return lake.run_write(work)
