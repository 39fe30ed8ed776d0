"""One statement in the SQL console, with all its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse.lake.console import ask

if TYPE_CHECKING:
    from warehouse.lake.attach import AsOf
    from warehouse.settings import WarehouseSettings


def run_sql(
    settings: WarehouseSettings, sql: str, *, limit: int | None = None, as_of: AsOf | None = None
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one read-only statement like `ask` and return (column names, at most `limit` rows)."""
    with ask(settings, sql, as_of=as_of) as answer:
        return answer.columns, list(answer.rows(limit))
