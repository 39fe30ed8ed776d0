"""Simulated TikTok: publishing. A video is published by its last byte, photos by their request.

Bytes are counted, not stored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Route

from connectors.sandbox.tiktok.protocol import answer_data, refuse
from connectors.sandbox.wire import Answer, Call, Endpoint, route
from connectors.types import ContentKind, Platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_LIFETIME_S: Final = 3600.0
_SMALLEST: Final = 5_000_000
_LARGEST: Final = 64_000_000
_LAST: Final = 128_000_000


@dataclass(slots=True)
class _Publish:
    owner: SandboxAccount
    title: str
    privacy: str
    opened: float
    size: int = 0
    chunk: int = 0
    received: int = 0
    post: SandboxPost | None = None
    options: dict[str, Any] = field(default_factory=dict)


class TikTokPublishing:
    """The publish_ids of one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._publishes: dict[str, _Publish] = {}
        for post in world.published(Platform.TIKTOK, via="api"):
            if post.idempotency_key is not None:
                privacy = str(post.detail("privacy"))
                self._publishes[post.idempotency_key] = _Publish(
                    post.account, post.text, privacy, post.created, post=post
                )

    def routes(self, on: Callable[..., Endpoint]) -> list[Route]:
        """Return the routes; `on` declares an endpoint of TikTok."""
        start = "/v2/post/publish"
        pieces = _Pieces(on("prepare", "put", self.put, "none"), on("publish", "put", self.put, "none"))
        return [
            route(f"{start}/creator_info/query/", ["POST"], on("prepare", "creator", self.creator)),
            route(f"{start}/video/init/", ["POST"], on("prepare", "init", self.start_video)),
            route(f"{start}/content/init/", ["POST"], on("publish", "init", self.start_photos)),
            route(f"{start}/status/fetch/", ["POST"], on("prepare", "status", self.status)),
            Route("/video/", pieces, methods=["PUT"]),
        ]

    def creator(self, call: Call) -> Answer:
        """POST creator_info/query/."""
        return answer_data(
            {
                "creator_username": call.owner.handle,
                "creator_nickname": call.owner.display_name,
                "privacy_level_options": list(self._world.settings.tiktok_privacy_levels),
                "comment_disabled": False,
                "duet_disabled": False,
                "stitch_disabled": True,
                "max_video_post_duration_sec": 600,
            }
        )

    def start_video(self, call: Call) -> Answer:
        """POST video/init/ with source FILE_UPLOAD."""
        try:
            body = call.json()
            source = body["source_info"]
            size, chunk, count = (
                int(source[name]) for name in ("video_size", "chunk_size", "total_chunk_count")
            )
        except (KeyError, TypeError, ValueError):
            return refuse(call, 400, "invalid_params", "source_info of a FILE_UPLOAD is required")
        if source.get("source") != "FILE_UPLOAD" or count != max(1, size // max(1, chunk)):
            return refuse(call, 400, "invalid_params", "The chunks do not make up the video")
        if not (chunk == size <= _LARGEST or _SMALLEST <= chunk <= _LARGEST):
            return refuse(call, 400, "invalid_params", "A chunk must be 5 to 64 MB")
        opened = self._open(call, body.get("post_info"), limit=2200, name="title")
        if isinstance(opened, Answer):
            return opened
        publish_id, publish = opened
        publish.size, publish.chunk = size, chunk
        url = f"{call.base_url}/video/?upload_id={publish_id}&upload_token=token-of-{publish_id}"
        return answer_data({"publish_id": publish_id, "upload_url": url})

    def start_photos(self, call: Call) -> Answer:
        """POST content/init/: TikTok fetches the images and publishes them."""
        try:
            body = call.json()
            images = body["source_info"]["photo_images"]
        except (KeyError, TypeError, ValueError):
            return refuse(call, 400, "invalid_params", "source_info.photo_images is required")
        if body.get("media_type") != "PHOTO" or body.get("post_mode") != "DIRECT_POST":
            return refuse(call, 400, "invalid_params", "Only PHOTO and DIRECT_POST are simulated")
        if body["source_info"].get("source") != "PULL_FROM_URL" or not 1 <= len(images) <= 35:
            return refuse(call, 400, "invalid_params", "1 to 35 addresses to pull are required")
        opened = self._open(call, body.get("post_info"), limit=4000, name="description")
        if isinstance(opened, Answer):
            return opened
        opened[1].options["photo_cover_index"] = body["source_info"].get("photo_cover_index", 0)
        self._put_out(call, *opened, kind="photo")
        return answer_data({"publish_id": opened[0]})

    def put(self, call: Call) -> Answer:
        """PUT one chunk of a video: 206 while more is expected, 201 with the last one."""
        publish = self._publishes.get(call.query.get("upload_id", ""))
        if publish is None or call.query.get("upload_token") != f"token-of-{call.query.get('upload_id')}":
            return Answer(status=404, raw=b"")
        if call.at >= publish.opened + _LIFETIME_S:
            return Answer(status=403, raw=b"")
        found = _RANGE.fullmatch(call.request.headers.get("content-range", ""))
        if found is None:
            return Answer(status=400, raw=b"")
        first, last, total = (int(text) for text in found.groups())
        if first != publish.received or total != publish.size or publish.post is not None:
            return Answer(status=416, raw=b"")
        whole = last + 1 == total
        if len(call.body) != last - first + 1 or len(call.body) > (_LAST if whole else publish.chunk):
            return Answer(status=400, raw=b"")
        publish.received += len(call.body)
        if not whole:
            return Answer(status=206, raw=b"")
        self._put_out(call, call.query["upload_id"], publish, kind="video")
        return Answer({}, 201)

    def status(self, call: Call) -> Answer:
        """POST status/fetch/."""
        try:
            publish = self._publishes.get(call.json()["publish_id"])
        except (KeyError, TypeError, ValueError):
            return refuse(call, 400, "invalid_params", "publish_id is required")
        if publish is None or publish.owner is not call.owner:
            return refuse(call, 400, "invalid_publish_id", "The publish_id does not exist")
        settings, post = self._world.settings, publish.post
        data: dict[str, object] = {"status": "PROCESSING_UPLOAD", "uploaded_bytes": publish.received}
        if settings.tiktok_fail_reasons and post is None:
            data = {"status": "FAILED", "fail_reason": settings.tiktok_fail_reasons[0]}
        elif post is not None and call.at < post.created + settings.tiktok_processing_delay_s:
            data["status"] = "PROCESSING_DOWNLOAD" if post.kind == "photo" else "PROCESSING_UPLOAD"
        elif post is not None:
            told = publish.privacy == "PUBLIC_TO_EVERYONE"
            told = told and call.at >= post.created + settings.tiktok_moderation_delay_s
            data["status"] = "PUBLISH_COMPLETE"
            data["publicaly_available_post_id"] = [int(post.external_id)] if told else []
        return answer_data(data)

    def _open(self, call: Call, info: Any, *, limit: int, name: str) -> tuple[str, _Publish] | Answer:  # noqa: ANN401 (JSON)
        if not isinstance(info, dict) or len(str(info.get(name, "")).encode("utf-16-le")) // 2 > limit:
            return refuse(call, 400, "invalid_params", f"post_info.{name} is missing or longer than {limit}")
        privacy = info.get("privacy_level")
        if privacy not in self._world.settings.tiktok_privacy_levels:
            return refuse(
                call, 400, "privacy_level_option_mismatch", "privacy_level is not one of the creator's"
            )
        kind = "p_pub_url" if name == "description" else "v_pub_file"
        publish_id = f"{kind}~v2.{self._world.next_number(Platform.TIKTOK, call.at)}"
        options = {key: value for key, value in info.items() if key != name}
        publish = _Publish(call.owner, str(info.get(name, "")), str(privacy), call.at, options=options)
        self._publishes[publish_id] = publish
        return publish_id, publish

    def _put_out(self, call: Call, publish_id: str, publish: _Publish, *, kind: ContentKind) -> None:
        publish.post = self._world.add_post(
            publish.owner,
            text=publish.title,
            kind=kind,
            at=call.at,
            idempotency_key=publish_id,
            details={"privacy": publish.privacy, "options": publish.options},
        )


class _Pieces:
    """PUT of a chunk: the last one publishes, so it is a separate operation."""

    def __init__(self, before: Endpoint, last: Endpoint) -> None:
        self._before, self._last = before, last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        found = _RANGE.fullmatch(headers.get(b"content-range", b"").decode("latin-1"))
        is_last = found is not None and int(found.group(2)) + 1 == int(found.group(3))
        await (self._last if is_last else self._before)(scope, receive, send)
