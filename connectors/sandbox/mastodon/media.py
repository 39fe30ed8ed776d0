"""Simulated Mastodon: uploaded images and videos. Bytes are inspected, not stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.datastructures import UploadFile

from connectors.sandbox.mastodon.protocol import MastodonProtocol, read_body
from connectors.sandbox.wire import Answer, Call
from connectors.types import ContentKind, Platform

if TYPE_CHECKING:
    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.world import SandboxWorld


@dataclass(slots=True)
class _Media:
    owner: SandboxAccount
    kind: ContentKind
    description: str | None
    ready_at: float


class MastodonMedia:
    """The uploads of one instance."""

    def __init__(self, world: SandboxWorld, protocol: MastodonProtocol) -> None:
        self._world = world
        self._protocol = protocol
        self._media: dict[str, _Media] = {}

    def kind_of(self, media_id: str) -> ContentKind:
        """Return the media kind of a status with this upload."""
        return self._media[media_id].kind

    def refuse(self, media_ids: list[str], call: Call) -> Answer | None:
        """Return the reason why a status of the caller may not use these uploads, or None."""
        if len(media_ids) > 4:
            return self._protocol.error(422, "Validation failed: Cannot attach more than 4 files")
        for media_id in media_ids:
            media = self._media.get(media_id)
            if media is None or media.owner is not call.owner:
                return self._protocol.error(422, f"Validation failed: Media {media_id} not found")
            if media.ready_at > call.at:
                message = "Cannot attach files that have not finished processing. Try again in a moment!"
                return self._protocol.error(422, message)
        return None

    async def upload(self, call: Call) -> Answer:
        """POST /api/v2/media: 200 for an image, 202 for a video that is still processed."""
        async with call.request.form() as form:
            file, description = form.get("file"), form.get("description")
        if not isinstance(file, UploadFile) or not file.size:
            return self._protocol.error(422, "Validation failed: File can't be blank")
        kind: ContentKind = "video" if (file.content_type or "").startswith("video/") else "photo"
        delay = self._world.settings.mastodon_video_delay_s if kind == "video" else 0.0
        media_id = str(self._world.next_number(Platform.MASTODON, call.at))
        text = description if isinstance(description, str) else None
        media = self._media[media_id] = _Media(call.owner, kind, text, call.at + delay)
        is_ready = media.ready_at <= call.at
        return Answer(self.show(media_id, call), 200 if is_ready else 202)

    def get(self, call: Call) -> Answer:
        """GET /api/v1/media/{id}: 206 while it is processed."""
        media = self._media.get(call.path["id"])
        if media is None or media.owner is not call.owner:
            return self._protocol.error(404, "Record not found")
        return Answer(self.show(call.path["id"], call), 200 if media.ready_at <= call.at else 206)

    async def describe(self, call: Call) -> Answer:
        """PUT /api/v1/media/{id}: the alt text."""
        media = self._media.get(call.path["id"])
        if media is None or media.owner is not call.owner:
            return self._protocol.error(404, "Record not found")
        media.description = str((await read_body(call)).get("description") or "")
        return Answer(self.show(call.path["id"], call))

    def show(self, media_id: str, call: Call) -> dict[str, Any]:
        """Return the MediaAttachment; after a restart only the id of an upload is known."""
        media = self._media.get(media_id) or _Media(call.owner, "photo", None, call.at)
        is_video = media.kind == "video"
        address = f"{call.base_url}/_sandbox/media/{'video.mp4' if is_video else 'photo.png'}"
        return {
            "id": media_id,
            "type": "video" if is_video else "image",
            "url": address if media.ready_at <= call.at else None,
            "preview_url": f"{call.base_url}/_sandbox/media/photo.png",
            "remote_url": None,
            "meta": None,
            "description": media.description,
            "blurhash": None,
        }
