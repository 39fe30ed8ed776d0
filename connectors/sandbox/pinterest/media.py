"""Simulated Pinterest: video uploads, and the media sources of a pin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import UploadFile

from connectors.sandbox.wire import Answer, Call
from connectors.types import Platform

if TYPE_CHECKING:
    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.world import SandboxWorld

_POLICY: Final = "simulated-policy"


@dataclass(slots=True)
class _Video:
    owner: SandboxAccount
    ready_at: float | None = None
    """None = nothing was uploaded yet."""

    def status(self, at: float) -> str:
        if self.ready_at is None:
            return "registered"
        return "succeeded" if at >= self.ready_at else "processing"


class PinterestMedia:
    """The video uploads of one world. Bytes are inspected, not stored."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._videos: dict[str, _Video] = {}

    def register(self, call: Call) -> Answer:
        """POST /v5/media: returns the upload URL and the required form fields."""
        try:
            wanted = call.json().get("media_type")
        except ValueError:
            wanted = None
        if wanted != "video":
            return Answer({"code": 1, "message": "media_type must be video"}, 400)
        media_id = str(self._world.next_number(Platform.PINTEREST, call.at))
        self._videos[media_id] = _Video(call.owner)
        return Answer(
            {
                "media_id": media_id,
                "media_type": "video",
                "upload_url": f"{call.base_url}/_pinterest_storage/{media_id}",
                "upload_parameters": {"key": f"uploads/{media_id}", "policy": _POLICY},
            },
            201,
        )

    async def receive(self, call: Call) -> Answer:
        """POST to the storage service: a form with the given fields and the file. It checks no token."""
        video = self._videos.get(call.path["id"])
        async with call.request.form() as form:
            file, policy = form.get("file"), form.get("policy")
        if (
            video is None
            or policy != _POLICY
            or not isinstance(file, UploadFile)
            or "authorization" in call.request.headers
        ):
            return Answer(
                status=403, raw=b"<Error><Code>AccessDenied</Code></Error>", media_type="application/xml"
            )
        video.ready_at = call.at + self._world.settings.pinterest_video_delay_s
        return Answer(status=204, raw=b"")

    def get(self, call: Call) -> Answer:
        """GET /v5/media/{id}."""
        video = self._videos.get(call.path["id"])
        if video is None or video.owner is not call.owner:
            return Answer({"code": 50, "message": "Media not found."}, 404)
        return Answer({"media_id": call.path["id"], "media_type": "video", "status": video.status(call.at)})

    def read_source(self, source: dict[str, Any], call: Call) -> dict[str, Any] | str:
        """Return {media_type, ...} of a pin's media source, or the reason for its rejection."""
        kind = source.get("source_type")
        if kind == "image_url":
            return {"media_type": "image"} if _is_address(source.get("url")) else "url must be a web address"
        if kind == "multiple_image_urls":
            items = source.get("items")
            if not isinstance(items, list) or not 2 <= len(items) <= 5:
                return "items must hold 2 to 5 images"
            if not all(isinstance(item, dict) and _is_address(item.get("url")) for item in items):
                return "every item needs a url"
            return {"media_type": "multiple_images", "count": len(items)}
        if kind == "video_id":
            media_id = str(source.get("media_id"))
            video = self._videos.get(media_id)
            if video is None or video.owner is not call.owner or video.status(call.at) != "succeeded":
                return "The video is not ready."
            if not any(name.startswith("cover_image_") for name in source):
                return "A video needs a cover image."
            return {"media_type": "video", "media_id": media_id}
        return f"source_type {kind!r} is not known"


def _is_address(url: object) -> bool:
    return isinstance(url, str) and url.startswith(("https://", "http://"))
