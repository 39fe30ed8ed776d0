"""Upload media to a Mastodon instance and wait until it has processed them.

Source: mastodon/schema.json 4.7.0, POST /api/v2/media (202 and `url` null while it works), GET /api/v1/media/{id}.
"""

import asyncio

from connectors.errors import UnavailableError
from connectors.http.client import PlatformApi
from connectors.http.context import ConnectorContext
from connectors.mastodon.instance import InstanceLimits
from connectors.mastodon.statuses import parse_object
from connectors.types import Media


async def upload(
    api: PlatformApi, context: ConnectorContext, item: Media, limits: InstanceLimits, *, host: str
) -> str:
    """Download one media item and upload it to the instance; return its id for the status.

    Raises UnavailableError after `processing_timeout`.
    """
    most = limits.video_bytes if item.kind == "video" else limits.image_bytes
    async with context.media.fetch(item, max_bytes=most) as media:
        attachment = await api.prepare(
            "POST",
            "/api/v2/media",
            parse_object,
            files={"file": (media.name, media.file, media.content_type)},
            data={"description": item.alt_text} if item.alt_text else {},
            timeout=context.settings.upload_timeout,
        )
    media_id = str(attachment["id"])
    deadline = asyncio.get_running_loop().time() + context.settings.processing_timeout
    while attachment.get("url") is None:
        if asyncio.get_running_loop().time() > deadline:
            raise UnavailableError(f"Mastodon ({host}) is still processing media {media_id}")
        await asyncio.sleep(context.settings.poll_interval)
        attachment = await api.read(f"/api/v1/media/{media_id}", parse_object)
    return media_id
