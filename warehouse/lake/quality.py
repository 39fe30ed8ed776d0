"""Data checks of a load: impossible and unlikely values. Findings are stored; the data is not changed.

Only new snapshots are checked, each against the previous one, in the transaction of the load: cheap, and consistent
with its data. `check_name` and `severity` are explained in the catalog (quality.findings).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse.sql import load_sql

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from duckdb import DuckDBPyConnection

    from warehouse.lake.connect import Lake


def check_post_snapshots(cursor: DuckDBPyConnection, run_id: str, now: datetime) -> None:
    """Check the snapshots of `added`, each against the previous one, in `snapshots_with_previous`."""
    _keep(cursor, load_sql("quality/check_post_snapshots"), {}, run_id, now)


def check_account_snapshots(cursor: DuckDBPyConnection, run_id: str, now: datetime, first: datetime) -> None:
    """Check the counts of `added`; `first` is the oldest captured_at."""
    _keep(cursor, load_sql("quality/check_account_snapshots"), {"first": first}, run_id, now)


def check_silence(lake: Lake, run_id: str, now: datetime, longest: timedelta) -> None:
    """Find accounts whose followers were last counted longer ago than `longest`; one finding per gap."""
    params = {"now": now, "hours": max(1, round(longest.total_seconds() / 3600))}
    # Check without the lock first: most runs find nothing, and a commit invalidates every reader's cache.
    if lake.query(load_sql("quality/find_silent_accounts"), params):
        lake.run_write(
            lambda cursor: _keep(cursor, load_sql("quality/find_silent_accounts"), params, run_id, now)
        )


def list_findings(lake: Lake, run_id: str) -> list[dict[str, Any]]:
    """Return the findings of a run: {check_name, severity, findings, accounts}, failed ones first."""
    return lake.query(load_sql("quality/count_findings_of_run"), {"run_id": run_id})


def _keep(
    cursor: DuckDBPyConnection, checks: str, params: dict[str, Any], run_id: str, now: datetime
) -> None:
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE found AS {checks}", params)
    row = cursor.execute("SELECT count(*) FROM found").fetchone()
    if row and row[0]:
        cursor.execute(load_sql("quality/insert_findings"), {"run_id": run_id, "found_at": now})
