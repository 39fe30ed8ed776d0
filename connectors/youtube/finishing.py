"""What follows an upload: the thumbnail and the playlist. Both are requests of their own, after the video exists.

Source: youtube/youtube.v3.json, thumbnails.set and playlistItems.{list,insert}. A thumbnail may be set again; a video
would be in a playlist twice, so the playlist is asked first. Each step is saved, and the video before all of them, so
that an interruption continues with the missing ones and uploads nothing twice.
"""

from datetime import datetime

from connectors.deletion import ignore
from connectors.errors import ContentRejectedError, GiveUpError
from connectors.http.client import PlatformApi
from connectors.http.context import ConnectorContext
from connectors.parts import Progress, SentPart
from connectors.types import Media, PostContent
from connectors.youtube.capabilities import LABEL
from connectors.youtube.options import YouTubeOptions

MAX_THUMBNAIL_BYTES = 2_000_000  # developers.google.com, thumbnails.set
UNFINISHED = "the video is out, its thumbnail or playlist is not"


def steps_of(content: PostContent) -> tuple[str, ...]:
    """Return the names of the steps that follow the upload."""
    options = YouTubeOptions.of(content)
    return tuple(name for name in ("thumbnail", "playlist") if getattr(options, name) is not None)


def lacks_steps(progress: Progress) -> bool:
    """Return whether a step that was asked for is not known to be done."""
    done = progress.extra.get("finished") or ()
    return any(step not in done for step in steps_of(progress.request.content))


def load_video(progress: Progress) -> SentPart | None:
    """Return the video that an earlier attempt uploaded, if steps follow it."""
    known = progress.extra.get("video")
    if known is None:
        return None
    return SentPart(known["id"], known["permalink"], datetime.fromisoformat(known["published_at"]))


async def save_video(sent: SentPart, progress: Progress) -> None:
    """Save the uploaded video, and that its steps are still missing."""
    video = {"id": sent.id, "permalink": sent.permalink, "published_at": sent.published_at.isoformat()}
    await progress.save(video=video, unfinished=UNFINISHED)


async def finish(api: PlatformApi, context: ConnectorContext, sent: SentPart, progress: Progress) -> None:
    """Do the missing steps. Raises GiveUpError, which says that the video is out, if YouTube refuses one."""
    options = YouTubeOptions.of(progress.request.content)
    for step in steps_of(progress.request.content):
        done = list(progress.extra.get("finished") or ())
        if step in done:
            continue
        try:
            if step == "thumbnail":
                await _set_thumbnail(api, context, sent.id, str(options.thumbnail))
            else:
                await _add_to_playlist(api, sent.id, str(options.playlist))
        except (ContentRejectedError, GiveUpError) as error:
            raise GiveUpError(
                f"the video is out ({sent.permalink}), but {LABEL} refused its {step}: {error.message}",
                status=error.status,
                platform_code=error.platform_code,
            ) from error
        await progress.save(finished=[*done, step])


async def _set_thumbnail(api: PlatformApi, context: ConnectorContext, video_id: str, address: str) -> None:
    async with context.media.fetch(Media(url=address), max_bytes=MAX_THUMBNAIL_BYTES) as media:
        await api.prepare(
            "POST",
            "/upload/youtube/v3/thumbnails/set",
            ignore,
            params={"videoId": video_id, "uploadType": "media"},
            content=media.file.read(),
            headers={"Content-Type": media.content_type},
            timeout=context.settings.upload_timeout,
        )


async def _add_to_playlist(api: PlatformApi, video_id: str, playlist: str) -> None:
    path = "/youtube/v3/playlistItems"
    params = {"part": "id", "playlistId": playlist, "videoId": video_id}
    if await api.read(path, lambda body: bool(body["items"]), params=params):
        return
    resource = {"kind": "youtube#video", "videoId": video_id}
    body = {"snippet": {"playlistId": playlist, "resourceId": resource}}
    await api.prepare("POST", path, ignore, params={"part": "snippet"}, json=body)
