"""Read the media of a post that is about to be approved, for the API and the dashboard."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from warehouse.planning.approvals import hash_media
from warehouse.store.posts.approvals import list_media_to_approve

if TYPE_CHECKING:
    from api.http.services import Services
    from connectors.types import Media


async def read_media_to_approve(services: Services, workspace_id: str, post_id: str) -> dict[str, str]:
    """Return the SHA-256 (hex) of the media at URLs of a waiting post, by URL; {} if it does not wait.

    Raises InvalidInputError (code media_not_read).
    """

    def find() -> list[Media]:
        with services.store.read() as session:
            return list_media_to_approve(session, workspace_id, post_id)

    return await hash_media(await asyncio.to_thread(find), services.connectors.hash_media)
