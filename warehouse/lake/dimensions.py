"""Accounts of the store as dimension rows of the lake, each with its one effective time zone; marks of publications.

An account's time zone is its own, else its workspace's. This module is the only place that decides it; marts, the
timing run and the API read dims.accounts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from warehouse.errors import InvalidInputError
from warehouse.lake.rows import AccountDim
from warehouse.sql import load_sql
from warehouse.store.models import AccountRow, Publication, Workspace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pyarrow as pa
    from duckdb import DuckDBPyConnection
    from sqlalchemy.orm import Session

    from warehouse.lake.connect import Lake
    from warehouse.store.database import Store


_FEW = 500
"""Workspaces that a statement names; for more it reads all."""


def account_dims(session: Session, rows: Iterable[AccountRow]) -> list[AccountDim]:
    """Return the dimension rows of accounts, with the fields that analysts may see. Contains no credentials."""
    rows = list(rows)
    workspaces = select(Workspace.id, Workspace.timezone)
    if len(used := {row.workspace_id for row in rows}) <= _FEW:
        workspaces = workspaces.where(Workspace.id.in_(used))
    zones = {row.id: row.timezone for row in session.execute(workspaces)}
    return [
        AccountDim(
            account_id=row.id,
            workspace_id=row.workspace_id,
            platform=row.platform,
            handle=row.handle,
            display_name=row.display_name or None,
            timezone=row.timezone or zones.get(row.workspace_id),
            # An imported account that was never connected has a key of ours there.
            external_id=None if row.external_id.startswith("import:") else row.external_id,
        )
        for row in rows
    ]


def sync_accounts(store: Store, lake: Lake) -> None:
    """Bring all accounts of the lake up to date with the store; the marts follow a changed time zone.

    Writes nothing if nothing changed. Raises ConflictError if the lake cannot be locked.
    """
    from warehouse.lake.load import load_accounts  # noqa: PLC0415 (Arrow costs the API 40 MB until a zone changes)

    with store.read() as session:
        dims = account_dims(session, session.scalars(select(AccountRow).order_by(AccountRow.id)))
    load_accounts(lake, dims)


def find_unknown_zones(store: Store) -> dict[str, str]:
    """Return what is wrong with the time zone of accounts, by account id. The lake has UTC for these."""
    from warehouse.timing.history import check_zone  # noqa: PLC0415 (NumPy, which the API does not need for this)

    with store.read() as session:
        dims = account_dims(session, session.scalars(select(AccountRow).order_by(AccountRow.id)))
    unknown = {}
    for dim in dims:
        try:
            check_zone(dim.timezone or "UTC")
        except InvalidInputError as error:
            unknown[dim.account_id] = f"{error.message}; its hours are those of UTC"
    return unknown


def sync_marks(store: Store, lake: Lake) -> int:
    """Mark in the lake which publications were found deleted, and which a person marked as promoted or not.

    A publication that was measured again after it was found deleted is no longer marked so. Writes nothing if there is
    nothing to mark. Returns the number of changed rows.
    """
    import pyarrow as pa  # noqa: PLC0415 (see sync_accounts)

    deletions = select(Publication.id, Publication.platform_deleted_at).where(
        Publication.platform_deleted_at.is_not(None)
    )
    promotions = select(Publication.id, Publication.marked_paid).where(Publication.marked_paid.is_not(None))
    with store.read() as session:
        gone = {row.id: row.platform_deleted_at for row in session.execute(deletions)}
        marked = {row.id: row.marked_paid for row in session.execute(promotions)}
    (known,) = lake.query(load_sql("load/count_marks"))
    work: list[tuple[str, pa.Table]] = []
    if gone or known["deleted"]:
        instants = pa.array(list(gone.values()), pa.timestamp("us", tz="UTC"))
        ids = pa.array(list(gone), pa.string())
        batch = pa.table({"publication_id": ids, "deleted_at": instants})
        work += [("load/mark_deleted_publications", batch)] if gone else []
        work += [("load/unmark_deleted_publications", batch)] if known["deleted"] else []
    if marked or known["marked"]:
        words = pa.array(list(marked.values()), pa.bool_())
        work.append(
            (
                "load/mark_paid_publications",
                pa.table({"publication_id": pa.array(list(marked), pa.string()), "marked_paid": words}),
            )
        )
    return _update(lake, work)


def mark_promoted(lake: Lake, publication_ids: Collection[str]) -> int:
    """Mark publications in the lake that the platform reports as promoted; return the number of new marks."""
    import pyarrow as pa  # noqa: PLC0415 (see sync_accounts)

    batch = pa.table({"publication_id": pa.array(list(publication_ids), pa.string())})
    return _update(lake, [("load/mark_promoted_publications", batch)] if publication_ids else [])


def _update(lake: Lake, statements: list[tuple[str, pa.Table]]) -> int:
    """Run statements that read `batch` in one transaction; return the number of changed rows."""
    if not statements:
        return 0

    def work(cursor: DuckDBPyConnection) -> int:
        changed = 0
        for name, batch in statements:
            cursor.register("batch", batch)
            row = cursor.execute(load_sql(name)).fetchone()
            cursor.unregister("batch")
            changed += int(row[0]) if row else 0
        return changed

    return lake.run_write(work)
