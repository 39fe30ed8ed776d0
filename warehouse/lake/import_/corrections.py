"""Change what earlier imports stored in the lake: correct times, undo an import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from warehouse.lake.marts import recompute_publications
from warehouse.sql import load_sql
from warehouse.store.imports.imports import UndoPlan, finish_undo
from warehouse.store.imports.models import Import

if TYPE_CHECKING:
    from datetime import datetime

    from duckdb import DuckDBPyConnection

    from warehouse.lake.connect import Lake
    from warehouse.store.database import Store

_ACCOUNT_TABLES = (
    "marts.optimal_times",
    "marts.account_daily",
    "marts.growth_curves",
    "marts.suspicious_counts",
    "dims.accounts",
)
"""Tables with rows of an account that no publication leads to."""


def align_times(cursor: DuckDBPyConnection, publication_ids: pa.ChunkedArray) -> int:
    """Give imported snapshots the time of publishing that their publications have; return the number of publications.

    Both differ after a file was imported again with the right time zone. Inside a transaction of `Lake.write`.
    """
    batch = pa.table({"publication_id": publication_ids})
    cursor.register("batch", batch)
    cursor.execute(load_sql("load/find_misdated_imports"))
    cursor.unregister("batch")
    row = cursor.execute("SELECT count(*) FROM misdated").fetchone()
    if not row or not row[0]:
        return 0
    cursor.execute(load_sql("load/align_misdated_imports"))
    recompute_publications(cursor, "misdated")
    return int(row[0])


def undo_import(store: Store, lake: Lake, import_id: str, now: datetime) -> dict[str, Any]:
    """Undo a claimed import (`begin_undo`, `claim_import`): remove exactly its rows, restore what it changed.

    Posts that another import or the platform also named stay. Returns {"posts", "measurements", "restored_posts",
    "accounts"}. Running it again after a crash continues it.
    """
    with store.read() as session:
        plan = UndoPlan(session, session.get_one(Import, import_id))
    removed_rows = lake.run_write(lambda cursor: _remove(cursor, import_id, plan))
    with store.write() as session:
        # Posts may have been published or imported meanwhile, so the plan is made again.
        again = UndoPlan(session, session.get_one(Import, import_id))
        return finish_undo(session, import_id, again, now, removed_rows)


def _remove(cursor: DuckDBPyConnection, import_id: str, plan: UndoPlan) -> int:
    touched = pa.table({"publication_id": pa.array(plan.publication_ids, pa.string())})
    removed = pa.table({"publication_id": pa.array(list(plan.removed), pa.string())})
    restored = [
        (
            publication_id,
            before["published_at"],
            before["external_id"],
            before["permalink"],
            before["text"] or None,
        )
        for publication_id, before in plan.before.items()
        if publication_id not in plan.removed and before["published_at"]
    ]
    names = ("publication_id", "published_at", "external_id", "permalink", "text")
    columns = list(zip(*restored, strict=True)) or [() for _ in names]
    batches = {
        "undone": touched,
        "removed": removed,
        "batch": touched,
        "restored": pa.table(
            {name: pa.array(list(column), pa.string()) for name, column in zip(names, columns, strict=True)}
        ),
    }
    for name, table in batches.items():
        cursor.register(f"{name}_rows", table)
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM {name}_rows")
        cursor.unregister(f"{name}_rows")
    row = cursor.execute("DELETE FROM raw.post_snapshots WHERE run_id = $id", {"id": import_id}).fetchone()
    cursor.execute("DELETE FROM dims.publications WHERE publication_id IN (FROM removed)")
    cursor.execute(load_sql("load/restore_publications"))
    cursor.execute("DELETE FROM quality.findings WHERE run_id = $id", {"id": import_id})
    cursor.execute(load_sql("load/find_misdated_imports"))
    cursor.execute(load_sql("load/align_misdated_imports"))
    recompute_publications(cursor, "undone")
    for account_id in plan.accounts:
        forget_account(cursor, account_id)
    cursor.execute("DROP TABLE batch")
    return int(row[0]) if row else 0


def forget_account(cursor: DuckDBPyConnection, account_id: str) -> None:
    """Delete the rows of an account that has no publications."""
    for table in _ACCOUNT_TABLES:
        cursor.execute(f"DELETE FROM {table} WHERE account_id = $id", {"id": account_id})  # noqa: S608 (our own names)
