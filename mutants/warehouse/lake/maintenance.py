"""Keep the lake quick: a commit makes a dozen small files, which are merged when they are many, and each night.

Files are not all: the catalog remembers every file that a kept snapshot needs, and each query searches its list. So
only the newest snapshots are all kept, of the others one a day, and after a week one a week.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from warehouse.lake.marts import make_again
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from datetime import datetime

    from duckdb import DuckDBPyConnection

    from warehouse.lake.connect import Lake

KEEP_SNAPSHOTS = timedelta(days=30)
"""How far back the lake's own time travel reaches."""
KEEP_EACH = timedelta(hours=6)
"""What is older is thinned out. Longer than any reading lasts: a transaction reads by its snapshot."""
GRACE = timedelta(days=1)
"""A file stays this long after it was last needed: far beyond any reading that may still use it."""
ORPHAN_AGE = timedelta(days=3)
"""A file that no commit knows may belong to an open transaction; none lasts for days."""
NEEDLESS_FILES = 60
"""So many small files more than needed are merged at once: about a dozen commits make them. After 100 unmerged commits
a load took twice the CPU of the first (0.45 s); a merge after each dozen (0.3 s) saved a quarter of all CPU."""
SMALL_FILE, LARGE_FILE = 32_000_000, 512_000_000
"""Bytes. By day only small files are merged: a few rows must not make a large one be written again. By night files are
merged up to the large size, and small ones lose every deleted row: what has some is left out of merging for good."""


def rebuild_marts(lake: Lake) -> dict[str, int]:
    """Build every mart that loads keep up again from raw and dims, in one transaction; return rows per mart."""
    return lake.run_write(make_again)


def maintain_lake(lake: Lake, now: datetime, *, keep_snapshots: timedelta = KEEP_SNAPSHOTS) -> dict[str, Any]:
    """Forget what is kept for a time only, merge small files, expire old snapshots, delete files nobody needs.

    Safe beside readers and writers. How long payloads and findings are kept is in the lake's settings.

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
    expired += _thin(lake, now - KEEP_EACH)
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


def merge_if_many(lake: Lake, now: datetime) -> bool:
    """Merge small files and forget what lies between, if it is worth it; True = done. Who loads calls it afterwards."""
    (row,) = lake.query(load_sql("maintenance/count_needless_files"))
    if row["needless"] < NEEDLESS_FILES:
        return False
    _merge(lake, below=SMALL_FILE, small=0)
    _thin(lake, now - KEEP_EACH)
    return True


def measure_files(lake: Lake) -> dict[str, int]:
    """Return {tables, files, delete_files, bytes} of what the newest snapshot uses."""
    (row,) = lake.query(load_sql("maintenance/count_files"))
    return row


def get_pipeline_state(lake: Lake, now: datetime) -> dict[str, Any]:
    """Return the columns of maintenance/pipeline_state.sql: commits, measurements, gaps, findings of the last day."""
    (row,) = lake.query(load_sql("maintenance/select_pipeline_state"), {"now": now})
    return row


def _merge(lake: Lake, *, below: int, small: int) -> None:
    # Each step has the lock to itself for a moment only, so that loads get their turn in between.
    lake.run_write(lambda cursor: _write_again(cursor, small))
    _run(lake, "merge_adjacent_files", below=below)


def _write_again(cursor: DuckDBPyConnection, small: int) -> None:
    """Write the rows of files with many deletions again, by plain statements.

    Never ducklake_rewrite_data_files (1.5.5): where a column has no value in one of the files, it forgets the
    column's least and greatest value in the table, and the next insert takes its own for them. DuckDB trusts those:
    filters then find nothing, and ORDER BY gives numbers that are not in the table.
    """
    holed = cursor.execute(load_sql("maintenance/select_files_with_deletes"), {"small": small}).fetchall()
    for schema, table, names in holed:
        within = f"{schema}.{table} WHERE parse_filename(filename) IN (SELECT unnest($names))"
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE kept AS FROM {within}", {"names": names})
        cursor.execute(f"DELETE FROM {within}", {"names": names})  # noqa: S608 (the lake's own names)
        cursor.execute(f"INSERT INTO {schema}.{table} FROM kept")
    cursor.execute("DROP TABLE IF EXISTS kept")


def _run(lake: Lake, name: str, **params: datetime | int) -> int:
    def work(cursor: DuckDBPyConnection) -> int:
        return len(cursor.execute(load_sql(f"maintenance/{name}"), params).fetchall())

    return lake.run_write(work)


def _thin(lake: Lake, older_than: datetime) -> int:
    """Expire what select_thinned_snapshots.sql names; returns how many."""

    def work(cursor: DuckDBPyConnection) -> int:
        rows = cursor.execute(
            load_sql("maintenance/select_thinned_snapshots"), {"older_than": older_than}
        ).fetchall()
        if rows:
            cursor.execute(
                load_sql("maintenance/expire_listed_snapshots"), {"versions": [row[0] for row in rows]}
            )
        return len(rows)

    return lake.run_write(work)


def _forget(lake: Lake, name: str, older_than: datetime) -> int:
    """Run a statement that changes old rows; returns how many."""

    def work(cursor: DuckDBPyConnection) -> int:
        row = cursor.execute(load_sql(f"maintenance/{name}"), {"older_than": older_than}).fetchone()
        return int(row[0]) if row else 0

    return lake.run_write(work)
