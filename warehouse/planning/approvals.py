"""Read the media of a post that is approved, so that only the approved bytes are sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError
from warehouse.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from connectors.types import Media

READING_LIMIT = 60.0
"""Seconds for all media of one post: whoever approves it waits for them."""


async def hash_media(media: Sequence[Media], read: Callable[[Media], Awaitable[str]]) -> dict[str, str]:
    """Return the SHA-256 (hex) of each medium by its URL, for `warehouse.store.posts.approvals.approve_post`.

    `media`: what `list_media_to_approve` returned. `read` downloads one and returns its hash
    (`ConnectorPool.hash_media`). Call it outside of a transaction. Raises InvalidInputError (code media_not_read) if
    one cannot be read: what nobody can see is not approved.
    """
    hashes = {}
    try:
        async with asyncio.timeout(READING_LIMIT):
            for item in media:
                hashes[item.url] = await read(item)
    except TimeoutError:
        raise InvalidInputError(
            f"the media could not be read within {READING_LIMIT:.0f} s: upload the files, then approve the post",
            field="media",
            code="media_not_read",
        ) from None
    except ConnectorError as error:
        raise InvalidInputError(
            f"not approved: {error.message}", field="media", code="media_not_read"
        ) from error
    return hashes
