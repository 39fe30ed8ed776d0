"""Merge accounts that turned out to be one: an imported history and the connection of the same account."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from sqlalchemy import delete, select, update

from warehouse.lake.import_.corrections import forget_account
from warehouse.lake.marts import recompute_publications
from warehouse.sql import load_sql
from warehouse.store.audit.log import record
from warehouse.store.imports.models import Import, ImportedPublication
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.posts.external_posts import floor_minute, is_derived_id, same_text
from warehouse.store.schedules.queue_models import QueueSlot

if TYPE_CHECKING:
    from datetime import datetime

    from duckdb import DuckDBPyConnection
    from sqlalchemy.orm import Session

    from warehouse.lake.connect import Lake
    from warehouse.store.database import Store

logger = logging.getLogger(__name__)

_CHUNK = 5_000


class _Pair(NamedTuple):
    """A publication of the double, and the one of the account that is the same post (None = it only moves)."""

    publication_id: str
    post_id: str
    into_publication: str | None
    into_post: str | None


def merge_marked_accounts(store: Store, lake: Lake, now: datetime) -> list[dict[str, Any]]:
    """Move the posts of marked doubles (`AccountRow.merged_into`) to their accounts; return what was merged.

    Posts that both have (the same id, or the same minute where a file had no ids) become one post with all their
    measurements. First the lake, then the store: after a crash the same call continues. The audit log has an entry
    `accounts_merged` for each.
    """
    with store.read() as session:
        query = select(AccountRow).where(AccountRow.merged_into.is_not(None))
        marked = list(session.scalars(query.order_by(AccountRow.id)))
    told = []
    for double in marked:
        into_id = str(double.merged_into)
        with store.read() as session:
            into = session.get(AccountRow, into_id)
            pairs = _find_pairs(session, double.id, into_id)
        if into is None:
            logger.error("account %s is marked as a double of %s, which does not exist", double.id, into_id)
            continue
        _merge_in_lake(lake, double.id, into_id, pairs)
        with store.write() as session:
            told.append(_merge_in_store(session, double, into, now))
    return told


def _find_pairs(session: Session, double_id: str, into_id: str) -> list[_Pair]:
    columns = (
        Publication.id,
        Publication.post_id,
        Publication.external_id,
        Publication.published_at,
        Publication.content["text"].as_string().label("text"),
    )
    mine = session.execute(select(*columns).where(Publication.account_id == double_id)).all()
    theirs = session.execute(select(*columns).where(Publication.account_id == into_id)).all()
    by_external_id = {row.external_id: row for row in theirs if row.external_id}
    by_minute: dict[datetime, list[Any]] = {}
    for row in theirs:
        if row.published_at is not None:
            by_minute.setdefault(floor_minute(row.published_at), []).append(row)
    pairs = []
    for row in mine:
        match = by_external_id.get(row.external_id)
        if match is None and row.published_at is not None:
            match = next(
                (
                    other
                    for other in by_minute.get(floor_minute(row.published_at), [])
                    if is_derived_id(row.external_id or "") != is_derived_id(other.external_id or "")
                    and same_text(row.text or "", other.text or "")
                ),
                None,
            )
            if match is not None:
                by_minute[floor_minute(row.published_at)].remove(match)
        into_publication, into_post = (match.id, match.post_id) if match is not None else (None, None)
        pairs.append(_Pair(row.id, row.post_id, into_publication, into_post))
    return pairs


def _merge_in_lake(lake: Lake, double_id: str, into_id: str, pairs: list[_Pair]) -> None:
    columns = list(zip(*pairs, strict=True)) or [() for _ in _Pair._fields]
    batch = pa.table(
        {
            name: pa.array(list(column), pa.string())
            for name, column in zip(_Pair._fields, columns, strict=True)
        }
    )

    def work(cursor: DuckDBPyConnection) -> None:
        cursor.register("pair_rows", batch)
        cursor.execute("CREATE OR REPLACE TEMP TABLE pairs AS FROM pair_rows")
        cursor.unregister("pair_rows")
        for step in (
            "delete_repeated_snapshots",
            "move_snapshots",
            "delete_merged_publications",
            "move_publications",
        ):
            cursor.execute(load_sql(f"merge/{step}"), {"into": into_id} if step.startswith("move") else {})
        cursor.execute(
            "CREATE OR REPLACE TEMP TABLE merged AS SELECT publication_id FROM pairs "
            "UNION SELECT into_publication FROM pairs WHERE into_publication IS NOT NULL"
        )
        recompute_publications(cursor, "merged")
        forget_account(cursor, double_id)

    lake.run_write(work)


def _merge_in_store(session: Session, double: AccountRow, into: AccountRow, now: datetime) -> dict[str, Any]:
    pairs = _find_pairs(session, double.id, into.id)
    joined = [pair for pair in pairs if pair.into_publication is not None]
    moved = [pair.publication_id for pair in pairs if pair.into_publication is None]
    for pair in joined:
        noted = select(ImportedPublication.import_id).where(
            ImportedPublication.publication_id == pair.into_publication
        )
        mine = ImportedPublication.publication_id == pair.publication_id
        session.execute(delete(ImportedPublication).where(mine, ImportedPublication.import_id.in_(noted)))
        session.execute(
            update(ImportedPublication)
            .where(mine)
            .values(publication_id=pair.into_publication, created=False, before=None)
        )
    for start in range(0, len(joined), _CHUNK):
        part = joined[start : start + _CHUNK]
        session.execute(delete(Publication).where(Publication.id.in_([pair.publication_id for pair in part])))
        session.execute(delete(Post).where(Post.id.in_([pair.post_id for pair in part])))
    for start in range(0, len(moved), _CHUNK):
        session.execute(
            update(Publication)
            .where(Publication.id.in_(moved[start : start + _CHUNK]))
            .values(account_id=into.id, updated_at=now)
        )
    session.execute(delete(QueueSlot).where(QueueSlot.account_id == double.id))
    for row in session.scalars(select(Import).where(Import.workspace_id == double.workspace_id)):
        if double.id in row.created_accounts:
            row.created_accounts = [item for item in row.created_accounts if item != double.id]
    session.execute(delete(AccountRow).where(AccountRow.id == double.id))
    told = {
        "platform": into.platform,
        "handle": into.handle,
        "merged_account": double.id,
        "merged_handle": double.handle,
        "same_posts": len(joined),
        "moved_posts": len(moved),
    }
    record(session, "accounts_merged", into.workspace_id, now, into.id, told)
    logger.warning(
        "merged the account %s (%s) into %s (%s): %d posts were the same, %d moved",
        double.id,
        double.handle,
        into.id,
        into.handle,
        len(joined),
        len(moved),
    )
    return {"account": into.id} | told
