"""Upload media to LinkedIn: initialize, PUT the bytes as a stream, finalize a video, wait for videos and documents.

Sources: learn.microsoft.com/linkedin, "Images API", "Videos API" and "Documents API" (li-lms-2025-01). An upload
publishes nothing. LinkedIn chooses the URL to PUT to; the token is sent only to LinkedIn's own servers.
"""

import asyncio
from typing import Any
from urllib.parse import quote, urlsplit

from connectors.errors import ContentRejectedError, GiveUpError, UnavailableError
from connectors.http.client import HeaderParse, PlatformApi
from connectors.http.context import ConnectorContext
from connectors.http.media import FetchedMedia
from connectors.linkedin.capabilities import LABEL, MAX_DOCUMENT_BYTES, MAX_IMAGE_BYTES, MAX_VIDEO_BYTES
from connectors.linkedin.responses import DENIED
from connectors.types import Media

_WAITING = frozenset({"PROCESSING", "WAITING_UPLOAD"})


class LinkedInUploads:
    """Uploads for one account. `api` sends requests to LinkedIn, `bare` to full URLs with the token."""

    def __init__(self, api: PlatformApi, bare: PlatformApi, context: ConnectorContext) -> None:
        self._api = api
        self._bare = bare
        self._context = context

    async def upload(self, item: Media, owner: str) -> dict[str, str]:
        """Download one media item and upload it to LinkedIn; return its URN for the post."""
        limits = {"image": MAX_IMAGE_BYTES, "video": MAX_VIDEO_BYTES, "document": MAX_DOCUMENT_BYTES}
        async with self._context.media.fetch(item, max_bytes=limits[item.kind]) as media:
            if item.kind == "video":
                urn = await self._upload_video(media, owner)
            else:
                urn = await self._upload_whole(media, owner, item.kind)
        if item.kind != "image":
            await self._wait(urn, item.kind)
            return {"id": urn, **({"title": item.alt_text} if item.alt_text else {})}
        return {"id": urn, **({"altText": item.alt_text} if item.alt_text else {})}

    async def _upload_whole(self, media: FetchedMedia, owner: str, kind: str) -> str:
        """Upload an image or a document, which takes one PUT."""
        url, urn = await self._api.prepare(
            "POST",
            f"/rest/{kind}s?action=initializeUpload",
            lambda body: (str(body["value"]["uploadUrl"]), str(body["value"][kind])),
            json={"initializeUploadRequest": {"owner": owner}},
        )
        await self._put(url, media, 0, media.size)
        return urn

    async def _upload_video(self, media: FetchedMedia, owner: str) -> str:
        order = {
            "owner": owner,
            "fileSizeBytes": media.size,
            "uploadCaptions": False,
            "uploadThumbnail": False,
        }
        urn, token, parts = await self._api.prepare(
            "POST",
            "/rest/videos?action=initializeUpload",
            _parse_instructions,
            json={"initializeUploadRequest": order},
        )
        tags = []
        for url, first, last in parts:
            tags.append(await self._put(url, media, first, last - first + 1))
        finished = {"video": urn, "uploadToken": token, "uploadedPartIds": tags}
        await self._api.prepare(
            "POST",
            "/rest/videos?action=finalizeUpload",
            lambda _body: None,
            json={"finalizeUploadRequest": finished},
        )
        return urn

    async def _put(self, url: str, media: FetchedMedia, start: int, size: int) -> str:
        """PUT `size` bytes from `start`; return the tag in LinkedIn's response."""
        host = urlsplit(url).hostname or ""
        ours = urlsplit(self._context.settings.linkedin_base_url).hostname
        if host != ours and not host.endswith(".linkedin.com"):
            raise GiveUpError(
                f"{LABEL} wants the media at {host}, which is not one of its own servers: not sent"
            )
        return await self._bare.prepare(
            "PUT",
            url,
            HeaderParse(lambda headers, _body: headers.get("etag", "").strip('"')),
            content=media.stream(start, size),
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
            timeout=self._context.settings.upload_timeout,
        )

    async def _wait(self, urn: str, kind: str) -> None:
        """Wait until a video or a document is processed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._context.settings.processing_timeout
        while True:
            try:
                status = await self._api.read(f"/rest/{kind}s/{quote(urn, safe='')}", _parse_status)
            except GiveUpError as error:
                if error.platform_code != DENIED:
                    raise
                return  # an app without read access cannot check it
            if status == "PROCESSING_FAILED":
                raise ContentRejectedError(
                    f"{LABEL} could not process the {kind}: try another file or format"
                )
            if status not in _WAITING:
                return
            if loop.time() > deadline:
                raise UnavailableError(f"{LABEL} is still processing the {kind} {urn}")
            await asyncio.sleep(self._context.settings.poll_interval)


def _parse_status(body: Any) -> str:  # noqa: ANN401 - JSON
    return str(body["status"])


def _parse_instructions(body: Any) -> tuple[str, str, list[tuple[str, int, int]]]:  # noqa: ANN401 - JSON
    """Read {value: {video, uploadToken, uploadInstructions: [{uploadUrl, firstByte, lastByte}]}}."""
    value = body["value"]
    parts = [
        (str(item["uploadUrl"]), int(item["firstByte"]), int(item["lastByte"]))
        for item in value["uploadInstructions"]
    ]
    return str(value["video"]), str(value.get("uploadToken") or ""), parts
