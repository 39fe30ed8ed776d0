"""Reels and stories of a Page: uploaded in three steps (start, upload, finish), or made of an uploaded photo.

Sources: meta/Page.json (edges video_reels, video_stories, photo_stories, stories), meta/AdVideo.json, VideoStatus.json;
developers.facebook.com ("Reels Publishing API", "Page Stories API"). Only the last step publishes. Its object (a
video, a photo) is made and saved before, so repeating the step with the same object makes no second post.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.errors import CannotFindOutError, OutcomeUnknownError, UnavailableError
from connectors.facebook.capabilities import LABEL, VERSION
from connectors.facebook.posts import VIDEO_FIELDS, build_permalink
from connectors.facebook.videos import VideoFailedError, parse_video
from connectors.meta.api import parse_id
from connectors.parts import SentPart

if TYPE_CHECKING:
    from connectors.http.client import PlatformApi
    from connectors.parts import Progress
    from connectors.types import Media

_UPLOADS = ".facebook.com"
_STORY_PAGES = 3
"""A Page's stories last for 24 hours, so there are few of them."""
_STORY_FIELDS = "post_id,status,creation_time,media_type,media_id"


async def upload_video(
    api: PlatformApi, uploads: PlatformApi, edge: str, item: Media, progress: Progress, *, home: str
) -> str:
    """Start an upload at `edge` and let Facebook fetch the file; return the video's id. Publishes nothing.

    `home`: base URL of the Graph API. The id is saved before the file is fetched, so that no attempt starts anew.
    """
    begun: dict[str, str] | None = progress.extra.get("short_video")
    if begun is None:

        def parse(body: Any) -> dict[str, str]:  # noqa: ANN401 - JSON
            address = str(body["upload_url"])
            host = urlsplit(address).hostname or ""
            if host != urlsplit(home).hostname and not host.endswith(_UPLOADS):
                raise ValueError("the upload is at no address of Facebook")  # the token would be sent there
            return {"id": str(body["video_id"]), "upload_url": address}

        begun = await api.prepare("POST", f"{VERSION}/{edge}", parse, data={"upload_phase": "START"})
        await progress.save(short_video=begun)
    if not progress.extra.get("short_uploaded"):
        headers = {"file_url": item.url}
        await uploads.prepare("POST", begun["upload_url"], _require_success, headers=headers)
        await progress.save(short_uploaded=True)
    return str(begun["id"])


async def finish_upload(api: PlatformApi, edge: str, video_id: str, form: dict[str, str]) -> str | None:
    """Publish an uploaded video as a reel or a story; return the post's id, if Facebook names it already."""
    given = {"upload_phase": "FINISH", "video_id": video_id, "video_state": "PUBLISHED", **form}
    return await api.publish(f"{VERSION}/{edge}", _parse_post_id, data=given)


async def publish_photo_story(api: PlatformApi, page: str, item: Media, progress: Progress) -> str | None:
    """Upload a photo unpublished, once, and publish it as a story; return the post's id."""
    photo = progress.extra.get("story_photo")
    if photo is None:
        form = {"url": item.url, "published": "false"}
        photo = await api.prepare("POST", f"{page}/photos", parse_id, data=form)
        await progress.save(story_photo=photo)
    return await api.publish(f"{page}/photo_stories", _parse_post_id, data={"photo_id": str(photo)})


async def find_reel(api: PlatformApi, page_id: str, progress: Progress) -> SentPart | None:
    """Return the post of our reel; None = its last step has certainly not been taken.

    Raises UnavailableError while Facebook publishes it.
    """
    begun = progress.extra.get("short_video")
    if begun is None:
        return None
    path = f"{VERSION}/{begun['id']}"

    def parse(body: Any) -> tuple[SentPart | None, str]:  # noqa: ANN401 - JSON
        phase = ((body.get("status") or {}).get("publishing_phase") or {}).get("status", "")
        return parse_video(body, page_id), str(phase)

    try:
        sent, phase = await api.read(path, parse, params={"fields": VIDEO_FIELDS})
    except VideoFailedError:
        await progress.save(short_video=None, short_uploaded=None)
        return None
    if sent is None and phase != "not_started":
        raise UnavailableError(f"{LABEL} accepted the reel and is still processing it")
    return sent


async def find_story(api: PlatformApi, page_id: str, progress: Progress) -> SentPart | None:
    """Return our story by the id of its photo or video; None = it is not among the Page's stories.

    Raises CannotFindOutError if those ids were not saved here: a story has no text to recognise it by.
    """
    begun = progress.extra.get("short_video")
    media_id = progress.extra.get("story_photo") or (begun["id"] if begun else None)
    if media_id is None:
        if progress.request.sent_elsewhere:
            raise CannotFindOutError(
                f"a story on {LABEL} has no text by which it can be recognized: check the Page"
            )
        return None
    cursor: str | None = None
    for _ in range(_STORY_PAGES):
        params = {"fields": _STORY_FIELDS, "limit": "100", **({"after": cursor} if cursor else {})}
        stories, cursor = await api.read(f"{VERSION}/{page_id}/stories", _parse_stories, params=params)
        for story in stories:
            if story["media_id"] == str(media_id):
                return _sent(story["post_id"], page_id, story["at"])
        if cursor is None:
            break
    return None


async def confirm_story(
    api: PlatformApi, page_id: str, post_id: str | None, now: datetime, progress: Progress
) -> SentPart:
    """Return the published story. Raises OutcomeUnknownError if Facebook neither named nor lists its post."""
    if post_id is not None:
        return _sent(post_id, page_id, now)
    found = await find_story(api, page_id, progress)
    if found is None:
        raise OutcomeUnknownError(f"{LABEL} accepted the story, and does not list it yet")
    return found


def _sent(number: str, page_id: str, at: datetime) -> SentPart:
    post_id = number if "_" in number else f"{page_id}_{number}"
    return SentPart(post_id, build_permalink(post_id), at)


def _parse_post_id(body: Any) -> str | None:  # noqa: ANN401 - JSON
    _require_success(body)
    return str(body["post_id"]) if body.get("post_id") else None


def _require_success(body: Any) -> None:  # noqa: ANN401 - JSON
    if body["success"] is not True:
        raise ValueError("success is not true")


def _parse_stories(body: Any) -> tuple[list[dict[str, Any]], str | None]:  # noqa: ANN401 - JSON
    """Read a page of stories; creation_time is in seconds since 1970."""
    stories = [
        {
            "post_id": str(item["post_id"]),
            "media_id": str(item.get("media_id") or ""),
            "at": _parse_moment(item["creation_time"]),
        }
        for item in body["data"]
    ]
    following = ((body.get("paging") or {}).get("cursors") or {}).get("after")
    return stories, following if (body.get("paging") or {}).get("next") else None


def _parse_moment(value: Any) -> datetime:  # noqa: ANN401 - JSON
    return datetime.fromtimestamp(int(value), UTC)
