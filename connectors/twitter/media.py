"""Upload media to X in chunks: initialize, append, finalize, wait for processing, set the alt text.

Source: specification x/openapi.json, /2/media/upload/{initialize,{id}/append,{id}/finalize},
/2/media/metadata.
"""

import asyncio
from typing import Any

from connectors.errors import ContentRejectedError, UnavailableError
from connectors.http.client import PlatformApi
from connectors.http.context import ConnectorContext
from connectors.http.media import FetchedMedia
from connectors.twitter.capabilities import MAX_IMAGE_BYTES, MAX_VIDEO_BYTES
from connectors.types import Media

_CHUNK = 4_000_000  # X accepts at most 5 MB per append


async def upload(api: PlatformApi, context: ConnectorContext, item: Media) -> str:
    """Download one media item and upload it to X; return its media id for the post."""
    limit = MAX_VIDEO_BYTES if item.kind == "video" else MAX_IMAGE_BYTES
    async with context.media.fetch(item, max_bytes=limit) as media:
        media_id = await _upload_chunks(api, context, media)
    if item.alt_text:
        described = {"id": media_id, "metadata": {"alt_text": {"text": item.alt_text}}}
        await api.prepare("POST", "/2/media/metadata", _ignore, json=described)
    return media_id


async def _upload_chunks(api: PlatformApi, context: ConnectorContext, media: FetchedMedia) -> str:
    start = {
        "media_type": media.content_type,
        "media_category": _category(media.content_type),
        "total_bytes": media.size,
    }
    media_id = await api.prepare("POST", "/2/media/upload/initialize", parse_media_id, json=start)
    for index, part in enumerate(media.parts(_CHUNK)):
        await api.prepare(
            "POST",
            f"/2/media/upload/{media_id}/append",
            _ignore,
            data={"segment_index": str(index)},
            files={"media": (media.name, part, media.content_type)},
            timeout=context.settings.upload_timeout,
        )
    state = await api.prepare("POST", f"/2/media/upload/{media_id}/finalize", parse_processing)
    deadline = asyncio.get_running_loop().time() + context.settings.processing_timeout
    while state in {"pending", "in_progress"}:
        if asyncio.get_running_loop().time() > deadline:
            raise UnavailableError(f"X (Twitter) is still processing media {media_id}")
        await asyncio.sleep(context.settings.poll_interval)
        query = {"media_id": media_id, "command": "STATUS"}
        state = await api.read("/2/media/upload", parse_processing, params=query)
    if state == "failed":
        raise ContentRejectedError("X (Twitter) could not process the media: try another file or format")
    return media_id


def parse_media_id(body: Any) -> str:  # noqa: ANN401 - JSON
    """Read the id out of {data: {id}}."""
    return str(body["data"]["id"])


def parse_processing(body: Any) -> str:  # noqa: ANN401 - JSON
    """Read the state of {data: {processing_info: {state}}}; without one, the medium is ready at once."""
    info = (body.get("data") or {}).get("processing_info") or {}
    return str(info.get("state", "succeeded"))


def _category(content_type: str) -> str:
    if content_type.startswith("video/"):
        return "tweet_video"
    return "tweet_gif" if content_type == "image/gif" else "tweet_image"


def _ignore(_body: Any) -> None:  # noqa: ANN401 - JSON that says nothing we need
    return None
