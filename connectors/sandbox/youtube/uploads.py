"""Simulated YouTube resumable uploads: a session receives the bytes in order and returns the video."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Route

from connectors.sandbox.wire import Answer, Call, Endpoint, Handler, route
from connectors.types import Platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_PATH: Final = "/upload/youtube/v3/videos"
_LIFETIME_S: Final = 7 * 86_400.0
_QUANTUM: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")


SNIPPET_OPTIONS: Final = ("tags", "categoryId", "defaultLanguage", "defaultAudioLanguage")
STATUS_OPTIONS: Final = (
    *("privacyStatus", "publishAt", "license", "embeddable", "publicStatsViewable"),
    *("selfDeclaredMadeForKids", "containsSyntheticMedia"),
)
"""What a video keeps of the resource that it was uploaded or updated with, in addition to title and description."""


@dataclass(slots=True)
class _Session:
    owner: SandboxAccount
    snippet: dict[str, Any]
    size: int
    opened: float
    received: int = 0
    video: SandboxPost | None = None
    options: dict[str, Any] = field(default_factory=dict)


class YouTubeUploads:
    """The upload sessions of one world. Bytes are counted, not stored."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._sessions: dict[str, _Session] = {}
        for post in world.published(Platform.YOUTUBE, via="api"):
            if post.idempotency_key is not None:
                self._sessions[post.idempotency_key] = _Session(
                    post.account, {}, int(post.detail("size") or 0), post.created, video=post
                )

    def routes(self, on: Callable[[str, Handler], Endpoint]) -> list[Route]:
        """Return the routes; `on` declares an endpoint of YouTube."""
        send = _BySize(on("prepare", self.receive), on("publish", self.receive))
        return [
            route(_PATH, ["POST"], on("prepare", self.open)),
            Route(_PATH, send, methods=["PUT"]),
        ]

    def open(self, call: Call) -> Answer:
        """POST ?uploadType=resumable: returns the session URL in Location."""
        try:
            body = call.json()
            size = int(call.request.headers["x-upload-content-length"])
        except (KeyError, ValueError):
            return refuse_call(400, "badRequest", "A resource and X-Upload-Content-Length are required.")
        if call.query.get("uploadType") != "resumable":
            return refuse_call(400, "badRequest", "Only resumable uploads are supported here.")
        snippet = body.get("snippet") or {}
        title, text = str(snippet.get("title") or ""), str(snippet.get("description") or "")
        if not title.strip() or len(title) > 100 or {"<", ">"} & set(title):
            return refuse_call(400, "invalidTitle", "The request metadata specifies an invalid video title.")
        if len(text.encode()) > 5000 or {"<", ">"} & set(text):
            return refuse_call(
                400, "invalidDescription", "The request metadata specifies an invalid description."
            )
        number = self._world.next_number(Platform.YOUTUBE, call.at)
        session_id = hashlib.blake2b(f"{self._world.seed}:{number}".encode(), digest_size=18).hexdigest()
        told = {**snippet, **(body.get("status") or {})}
        if "notifySubscribers" in call.query:
            told["notifySubscribers"] = call.query["notifySubscribers"]
        options = {name: value for name, value in told.items() if name not in {"title", "description"}}
        self._sessions[session_id] = _Session(call.owner, snippet, size, call.at, options=options)
        address = f"{call.base_url}{_PATH}?uploadType=resumable&upload_id={session_id}"
        return Answer(raw=b"", headers={"location": address, "x-guploader-uploadid": session_id})

    def receive(self, call: Call) -> Answer:
        """PUT: a chunk, or a status query."""
        session_id = call.query.get("upload_id", "")
        session = self._sessions.get(session_id)
        if session is None or session.owner is not call.owner or call.at > session.opened + _LIFETIME_S:
            return refuse_call(404, "notFound", "The upload session cannot be found.")
        if session.video is not None:
            return Answer(show_video(session.video))
        asked = _RANGE.fullmatch(call.request.headers.get("content-range", ""))
        if asked is None or int(asked[3]) != session.size:
            return refuse_call(400, "invalidContentRange", "Content-Range does not fit the session.")
        if asked[1] is None:
            return _incomplete(session)
        first, last = int(asked[1]), int(asked[2])
        if first != session.received or last - first + 1 != len(call.body) or last >= session.size:
            return refuse_call(400, "invalidContentRange", "The bytes do not go on where the session is.")
        if last + 1 < session.size and len(call.body) % _QUANTUM:
            return refuse_call(400, "invalidChunk", "All chunks but the last are multiples of 256 KiB.")
        session.received = last + 1
        if session.received < session.size:
            return _incomplete(session)
        session.video = self._world.add_post(
            session.owner,
            text=str(session.snippet.get("description") or ""),
            kind="video",
            at=call.at,
            idempotency_key=session_id,
            details={
                "title": session.snippet.get("title"),
                "size": session.size,
                "options": session.options,
            },
        )
        return Answer(show_video(session.video))


@dataclass(frozen=True, slots=True)
class _BySize:
    """PUT to a session: the chunk that completes the file publishes, all others prepare."""

    preparing: Endpoint
    publishing: Endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        value = dict(scope["headers"]).get(b"content-range", b"").decode("latin-1")
        asked = _RANGE.fullmatch(value)
        is_last = asked is not None and asked[2] is not None and int(asked[2]) + 1 == int(asked[3])
        await (self.publishing if is_last else self.preparing)(scope, receive, send)


def refuse_call(status: int, reason: str, message: str) -> Answer:
    """Return an error in the format of Google's APIs."""
    detail = {"message": message, "domain": "youtube", "reason": reason}
    return Answer({"error": {"code": status, "message": message, "errors": [detail]}}, status)


def show_video(post: SandboxPost) -> dict[str, Any]:
    """Return the video resource, without statistics."""
    options = post.detail("options") or {}
    return {
        "kind": "youtube#video",
        "etag": "e",
        "id": post.external_id,
        "snippet": {
            "publishedAt": datetime.fromtimestamp(int(post.created), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "channelId": post.account.external_id,
            "title": post.detail("title") or post.text[:100],
            "description": post.text,
            "channelTitle": post.account.display_name,
            "categoryId": "22",
            **{name: options[name] for name in SNIPPET_OPTIONS if options.get(name)},
            "liveBroadcastContent": "none",
        },
        "status": {
            "uploadStatus": "uploaded",
            "privacyStatus": "public",
            "license": "youtube",
            "embeddable": True,
            "publicStatsViewable": True,
            "selfDeclaredMadeForKids": False,
            **{name: options[name] for name in STATUS_OPTIONS if name in options},
        },
    }


def _incomplete(session: _Session) -> Answer:
    headers = {"range": f"bytes=0-{session.received - 1}"} if session.received else {}
    return Answer(status=308, raw=b"", headers=headers)
