"""Facebook videos: accepted at once, processed for a while, and only then published as a post.

Source: meta/AdVideo.json, meta/VideoStatus.json. The video id is known long before the post id.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from connectors.candidates import Candidate, choose, window_start
from connectors.errors import ConnectorError, ContentRejectedError, OutcomeUnknownError, UnavailableError
from connectors.facebook.capabilities import LABEL, VERSION
from connectors.facebook.listings import list_since
from connectors.facebook.posts import VIDEO_FIELDS, build_permalink
from connectors.http.client import PlatformApi
from connectors.http.context import ConnectorContext
from connectors.meta.api import parse_time
from connectors.parts import Part, Progress, SentPart
from connectors.types import Media

_FAILED = frozenset({"error", "expired", "upload_failed"})


class VideoFailedError(ContentRejectedError):
    """Facebook could not process the file: nothing was published."""


def parse_video(video: Any, page_id: str) -> SentPart | None:  # noqa: ANN401 - JSON
    """Read a video: its post, or None while it is processed. Raises VideoFailedError."""
    status = str((video.get("status") or {}).get("video_status", ""))
    if status in _FAILED:
        raise VideoFailedError(f"{LABEL} could not process the video: try another file or format")
    published_at = parse_time(video["created_time"])
    if status != "ready" or not video.get("post_id"):
        return None
    number = str(video["post_id"])
    post_id = number if "_" in number else f"{page_id}_{number}"
    return SentPart(post_id, build_permalink(post_id), published_at)


async def read_video(api: PlatformApi, video_id: str, page_id: str) -> SentPart | None:
    """Request one video; returns and raises as `parse_video`."""
    return await api.read(
        f"{VERSION}/{video_id}", lambda body: parse_video(body, page_id), params={"fields": VIDEO_FIELDS}
    )


async def wait_for_video(
    api: PlatformApi, context: ConnectorContext, video_id: str, page_id: str
) -> SentPart:
    """Return the post of an accepted video.

    Raises VideoFailedError, and OutcomeUnknownError if it is not published within `processing_timeout` or
    cannot be read: it was accepted, so Facebook may still publish it.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + context.settings.processing_timeout
    while True:
        try:
            post = await read_video(api, video_id, page_id)
        except VideoFailedError:
            raise
        except ConnectorError as error:
            raise OutcomeUnknownError(
                f"{LABEL} accepted the video; its state is not known: {error.message}",
                status=error.status,
                platform_code=error.platform_code,
            ) from error
        if post is not None:
            return post
        if loop.time() > deadline:
            raise OutcomeUnknownError(f"{LABEL} accepted the video and is still processing it")
        await asyncio.sleep(context.settings.poll_interval)


async def find_video(api: PlatformApi, page_id: str, part: Part, progress: Progress) -> SentPart | None:
    """Return the post of our video. None = no video since the first attempt matches, or processing failed.

    Raises UnavailableError while it is processed: it may still be published.
    """
    video_id = progress.extra.get("video_id")
    if video_id is not None:
        try:
            return _settled(await read_video(api, str(video_id), page_id))
        except VideoFailedError:
            if not progress.request.sent_elsewhere:
                await progress.save(video_id=None)
                return None
    candidates, waiting = [], set()
    edge, since = f"{page_id}/videos", window_start(progress.request)
    async for video in list_since(api, edge, VIDEO_FIELDS, since, type="UPLOADED"):
        try:
            sent = parse_video(video, page_id)
        except VideoFailedError:
            continue  # whoever uploaded it, it was not published
        if sent is None:
            sent = SentPart(video["id"], None, parse_time(video["created_time"]))
            waiting.add(sent.id)
        candidates.append(Candidate(sent, video.get("description") or "", _is_video))
    found = choose(LABEL, part, progress, candidates)
    return _settled(None if found is not None and found.id in waiting else found) if found else None


def _is_video(media: Sequence[Media]) -> bool:
    return any(item.kind == "video" for item in media)


def _settled(post: SentPart | None) -> SentPart:
    if post is None:
        raise UnavailableError(f"{LABEL} accepted the video and is still processing it")
    return post
