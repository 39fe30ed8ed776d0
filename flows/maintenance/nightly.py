"""Nightly maintenance, as plain functions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connectors.webhooks.settings import WebhookSettings
from flows.account_runs import utc_now
from warehouse.media_files import open_media_files
from warehouse.store.compaction import compact_store
from warehouse.store.leases.work_leases import forget_expired_work, list_work
from warehouse.store.measuring.export_cursors import list_cursors
from warehouse.store.measuring.read_budgets import forget_reads
from warehouse.store.posts.media import remove_unused
from warehouse.store.webhooks.state import forget_old_events

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from flows.resources import Resources


KEEP_RESULTS = timedelta(days=30)
"""How long the results of runs can be read."""
BACKUP_LEASE = "backup"
"""Kind of the lease that `socialflow backup` holds: meanwhile no file of the lake is deleted."""
KEEP_EXPIRED_LEASES = timedelta(days=1)


def maintain_stores(resources: Resources, *, clock: Callable[[], datetime] = utc_now) -> dict[str, Any]:
    """Maintain both stores and return what was done. Raises ConflictError, SetupError."""
    from warehouse.lake.maintenance import maintain_lake  # noqa: PLC0415 (see flows.resources)

    archived = archive_ledgers(resources, clock())
    forgotten = forget_events(resources, clock() - WebhookSettings().kept_for)
    removed = remove_unused_uploads(resources, clock())
    with resources.store.write() as session:
        charges = forget_reads(session, clock())
        forget_expired_work(session, KEEP_EXPIRED_LEASES)
        kept = list_cursors(session, clock())
        backups = list_work(session, BACKUP_LEASE)
    return {
        **maintain_lake(
            resources.lake,
            clock(),
            keep_snapshots=resources.warehouse.keep_lake_snapshots,
            kept=kept,
            delete_files=not backups,
        ),
        **archived,
        "webhook_events_forgotten": forgotten,
        "uploads_removed": removed,
        "read_charges_forgotten": charges,
        "run_results_removed": remove_old_results(resources.warehouse.home, clock()),
        **compact_store(resources.store),
    }


def archive_ledgers(resources: Resources, now: datetime) -> dict[str, int]:
    """Move the event logs of publications that ended long ago into the lake; return how many. Raises ConflictError."""
    from warehouse.lake.archive import ArchiveReport, archive_events  # noqa: PLC0415 (see flows.resources)

    age = resources.warehouse.archive_after
    if not age:
        return ArchiveReport().as_dict()
    return archive_events(resources.store, resources.lake, before=now - age).as_dict()


def remove_old_results(home: Path, now: datetime) -> int:
    """Delete Prefect's files with results of old runs, one for each run; return how many."""
    removed = 0
    for file in (home / "prefect" / "storage").glob("*"):
        if file.is_file() and file.stat().st_mtime < (now - KEEP_RESULTS).timestamp():
            file.unlink(missing_ok=True)
            removed += 1
    return removed


def forget_events(resources: Resources, before: datetime) -> int:
    """Delete older webhook events with their log, in many short transactions; return how many."""
    total = 0
    while True:
        with resources.store.write() as session:
            forgotten = forget_old_events(session, before)
        if not forgotten:
            return total
        total += forgotten


def remove_unused_uploads(resources: Resources, now: datetime) -> int:
    """Delete old uploads that no unsent post needs; return how many."""
    files = open_media_files(resources.warehouse)
    removed = 0
    while True:
        with resources.store.write() as session:
            ids = remove_unused(session, before=now - resources.warehouse.media_unused_after)
        # Delete files after the commit: a file without a row is only garbage, a row without a file is a lost
        # upload.
        for media_id in ids:
            files.remove(media_id)
        removed += len(ids)
        if not ids:
            return removed
