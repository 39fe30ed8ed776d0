"""Checks of the lake and the pipeline: files, commits, lag, gaps, failed data checks, read budgets."""

from __future__ import annotations

from datetime import timedelta
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.error import HTTPError
from urllib.request import urlopen

from warehouse.lake.attach import local_catalog
from warehouse.lake.connect import Lake
from warehouse.lake.files import list_lost_files
from warehouse.lake.maintenance import get_pipeline_state, measure_files
from warehouse.lake.storage import bucket_address
from warehouse.sql import load_sql
from warehouse.store.measuring.read_budgets import count_reads
from warehouse.store.publishing.queue_state import get_oldest_unread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from flows.settings import FlowSettings
    from warehouse.settings import WarehouseSettings
    from warehouse.store.database import Session

    Line = tuple[str, Literal["ok", "warning", "failed"], str]

MANY_FILES = 1_000
"""Number of small files, otherwise merged every night, above which queries slow down."""
MAINTENANCE_LATE = timedelta(days=3)
BUCKET_SECONDS = 5


def examine_lake(settings: WarehouseSettings, now: datetime, *, measured: int) -> Iterator[Line]:
    """Yield (check, status, detail). Raises SetupError if the lake cannot be opened.

    Read-only: a missing lake is not created. `measured`: how many measured publications the store lists,
    which the lake must contain.
    """
    catalog = local_catalog(settings)
    if catalog is not None and not catalog.exists():
        yield _describe_absence(settings, catalog, measured)
        return
    with Lake.open(settings, read_only=True) as lake:
        yield "lake", "ok", f"extensions load, newest commit {lake.snapshot_id()}"
        if silent := find_silent_bucket(settings):
            yield silent
            return  # DuckDB would repeat each request
        lost = list_lost_files(lake)
        if lost:
            detail = (
                f"{len(lost)} Parquet files are missing or damaged ({lost[0]}): restore them from a backup"
            )
            yield "lake files", "failed", detail
            return  # most other checks would fail on them
        files, state = measure_files(lake), get_pipeline_state(lake, now)
        (known,) = lake.query(load_sql("maintenance/count_publications"))
    if known["publications"] < measured:
        detail = (
            f"it has {known['publications']} publications, but {measured} were measured: it was lost or replaced; "
            "restore it from a backup"
        )
        yield "lake contents", "failed", detail
    yield from _describe_files(settings, files, state, now)
    if state["newest_measurement"] is not None:
        yield "newest measurement", "ok", _ago(now, state["newest_measurement"])
    if state["never_measured"]:
        detail = f"{state['never_measured']} publications older than a day were never measured"
        yield "measurement gaps", "warning", detail
    if state["failed_checks"]:
        detail = f"{state['failed_checks']} values of the last day are impossible: look at quality.findings"
        yield "data checks", "failed", detail
    elif state["warnings"]:
        yield (
            "data checks",
            "warning",
            f"{state['warnings']} findings in the last day: look at quality.findings",
        )


def _describe_files(
    settings: WarehouseSettings, files: dict[str, int], state: dict[str, Any], now: datetime
) -> Iterator[Line]:
    detail = f"{files['files']} files and {files['delete_files']} delete files, {files['bytes'] / 1e6:.0f} MB"
    if files["files"] + files["delete_files"] > MANY_FILES:
        yield (
            "lake files",
            "warning",
            f"{detail}: does maintain-lake run every night? (`socialflow run maintain`)",
        )
    else:
        yield "lake files", "ok", detail
    age = f"{state['commits']} commits kept, the newest {_ago(now, state['newest_commit'])}"
    if now - state["oldest_commit"] > settings.keep_lake_snapshots + MAINTENANCE_LATE:
        detail = (
            f"{age}, the oldest {_ago(now, state['oldest_commit'])}: `socialflow run maintain` expires them"
        )
        yield "lake commits", "warning", detail
    else:
        yield "lake commits", "ok", age


def find_silent_bucket(settings: WarehouseSettings) -> Line | None:
    """Return a finding where the lake's bucket does not answer within seconds; None = it does, or is a folder."""
    url = bucket_address(settings)
    if url is None:
        return None
    shown, remedy = url.partition("?")[0], "check the service and the network"
    try:
        with urlopen(url, timeout=BUCKET_SECONDS):  # noqa: S310 (http or https, by our own settings)
            return None
    except HTTPError as error:
        if error.code < 500:
            return None
        return "lake files", "failed", f"the bucket at {shown} answers with status {error.code}: {remedy}"
    except (OSError, HTTPException) as error:
        why = getattr(error, "reason", None) or error or type(error).__name__
        return "lake files", "failed", f"the bucket at {shown} does not answer ({why}): {remedy}"


def examine_pace(session: Session, flows: FlowSettings, now: datetime) -> Iterator[Line]:
    """Yield how far measuring is behind, and what is left of the day's paid reads."""
    unread, oldest = get_oldest_unread(session, now)
    if unread and oldest is not None:
        detail = (
            f"{unread} snapshots have been due for over an hour, the oldest since {oldest:%Y-%m-%d %H:%M} UTC"
        )
        yield "metrics", "warning", detail
    for platform, limit in flows.reads_per_day.items():
        used = count_reads(session, str(platform), now)
        status: Literal["ok", "warning"] = "warning" if used >= limit else "ok"
        yield (
            f"reads of {platform}",
            status,
            f"{used} of {limit} used this UTC day; the rest stays due",
        )


def _ago(now: datetime, then: datetime) -> str:
    minutes = max(0, round((now - then).total_seconds() / 60))
    return f"{minutes} min ago" if minutes < 120 else f"{minutes // 60} h ago"


def _describe_absence(settings: WarehouseSettings, catalog: Path, measured: int) -> Line:
    data = settings.resolved_lake_data_path
    left = not data.startswith("s3://") and next(Path(data).rglob("*.parquet"), None) is not None
    if left or measured:
        what = f"its Parquet files are in {data}" if left else f"{measured} measured publications were in it"
        return "lake", "failed", f"the catalog {catalog} is missing, and {what}: restore it from a backup"
    return "lake", "warning", "there is no lake yet: `socialflow up` creates it"
