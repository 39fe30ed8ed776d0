"""Nightly compaction of the operational store and update of its planner statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warehouse.store.database import Store

WORTH_IT = 0.25
"""Share of empty pages at which a SQLite file is rewritten (VACUUM); writers wait while it runs."""


def compact_store(store: Store) -> dict[str, float]:
    """Free the space of deleted rows and update the planner statistics.

    Returns {"store_empty_share": share of empty pages before}; 0 on PostgreSQL, which manages its own space.
    """
    with store.upkeep() as run:
        if store.dialect == "postgresql":
            run("ANALYZE")
            return {"store_empty_share": 0.0}
        pages, empty = run("PRAGMA page_count"), run("PRAGMA freelist_count")
        share = empty / pages if pages else 0.0
        if share > WORTH_IT:
            run("VACUUM")
        # With the write lock from the start: statistics that begin as a read fail at once ("database is locked") if
        # somebody commits in between.
        run("BEGIN IMMEDIATE")
        try:
            run("PRAGMA optimize")
        finally:
            run("COMMIT")
        run("PRAGMA wal_checkpoint(TRUNCATE)")
        return {"store_empty_share": round(share, 3)}
