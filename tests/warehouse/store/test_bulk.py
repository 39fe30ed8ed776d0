"""Rows that are inserted and updated together are read back as the models write them, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from warehouse.store.bulk import complete_rows, insert_rows, update_rows
from warehouse.store.models import ApiKey

if TYPE_CHECKING:
    from conftest import World

    from warehouse.store.database import Store

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def make(world: World, number: int, scopes: list[str]) -> dict[str, Any]:
    return {
        "id": f"key_{number}",
        "workspace_id": world.workspace_id,
        "name": f"key {number}, with 'quotes' and \u00e4",
        "key_hint": "sf_",
        "key_hmac": f"hmac {number}",
        "secret_hmac": "secret",
        "scopes": scopes,
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=number) if number % 2 else None,
    }


def read(store: Store) -> list[dict[str, Any]]:
    with store.read() as session:
        rows = session.scalars(select(ApiKey).where(ApiKey.key_hint == "sf_").order_by(ApiKey.id))
        return [{column.key: getattr(row, column.key) for column in ApiKey.__table__.columns} for row in rows]


def test_lists_instants_and_nulls_come_back_as_they_were(world: World) -> None:
    store = world.store
    # A JSON value that is a list must not be taken for a second dimension of PostgreSQL's array.
    rows = complete_rows(
        ApiKey, [make(world, 1, []), make(world, 2, ["read"]), make(world, 3, ["read", "write"])]
    )
    with store.write() as session:
        insert_rows(session, ApiKey, rows[:1])
        insert_rows(session, ApiKey, rows[1:])
        insert_rows(session, ApiKey, [])
    assert read(store) == rows

    with store.write() as session:
        changes = [{"id": row["id"], "scopes": ["admin", row["id"]]} for row in rows[:2]]
        update_rows(session, ApiKey, changes, revoked_at=NOW)
    changed = [row | change | {"revoked_at": NOW} for row, change in zip(rows, changes, strict=False)]
    assert read(store) == [*changed, rows[2]]
