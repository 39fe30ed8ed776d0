"""Keep the operational store small and its plans good, every night."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warehouse.store.database import Store

WORTH_IT = 0.25
"""Share of empty pages from which a SQLite file is written anew: it holds up writers for as long as that takes."""


def compact_store(store: Store) -> dict[str, float]:
    """Give back the space of deleted rows and refresh the planner's figures.

    Returns {"store_empty_share": share of the file that was empty before}; PostgreSQL tends its own space, so 0.
    """
    with store.upkeep() as run:
        if store.dialect == "postgresql":
            run("ANALYZE")
            return {"store_empty_share": 0.0}
        pages, empty = run("PRAGMA page_count"), run("PRAGMA freelist_count")
        share = empty / pages if pages else 0.0
        if share > WORTH_IT:
            run("VACUUM")
        run("PRAGMA optimize")
        run("PRAGMA wal_checkpoint(TRUNCATE)")
        return {"store_empty_share": round(share, 3)}
