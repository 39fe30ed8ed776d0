"""Publish posts on TikTok and determine their outcome by the publish_id.

Sources: developers.tiktok.com, "Direct Post", "Photo", "Get Post Status" (when the post's id is available, 30
requests a minute).
"""

import asyncio
from dataclasses import replace
from typing import Any

from connectors.content.text import compose_text
from connectors.errors import (
    CannotFindOutError,
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    OutcomeUnknownError,
    RetryLaterError,
    UnavailableError,
)
from connectors.parts import Part, Progress, SentPart
from connectors.tiktok.capabilities import LABEL, MAX_VIDEO_BYTES
from connectors.tiktok.client import TikTokClient
from connectors.tiktok.options import TikTokOptions
from connectors.tiktok.responses import (
    UNKNOWN_PUBLISH,
    Creator,
    PublishStatus,
    judge,
    parse_creator,
    parse_status,
    time_of,
)
from connectors.tiktok.uploads import Upload, describe_source, load, send

_PRIVATE = "SELF_ONLY"
_CLOSED = frozenset({404, 410})  # the upload URL expired before all bytes arrived
_OUT_OF_STEP = 416  # the chunk is not the next one in order
# From the widest audience to the narrowest. A private account does not offer PUBLIC_TO_EVERYONE.
_LEVELS = {
    "public": "PUBLIC_TO_EVERYONE",
    "followers": "FOLLOWER_OF_CREATOR",
    "friends": "MUTUAL_FOLLOW_FRIENDS",
    "private": _PRIVATE,
}
_AUDIENCES = ("PUBLIC_TO_EVERYONE", "FOLLOWER_OF_CREATOR", "MUTUAL_FOLLOW_FRIENDS", _PRIVATE)


class TikTokPosts:
    """Sends and looks up the posts of one account."""

    def __init__(self, client: TikTokClient) -> None:
        self._client = client
        self._context = client.context

    async def send(self, _part: Part, progress: Progress) -> SentPart:
        """Publish, continuing an earlier attempt with the same publish_id."""
        status = await self._ask_again(progress)
        if progress.request.content.media[0].kind == "video":
            if status is None or _lacks_bytes(status, progress):
                await self._send_video(progress, status)
        elif status is None:
            await self._send_photos(progress)
        return await self._wait(progress)

    async def _ask_again(self, progress: Progress) -> PublishStatus | None:
        """Return the status of the saved publish_id; None if there is none, or if it certainly failed."""
        known = progress.extra.get("publish_id")
        if known is None:
            return None
        try:
            status = await self._read_status(known)
        except RetryLaterError as error:
            # An earlier attempt may have published it: a missing status does not prove that it did not.
            raise OutcomeUnknownError(error.message, status=error.status) from error
        return None if status.status == "FAILED" else status

    async def _send_video(self, progress: Progress, status: PublishStatus | None) -> None:
        """Upload the video, from where an earlier attempt stopped; its last bytes publish it."""
        post_info = await self._describe_post(progress)
        item = progress.request.content.media[0]
        async with self._context.media.fetch(item, kind="video", max_bytes=MAX_VIDEO_BYTES) as media:
            upload = load(progress.extra.get("upload")) if status is not None else None
            resumed = upload is not None and upload.fits(media.size, self._context.clock())
            if upload is None or status is None or not resumed:
                upload, status = await self._open_upload(progress, post_info, media.size), None
            try:
                done = status.uploaded_bytes if status is not None else 0
                await send(self._client.open_upload(upload.url), self._context, upload, media, done=done)
            except (ContentRejectedError, GiveUpError) as error:
                if resumed or error.status == _OUT_OF_STEP:
                    # TikTok may have received the bytes already: check the publish_id.
                    raise OutcomeUnknownError(error.message, status=error.status) from None
                if error.status in _CLOSED:
                    raise UnavailableError(error.message, status=error.status) from None
                raise

    async def _open_upload(self, progress: Progress, post_info: dict[str, Any], size: int) -> Upload:
        """POST /v2/post/publish/video/init/, and save the response before the first byte is sent."""
        publish_id, url = await self._client.post(
            "/v2/post/publish/video/init/",
            lambda data: (str(data["publish_id"]), str(data["upload_url"])),
            {"post_info": post_info, "source_info": describe_source(size)},
        )
        upload = Upload(publish_id, url, size, self._context.clock().isoformat())
        private = post_info["privacy_level"] == _PRIVATE
        await progress.save(publish_id=publish_id, upload=upload.describe(), private=private)
        return upload

    async def _send_photos(self, progress: Progress) -> None:
        """POST /v2/post/publish/content/init/: TikTok fetches the images and publishes them by itself."""
        content, post_info = progress.request.content, await self._describe_post(progress)
        pictures, options = [item.url for item in content.media], TikTokOptions.of(content)
        body = {
            "media_type": "PHOTO",
            "post_mode": "DIRECT_POST",
            # A photo post's text is its description; its title is a separate field of 90 characters.
            "post_info": _of_photos(post_info, options),
            "source_info": {
                "source": "PULL_FROM_URL",
                "photo_cover_index": options.cover_photo or 0,
                "photo_images": pictures,
            },
        }
        await progress.save(asked=True, publish_id=None)
        try:
            publish_id = await self._client.publish(
                "/v2/post/publish/content/init/", lambda data: str(data["publish_id"]), body
            )
        except ConnectorError as error:
            if not isinstance(error, OutcomeUnknownError):
                await progress.save(asked=False)
            raise
        private = post_info["privacy_level"] == _PRIVATE
        await progress.save(asked=False, publish_id=publish_id, private=private)

    async def _describe_post(self, progress: Progress) -> dict[str, Any]:
        """POST creator_info/query/, which TikTok requires before every post; return the privacy fields."""
        creator = await self._client.post("/v2/post/publish/creator_info/query/", parse_creator, {})
        options = TikTokOptions.of(progress.request.content)
        info: dict[str, Any] = {
            "title": compose_text(progress.request.content),
            "privacy_level": _choose_audience(options, creator),
        }
        for what, wanted, refused in (
            ("comment", options.allow_comments, creator.no_comments),
            ("duet", options.allow_duet, creator.no_duet),
            ("stitch", options.allow_stitch, creator.no_stitch),
        ):
            if wanted and refused:
                raise ContentRejectedError(
                    f"this account's settings on {LABEL} allow no {what}: leave the option out, or change them there"
                )
            info[f"disable_{what}"] = refused if wanted is None else not wanted
        if options.own_brand:
            info["brand_organic_toggle"] = True
        if options.branded_content:
            if info["privacy_level"] == _PRIVATE:
                raise ContentRejectedError(
                    f"{LABEL} takes no private branded content, and this account may post privately only"
                )
            info["brand_content_toggle"] = True
        if options.ai_generated:
            info["is_aigc"] = True
        if options.cover_time_ms is not None:
            info["video_cover_timestamp_ms"] = options.cover_time_ms
        return info

    async def _wait(self, progress: Progress) -> SentPart:
        """Poll until the post has its id.

        From here TikTok publishes by itself: every error is OutcomeUnknownError.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._context.settings.processing_timeout
        while True:
            try:
                status = await self._read_status(progress.extra["publish_id"])
            except ConnectorError as error:
                raise OutcomeUnknownError(error.message, status=error.status) from error
            if status.status == "FAILED":
                await progress.save(publish_id=None, upload=None)
                raise _judge_failure(status)
            sent = await self._read_receipt(status, progress)
            if sent is not None:
                return sent
            if loop.time() > deadline:
                raise OutcomeUnknownError(_still_at_it(status))
            # TikTok allows 30 status requests a minute.
            await asyncio.sleep(2.5 * self._context.settings.poll_interval)

    async def _read_status(self, publish_id: str) -> PublishStatus:
        try:
            return await self._client.post(
                "/v2/post/publish/status/fetch/", parse_status, {"publish_id": publish_id}
            )
        except (GiveUpError, ContentRejectedError) as error:
            if error.platform_code != UNKNOWN_PUBLISH:
                raise
            raise CannotFindOutError(
                f"{LABEL} no longer knows the publish_id {publish_id}: look at the profile",
                status=error.status,
                platform_code=UNKNOWN_PUBLISH,
            ) from None

    async def _read_receipt(self, status: PublishStatus, progress: Progress) -> SentPart | None:
        """Return the resulting post, or None if TikTok has not reported its id yet."""
        if status.status != "PUBLISH_COMPLETE":
            return None
        if not status.post_ids:
            # For a private post, TikTok never reports an id.
            private = bool(progress.extra.get("private"))
            return SentPart(progress.extra["publish_id"], None, self._context.clock()) if private else None
        post_id = status.post_ids[0]
        kind = "video" if progress.request.content.media[0].kind == "video" else "photo"
        sent = SentPart(post_id, self._client.permalink(post_id, kind), self._context.clock())
        try:
            videos = await self._client.query([post_id])
        except ConnectorError:
            return sent  # a missing time must not make a post look unsent
        return replace(sent, published_at=time_of(videos[0])) if videos else sent

    async def look(self, _part: Part, progress: Progress) -> SentPart | None:
        """Determine the outcome of an earlier attempt.

        None = certainly not published, and `send` may continue.
        """
        publish_id = progress.extra.get("publish_id")
        if publish_id is None:
            if progress.request.sent_elsewhere:
                raise CannotFindOutError(
                    f"{LABEL} reports nothing without the publish_id of the installation that sent it"
                )
            if progress.extra.get("asked"):
                raise CannotFindOutError(
                    f"{LABEL} was asked for a photo post, and its answer with the publish_id was lost: look at "
                    "the profile"
                )
            return None
        status = await self._read_status(publish_id)
        if status.status == "FAILED" or _lacks_bytes(status, progress):
            if progress.request.sent_elsewhere:
                raise CannotFindOutError(
                    f"{LABEL} was asked again, perhaps, under a publish_id that is not known here"
                )
            return None
        sent = await self._read_receipt(status, progress)
        if sent is None:
            raise UnavailableError(_still_at_it(status))
        return sent


def _choose_audience(options: TikTokOptions, creator: Creator) -> str:
    """Return the wanted audience, or the widest one. Raises if the account does not offer it."""
    if options.privacy is not None:
        level = _LEVELS[options.privacy]
        if level not in creator.privacy_levels:
            names = {level: name for name, level in _LEVELS.items()}
            offered = ", ".join(names[item] for item in creator.privacy_levels if item in names)
            raise ContentRejectedError(
                f"{LABEL} does not offer this account the privacy {options.privacy!r}: it offers {offered or 'none'}"
            )
        return level
    widest = next((name for name in _AUDIENCES if name in creator.privacy_levels), None)
    if widest is None:
        raise GiveUpError(f"{LABEL} offers this account no audience to post to: check its settings")
    return widest


def _of_photos(info: dict[str, Any], options: TikTokOptions) -> dict[str, Any]:
    """Return the post_info of a photo post: it has neither duets nor stitches, and a title of its own."""
    kept = ("privacy_level", "disable_comment", "brand_organic_toggle", "brand_content_toggle")
    written = {"description": info["title"], **{name: info[name] for name in kept if name in info}}
    if options.title is not None:
        written["title"] = options.title
    if options.auto_add_music is not None:
        written["auto_add_music"] = options.auto_add_music
    return written


def _lacks_bytes(status: PublishStatus, progress: Progress) -> bool:
    """Return whether TikTok still waits for bytes of the video: then it is not published."""
    upload = load(progress.extra.get("upload"))
    return status.status == "PROCESSING_UPLOAD" and (upload is None or status.uploaded_bytes < upload.size)


def _judge_failure(status: PublishStatus) -> ConnectorError:
    """Map a failed publish_id to an error: certainly not published, and whether a retry may help."""
    reason = status.fail_reason or "internal"
    return judge(
        reason, f"{LABEL} could not publish it: {reason}", purpose="prepare", status=None, retry_at=None
    )


def _still_at_it(status: PublishStatus) -> str:
    if status.status == "PUBLISH_COMPLETE":
        return f"{LABEL} reports the post as published but returns no id yet: it may be under moderation"
    return f"{LABEL} is still at work on the post ({status.status})"
