"""Simulated LinkedIn: uploads of images, videos and documents. Bytes are counted, not stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from connectors.sandbox.linkedin.protocol import denied, not_found, refuse
from connectors.sandbox.wire import Answer, Call, Endpoint, Handler, route
from connectors.types import Platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.routing import Route

    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.world import SandboxWorld

_PART: Final = 4_194_304


@dataclass(slots=True)
class _Upload:
    owner: SandboxAccount
    size: int | None
    """Announced bytes; None = an image."""
    tags: dict[int, str] = field(default_factory=dict)
    """Tag by number of the part that arrived."""
    ready_at: float | None = None

    @property
    def parts(self) -> int:
        return 1 if self.size is None else -(-self.size // _PART)


class LinkedInMedia:
    """The uploads of one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._uploads: dict[str, _Upload] = {}

    def routes(self, on: Callable[[str, Handler], Endpoint]) -> list[Route]:
        """Return the routes; `on` declares an endpoint of LinkedIn."""
        return [
            route("/rest/images", ["POST"], on("prepare", self.start_image)),
            route("/rest/documents", ["POST"], on("prepare", self.start_document)),
            route("/rest/documents/{urn}", ["GET"], on("prepare", self.get_document)),
            route("/rest/videos", ["POST"], on("prepare", self.start_or_finish_video)),
            route("/rest/videos/{urn}", ["GET"], on("prepare", self.get_video)),
            route("/dms-uploads/{urn}/{part:int}", ["PUT"], on("prepare", self.put)),
        ]

    def is_ready(self, urn: str, owner: SandboxAccount, at: float) -> bool:
        """Return whether a post of this account may use the media."""
        upload = self._uploads.get(urn)
        return (
            upload is not None
            and upload.owner is owner
            and upload.ready_at is not None
            and at >= upload.ready_at
        )

    def start_image(self, call: Call) -> Answer:
        """POST /rest/images?action=initializeUpload."""
        urn = self._open(call, "image", None)
        if isinstance(urn, Answer):
            return urn
        value = {"uploadUrlExpiresAt": _expiry(call), "uploadUrl": _address(call, urn, 0), "image": urn}
        return Answer({"value": value})

    def start_document(self, call: Call) -> Answer:
        """POST /rest/documents?action=initializeUpload."""
        urn = self._open(call, "document", None)
        if isinstance(urn, Answer):
            return urn
        value = {"uploadUrlExpiresAt": _expiry(call), "uploadUrl": _address(call, urn, 0), "document": urn}
        return Answer({"value": value})

    def get_document(self, call: Call) -> Answer:
        """GET /rest/documents/{urn}."""
        upload = self._uploads.get(call.path["urn"])
        if upload is None or upload.owner is not call.owner:
            return not_found("The document")
        status = "WAITING_UPLOAD" if upload.ready_at is None else "AVAILABLE"
        return Answer({"id": call.path["urn"], "owner": upload.owner.external_id, "status": status})

    def start_or_finish_video(self, call: Call) -> Answer:
        """POST /rest/videos?action=initializeUpload, or finalizeUpload."""
        if call.query.get("action") == "finalizeUpload":
            return self._finish_video(call)
        try:
            size = int(call.json()["initializeUploadRequest"]["fileSizeBytes"])
        except (KeyError, TypeError, ValueError):
            return refuse(400, "MISSING_FIELD", "fileSizeBytes is required")
        urn = self._open(call, "video", size)
        if isinstance(urn, Answer):
            return urn
        parts = [
            {
                "uploadUrl": _address(call, urn, number),
                "firstByte": start,
                "lastByte": min(start + _PART, size) - 1,
            }
            for number, start in enumerate(range(0, size, _PART))
        ]
        value = {
            "uploadUrlsExpireAt": _expiry(call),
            "video": urn,
            "uploadInstructions": parts,
            "uploadToken": "",
        }
        return Answer({"value": value})

    def put(self, call: Call) -> Answer:
        """PUT the bytes of one part."""
        upload, part = self._uploads.get(call.path["urn"]), int(call.path["part"])
        if upload is None or upload.owner is not call.owner or part >= upload.parts:
            return not_found("The upload")
        expected = None if upload.size is None else min(_PART, upload.size - part * _PART)
        if not call.body or (expected is not None and len(call.body) != expected):
            return refuse(400, "INVALID_SIZE", f"{len(call.body)} bytes arrived of {expected}")
        if ":document:" in call.path["urn"] and not call.body.startswith(b"%PDF-"):
            return refuse(400, "INVALID_DOCUMENT", "only PDF documents are simulated")
        upload.tags[part] = hashlib.blake2b(call.body, digest_size=8).hexdigest()
        if upload.size is None:
            upload.ready_at = call.at
        return Answer(status=201, raw=b"", headers={"etag": f'"{upload.tags[part]}"'})

    def get_video(self, call: Call) -> Answer:
        """GET /rest/videos/{urn}."""
        upload = self._uploads.get(call.path["urn"])
        if upload is None or upload.owner is not call.owner:
            return not_found("The video")
        if upload.ready_at is None:
            status = "WAITING_UPLOAD"
        else:
            status = "AVAILABLE" if call.at >= upload.ready_at else "PROCESSING"
        return Answer({"id": call.path["urn"], "owner": upload.owner.external_id, "status": status})

    def _finish_video(self, call: Call) -> Answer:
        try:
            body = call.json()["finalizeUploadRequest"]
            upload, tags = self._uploads.get(body["video"]), body["uploadedPartIds"]
        except (KeyError, TypeError, ValueError):
            return refuse(400, "MISSING_FIELD", "video and uploadedPartIds are required")
        if upload is None or upload.owner is not call.owner:
            return not_found("The video")
        if tags != [upload.tags.get(number) for number in range(upload.parts)]:
            return refuse(400, "INVALID_PARTS", "uploadedPartIds are not the tags of all parts in order")
        upload.ready_at = call.at + self._world.settings.linkedin_video_delay_s
        return Answer(raw=b"")

    def _open(self, call: Call, kind: str, size: int | None) -> str | Answer:
        if call.query.get("action") != "initializeUpload":
            return refuse(400, "ILLEGAL_ARGUMENT", "action must be initializeUpload")
        try:
            owner = call.json()["initializeUploadRequest"]["owner"]
        except (KeyError, TypeError, ValueError):
            return refuse(400, "MISSING_FIELD", "owner is required")
        if owner != call.owner.external_id:
            return denied(f"{kind}s.ACTION-initializeUpload")
        urn = f"urn:li:{kind}:C4E{self._world.next_number(Platform.LINKEDIN, call.at)}"
        self._uploads[urn] = _Upload(call.owner, size)
        return urn


def _address(call: Call, urn: str, part: int) -> str:
    return f"{call.base_url}/dms-uploads/{urn}/{part}"


def _expiry(call: Call) -> int:
    return int((call.at + 86_400) * 1000)
