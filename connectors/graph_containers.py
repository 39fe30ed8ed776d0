"""Containers, in which Instagram and Threads hold a post until it is published: how far is one?

Source: developers.facebook.com, "IG Container" and "Threads: Troubleshooting" (the same five statuses).
Creating a container puts nothing before the world; it says for 24 hours whether it was published.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from connectors.context import ConnectorContext
from connectors.errors import GiveUpError, UnavailableError
from connectors.graph_api import GONE
from connectors.http import PlatformApi


async def read_status(api: PlatformApi, path: str, field: str) -> str:
    """Return EXPIRED, ERROR, FINISHED, IN_PROGRESS or PUBLISHED; EXPIRED also where it is gone."""
    try:
        return await api.read(path, lambda body: str(body[field]), params={"fields": field})
    except GiveUpError as error:
        if error.platform_code != GONE:
            raise
        return "EXPIRED"


async def wait_until_processed(
    read: Callable[[], Awaitable[str]], context: ConnectorContext, label: str
) -> str:
    """Return the status as soon as it is not IN_PROGRESS.

    Raises UnavailableError after `processing_timeout`; the container stays good for 24 hours.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + context.settings.processing_timeout
    while (status := await read()) == "IN_PROGRESS":
        if loop.time() > deadline:
            retry_at = context.clock() + timedelta(minutes=1)
            raise UnavailableError(f"{label} is still processing the media", retry_at=retry_at)
        await asyncio.sleep(context.settings.poll_interval)
    return status
