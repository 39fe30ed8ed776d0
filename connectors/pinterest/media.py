"""Upload videos to Pinterest: register, upload to the returned URL, wait for processing.

Source: pinterest/openapi.json 5.23.0, /media and /media/{media_id}. The upload goes to a storage service with
the form fields that Pinterest returns, never with the account's token.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connectors.errors import GiveUpError, UnavailableError
from connectors.http.client import PlatformApi
from connectors.http.context import ConnectorContext
from connectors.pinterest.capabilities import MAX_VIDEO_BYTES
from connectors.types import Media


@dataclass(frozen=True, slots=True)
class _Upload:
    media_id: str
    url: str
    fields: dict[str, str]


async def upload_video(api: PlatformApi, storage: PlatformApi, context: ConnectorContext, item: Media) -> str:
    """Download the video and upload it; return its media id.

    `storage` sends requests to any URL, without a token.
    """
    async with context.media.fetch(item, kind="video", max_bytes=MAX_VIDEO_BYTES) as media:
        upload = await api.prepare("POST", "/v5/media", _parse_upload, json={"media_type": "video"})
        await storage.prepare(
            "POST",
            upload.url,
            lambda _body: None,
            data=upload.fields,
            files={"file": (media.name, media.file, media.content_type)},
            timeout=context.settings.upload_timeout,
        )
    return upload.media_id


async def wait_for_media(api: PlatformApi, context: ConnectorContext, media_id: str) -> bool:
    """Wait until the video can be pinned; False = processing failed, or Pinterest no longer knows it.

    Raises UnavailableError after `processing_timeout`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + context.settings.processing_timeout
    while True:
        try:
            status = await api.read(f"/v5/media/{media_id}", lambda body: str(body["status"]))
        except GiveUpError as error:
            if error.status != 404:
                raise
            return False
        if status in {"succeeded", "failed"}:
            return status == "succeeded"
        if loop.time() > deadline:
            retry_at = context.clock() + timedelta(minutes=1)
            raise UnavailableError("Pinterest is still processing the video", retry_at=retry_at)
        await asyncio.sleep(context.settings.poll_interval)


def _parse_upload(body: Any) -> _Upload:  # noqa: ANN401 - JSON
    url, fields = str(body["upload_url"]), dict(body.get("upload_parameters") or {})
    if not url.startswith(("https://", "http://")):
        raise ValueError("the upload address is none")
    return _Upload(str(body["media_id"]), url, {name: str(value) for name, value in fields.items()})
