"""Import a file of past posts: first into the operational store as posts of origin external, then into the lake.

Each step is idempotent by its natural key, so an interrupted import can simply be run again, and a second import of a
file adds nothing. See docs/warehouse.md for the rules of captured_at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
from sqlalchemy import select

from connectors.types import ListedPost, Platform
from warehouse.lake.dimensions import account_dims
from warehouse.lake.import_.files import RejectedRow, read_history
from warehouse.lake.load import insert_post_snapshots, load_accounts, load_publications, to_batch
from warehouse.lake.rows import AccountDim, PostSnapshot, PublicationDim
from warehouse.sql import load_sql
from warehouse.store.accounts.accounts import find_or_create_imported_account
from warehouse.store.models import Publication
from warehouse.store.posts.external_posts import record_external_posts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from duckdb import DuckDBPyConnection
    from sqlalchemy.orm import Session

    from warehouse.lake.connect import Lake
    from warehouse.lake.import_.files import HistoryFile
    from warehouse.store.database import Store
    from warehouse.store.models import AccountRow

    Progress = Callable[[str, int, int], None]
    """Called with the current step, the rows done and the total rows."""

__all__ = ["ImportReport", "RejectedRow", "import_history", "read_history"]

_TURN_ROWS = 5_000
_LOOKUP_CHUNK = 5_000  # SQLite allows at most 32,766 parameters per statement


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Result of an import: rows = loaded + already_there + skipped + rows with problems."""

    rows: int
    """Rows in the file."""
    loaded: int
    """Measurements new to the lake."""
    already_there: int
    """Rows without new data, including repeats within the file."""
    skipped: int
    """Rows of an account on which a post is being sent now: import again later."""
    rejected: list[RejectedRow]
    accounts: list[str]
    """Handles of the accounts in the file."""
    notes: list[str]
    """Notes for the user."""


def import_history(
    store: Store,
    lake: Lake,
    path: Path,
    *,
    platform: Platform,
    account_name: str | None = None,
    timezone: str = "UTC",
    workspace_id: str,
    now: datetime,
    progress: Progress = lambda _what, _done, _total: None,
) -> ImportReport:
    """Import a CSV or Parquet file of past posts (columns: `read_history`). Reports invalid rows, loads valid ones.

    Without `account_name` each value of the column `account` is a separate account. 233,000 posts take about half a
    minute. Raises InvalidInputError like `read_history`; then nothing is stored.
    """
    progress("reading", 0, 1)
    history = read_history(path, timezone=timezone, account_name=account_name, now=now)
    accounts, publications, snapshots, skipped = _store_posts(
        store, history, platform=platform, workspace_id=workspace_id, now=now, progress=progress
    )
    progress("loading the lake", len(history.rows) - skipped, len(history.rows))
    load_accounts(lake, accounts)
    load_publications(lake, publications)
    loaded = _load_new_snapshots(lake, snapshots, run_id=f"import-{uuid4().hex[:12]}", now=now)
    progress("done", len(history.rows), len(history.rows))
    bad_lines = {row.line for row in history.rejected}
    return ImportReport(
        rows=history.total,
        loaded=loaded,
        already_there=history.total - len(bad_lines) - skipped - loaded,
        skipped=skipped,
        rejected=history.rejected,
        accounts=[account.handle for account in accounts],
        notes=history.notes,
    )


def _store_posts(
    store: Store,
    history: HistoryFile,
    *,
    platform: Platform,
    workspace_id: str,
    now: datetime,
    progress: Progress,
) -> tuple[list[AccountDim], pa.Table, pa.Table, int]:
    """Record the posts; return their rows for the lake and the number of rows that could not be stored now."""
    accounts: dict[str, AccountDim] = {}
    publications: list[pa.Table] = [to_batch([], PublicationDim)]
    snapshots: list[pa.Table] = []
    done = skipped = 0
    for turn in _turns(history.rows):
        progress("storing posts", done, len(history.rows))
        with store.write() as session:
            for name, rows in turn:
                account = find_or_create_imported_account(session, workspace_id, platform, name, now)
                external_ids = rows["post_id"].unique().to_pylist()
                record_external_posts(session, account, _listed_posts(rows), now)
                known = _find_publications(session, account, external_ids)
                accounts[account.id] = account_dims(session, [account])[0]
                of_account = _to_lake_rows(account, rows, known)
                publications.append(of_account[0])
                snapshots.append(of_account[1])
                skipped += len(rows) - len(of_account[1])
                done += len(rows)
    if not snapshots:
        return [], publications[0], to_batch([], PostSnapshot), 0
    return list(accounts.values()), pa.concat_tables(publications), pa.concat_tables(snapshots), skipped


def _turns(rows: pa.Table) -> Iterator[list[tuple[str, pa.Table]]]:
    """Yield batches of (account name, rows), one per short transaction.

    One transaction for all rows would block the publisher for half a minute; one per account would cost a disk flush
    for each of many small accounts.
    """
    turn: list[tuple[str, pa.Table]] = []
    size = 0
    for name, of_account in _by_account(rows):
        for start in range(0, len(of_account), _TURN_ROWS):
            part = of_account.slice(start, _TURN_ROWS)
            if turn and size + len(part) > _TURN_ROWS:
                yield turn
                turn, size = [], 0
            turn.append((name, part))
            size += len(part)
    if turn:
        yield turn


def _by_account(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    rows = rows.sort_by([("account", "ascending"), ("line", "ascending")])
    names = rows["account"].to_pylist()
    start = 0
    for index in range(1, len(names) + 1):
        if index == len(names) or names[index] != names[start]:
            yield names[start], rows.slice(start, index - start)
            start = index


def _listed_posts(rows: pa.Table) -> Iterator[ListedPost]:
    columns = (rows[name].to_pylist() for name in ("post_id", "published_at", "kind"))
    for external_id, published_at, kind in zip(*columns, strict=True):
        yield ListedPost(external_id=external_id, published_at=published_at, text="", kind=kind)


def _find_publications(
    session: Session, account: AccountRow, external_ids: list[str]
) -> dict[str, Publication]:
    """Return the stored rows, which may have more data than the file: for example our own post and its exact time."""
    known: dict[str, Any] = {}
    columns = (
        Publication.external_id,
        Publication.id,
        Publication.post_id,
        Publication.origin,
        Publication.content_kind,
        Publication.published_at,
        Publication.permalink,
        Publication.content["text"].as_string().label("text"),
    )
    for start in range(0, len(external_ids), _LOOKUP_CHUNK):
        chosen = external_ids[start : start + _LOOKUP_CHUNK]
        query = select(*columns).where(
            Publication.account_id == account.id, Publication.external_id.in_(chosen)
        )
        known |= {row.external_id: row for row in session.execute(query)}
    return known


def _to_lake_rows(account: AccountRow, rows: pa.Table, known: dict[str, Any]) -> tuple[pa.Table, pa.Table]:
    """Return the publications and snapshots of the rows that are in the store."""
    external_ids = rows["post_id"].to_pylist()
    rows = rows.filter(pa.array([external_id in known for external_id in external_ids], pa.bool_()))
    found = [known[external_id] for external_id in external_ids if external_id in known]
    publications: dict[str, Any] = {
        "publication_id": [row.id for row in found],
        "post_id": [row.post_id for row in found],
        "workspace_id": [account.workspace_id] * len(found),
        "account_id": [account.id] * len(found),
        "platform": [account.platform] * len(found),
        "origin": [row.origin for row in found],
        "kind": [row.content_kind for row in found],
        "published_at": pa.array([row.published_at for row in found], pa.timestamp("us", tz="UTC")),
        "permalink": [row.permalink for row in found],
        "external_id": [row.external_id for row in found],
        "paid": rows["paid"],
        # A file contains no texts, so an empty one is not known.
        "text": [row.text or None for row in found],
    }
    shared = {
        name: publications[name] for name in ("publication_id", "workspace_id", "account_id", "published_at")
    }
    counted = {name: rows[name] for name in ("captured_at", "likes", "comments", "shares", "impressions")}
    snapshots = to_batch(pa.table(shared | counted), PostSnapshot).append_column("derived", rows["derived"])
    return to_batch(pa.table(publications), PublicationDim), snapshots


def _load_new_snapshots(lake: Lake, snapshots: pa.Table, *, run_id: str, now: datetime) -> int:
    def work(cursor: DuckDBPyConnection) -> int:
        cursor.register("batch", snapshots)
        new = cursor.execute(load_sql("load/select_new_imports"), {"now": now}).to_arrow_table()
        cursor.unregister("batch")
        if not len(new):
            return 0
        return insert_post_snapshots(cursor, to_batch(new, PostSnapshot), run_id, source="import")

    return lake.run_write(work) if len(snapshots) else 0
