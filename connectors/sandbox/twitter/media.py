"""Simulated X: media uploads in three steps or one, and the processing state of a video.

Bytes are counted, not stored.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.datastructures import UploadFile

from connectors.sandbox.wire import Answer, Call, Endpoint, Handler, route
from connectors.types import ContentKind, Platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.routing import Route

    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.world import SandboxWorld

_LIFETIME_S: Final = 86_400
_PROBLEM: Final = "https://api.x.com/2/problems/invalid-request"
_CATEGORIES: Final = frozenset({
    "amplify_video", "tweet_gif", "tweet_image", "tweet_video", "dm_gif", "dm_image", "dm_video", "subtitles"
})  # fmt: skip


@dataclass(slots=True)
class _Upload:
    owner: SandboxAccount
    category: str
    expected: int | None
    received: int = 0
    next_segment: int = 0
    ready_at: float | None = None
    """When processing ends; None = not finalized."""
    alt_text: str | None = None

    @property
    def is_video(self) -> bool:
        return self.category.endswith("video")


class TwitterMedia:
    """The uploads of one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._uploads: dict[str, _Upload] = {}

    def routes(self, on: Callable[[str, str, Handler], Endpoint]) -> list[Route]:
        """Return the routes; `on` declares an endpoint of X."""
        return [
            route("/2/media/upload/initialize", ["POST"], on("prepare", "media", self.initialize)),
            route("/2/media/upload/{id}/append", ["POST"], on("prepare", "media", self.append)),
            route("/2/media/upload/{id}/finalize", ["POST"], on("prepare", "media", self.finalize)),
            route("/2/media/upload", ["GET"], on("prepare", "media", self.status)),
            route("/2/media/upload", ["POST"], on("prepare", "media", self.upload)),
            route("/2/media/metadata", ["POST"], on("prepare", "media", self.describe)),
        ]

    def is_ready(self, media_id: str, account: SandboxAccount, at: float) -> bool:
        """Return whether a post of this account may use the media."""
        upload = self._uploads.get(media_id)
        ready_at = None if upload is None or upload.owner is not account else upload.ready_at
        return ready_at is not None and at >= ready_at

    def kind_of(self, media_id: str) -> ContentKind:
        """Return the media kind of a post with this media."""
        return "video" if self._uploads[media_id].is_video else "photo"

    def initialize(self, call: Call) -> Answer:
        """POST /2/media/upload/initialize."""
        try:
            body = call.json()
        except ValueError:
            return _invalid("The request body is not valid JSON.")
        category, total = body.get("media_category", "tweet_image"), body.get("total_bytes")
        if category not in _CATEGORIES:
            return _invalid(f"media_category {category!r} is not one of {', '.join(sorted(_CATEGORIES))}")
        if not isinstance(total, int) or total <= 0 or not body.get("media_type"):
            return _invalid("media_type and total_bytes are required")
        media_id = self._open(call, category, total)
        return Answer(
            {
                "data": {
                    "id": media_id,
                    "media_key": self._media_key(media_id),
                    "expires_after_secs": _LIFETIME_S,
                }
            }
        )

    async def append(self, call: Call) -> Answer:
        """POST /2/media/upload/{id}/append."""
        upload = self._own(call, call.path["id"])
        if upload is None or upload.ready_at is not None:
            return _invalid("The media id was not found or is already finalized.")
        try:
            content = await _read_upload(call)
            segment, size = int(content["segment_index"]), int(content["size"])
        except (KeyError, ValueError) as error:
            return _invalid(f"media and segment_index are required: {error}")
        if segment != upload.next_segment:
            return _invalid(f"segment_index {segment} is out of order, {upload.next_segment} is next")
        upload.received += size
        upload.next_segment += 1
        return Answer({"data": {"expires_at": int(call.at) + _LIFETIME_S}})

    def finalize(self, call: Call) -> Answer:
        """POST /2/media/upload/{id}/finalize."""
        media_id = call.path["id"]
        upload = self._own(call, media_id)
        if upload is None:
            return _invalid("The media id was not found.")
        if upload.expected is not None and upload.received != upload.expected:
            return _invalid(f"{upload.received} bytes arrived of {upload.expected}")
        if upload.ready_at is None:
            upload.ready_at = call.at + (
                self._world.settings.twitter_video_delay_s if upload.is_video else 0.0
            )
        return Answer({"data": self._describe(media_id, upload, call.at)})

    def status(self, call: Call) -> Answer:
        """GET /2/media/upload?command=STATUS&media_id=."""
        media_id = call.query.get("media_id", "")
        upload = self._own(call, media_id)
        if upload is None:
            return _invalid("The media id was not found.")
        return Answer({"data": self._describe(media_id, upload, call.at)})

    async def upload(self, call: Call) -> Answer:
        """POST /2/media/upload: an image in one request."""
        try:
            content = await _read_upload(call)
        except (KeyError, ValueError) as error:
            return _invalid(f"media is required: {error}")
        category = content.get("media_category", "")
        if category not in _CATEGORIES:
            return _invalid(f"media_category {category!r} is not one of {', '.join(sorted(_CATEGORIES))}")
        media_id = self._open(call, category, None)
        upload = self._uploads[media_id]
        upload.received = int(content["size"])
        upload.ready_at = call.at
        return Answer({"data": self._describe(media_id, upload, call.at)})

    def describe(self, call: Call) -> Answer:
        """POST /2/media/metadata: the alt text."""
        try:
            body = call.json()
            alt_text = body["metadata"]["alt_text"]["text"]
            upload = self._own(call, str(body["id"]))
        except (KeyError, TypeError, ValueError):
            return _invalid("id and metadata.alt_text.text are required")
        if upload is None:
            return _invalid("The media id was not found.")
        upload.alt_text = alt_text
        return Answer(
            {"data": {"id": str(body["id"]), "associated_metadata": {"alt_text": {"text": alt_text}}}}
        )

    def _open(self, call: Call, category: str, expected: int | None) -> str:
        media_id = str(self._world.next_number(Platform.TWITTER, call.at))
        self._uploads[media_id] = _Upload(call.owner, category, expected)
        return media_id

    def _own(self, call: Call, media_id: str) -> _Upload | None:
        upload = self._uploads.get(media_id)
        return upload if upload is not None and upload.owner is call.owner else None

    def _media_key(self, media_id: str) -> str:
        return f"{'13' if self._uploads[media_id].is_video else '3'}_{media_id}"

    def _describe(self, media_id: str, upload: _Upload, at: float) -> dict[str, object]:
        data: dict[str, object] = {
            "id": media_id,
            "media_key": self._media_key(media_id),
            "size": upload.received,
            "expires_after_secs": _LIFETIME_S,
        }
        if upload.is_video:
            if upload.ready_at is not None and at >= upload.ready_at:
                data["processing_info"] = {"state": "succeeded", "progress_percent": 100}
            else:
                data["processing_info"] = {"state": "pending", "check_after_secs": 1, "progress_percent": 0}
        return data


async def _read_upload(call: Call) -> dict[str, str]:
    """Return the text fields of an upload and the `size` of its media, sent as a form or as JSON with base64."""
    if call.request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with call.request.form() as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            media = form["media"]
            size = media.size if isinstance(media, UploadFile) else len(media)
            return {**fields, "size": str(size or 0)}
    body = call.json()
    try:
        size = len(base64.b64decode(body["media"], validate=True))
    except (binascii.Error, TypeError) as error:
        raise ValueError("media must be base64") from error
    return {**{name: str(value) for name, value in body.items() if name != "media"}, "size": str(size)}


def _invalid(message: str) -> Answer:
    return Answer(
        {
            "errors": [{"parameters": {}, "message": message}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": _PROBLEM,
            "status": 400,
        },
        400,
    )
