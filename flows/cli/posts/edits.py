"""The part of `socialflow posts edit` that changes published posts on their platforms."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from warehouse.planning.editing import send_edits
from warehouse.planning.views import describe_post
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.database import Store
from warehouse.store.posts.reads import get_post, list_publications

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.store.publishing.editing import Edit


def edit_published(
    post_id: str, edits: Sequence[Edit], warnings: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """Make the recorded edits; return the post as it is then, and a warning for each edit that was not made."""
    with Store.open(WarehouseSettings()) as store:
        failed = asyncio.run(_send(store, edits))
        with store.write() as session:
            workspace_id = ensure_default_workspace(session, datetime.now(UTC)).id
            post = get_post(session, workspace_id, post_id)
            publications = list_publications(session, [post.id])[post.id]
            return describe_post(post, publications, [*warnings, *failed]), failed


async def _send(store: Store, edits: Sequence[Edit]) -> list[str]:
    async with ConnectorPool(ConnectorSettings()) as pool:
        return await send_edits(store, pool.edit_post, edits, lambda: datetime.now(UTC))
