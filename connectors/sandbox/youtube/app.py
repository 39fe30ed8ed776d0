"""Simulated YouTube: the channel, its uploads, videos and statistics; and Google's token endpoint."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.accounts import TOKEN_LIFETIMES, SandboxAccount, TokenKind
from connectors.sandbox.tokens import judge_token
from connectors.sandbox.wire import Answer, Auth, Call, Endpoint, Handler, bearer_token, route
from connectors.sandbox.youtube.uploads import (
    SNIPPET_OPTIONS,
    STATUS_OPTIONS,
    YouTubeUploads,
    refuse_call,
    show_video,
)
from connectors.types import Platform

if TYPE_CHECKING:
    from starlette.routing import Route

    from connectors.sandbox.limits import LimitState
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_BATCH: Final = 50

_THUMBNAIL_LIMIT: Final = 2_000_000


class YouTubeProtocol:
    """Token checks and errors of Google's APIs: {error: {code, message, errors, status}}."""

    platform = Platform.YOUTUBE

    def authenticate(self, call: Call, kind: TokenKind) -> SandboxAccount | Answer:
        """Return the account of the token; expired and revoked ones get the same error."""
        who = judge_token(call.world, self.platform, bearer_token(call), kind=kind, at=call.at)
        if isinstance(who, SandboxAccount):
            return who
        return refuse_call(401, "authError", "Request had invalid authentication credentials.")

    def refuse(self, kind: str, *, reset: float, at: float) -> Answer:
        """Return the error response. Retry-After is the sandbox's addition."""
        if kind == "rate_limited":
            answer = refuse_call(429, "rateLimitExceeded", "The request cannot be completed so soon again.")
            answer.headers["retry-after"] = str(max(1, round(reset - at)))
            return answer
        status, reason, words = {
            "unauthorized": (401, "authError", "Request had invalid authentication credentials."),
            "forbidden": (403, "insufficientPermissions", "Request had insufficient authentication scopes."),
        }.get(kind, (500, "backendError", "Internal error encountered."))
        return refuse_call(status, reason, words)

    def limit_headers(self, state: LimitState) -> dict[str, str]:  # noqa: ARG002  the protocol's form
        """Return none: the quota is not reported in headers."""
        return {}


class YouTube:
    """The endpoints of YouTube's data API for one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._uploads = YouTubeUploads(world)

    def routes(self) -> list[Route]:
        """Return the routes."""
        protocol = YouTubeProtocol()

        def on(operation: str, handler: Handler, auth: Auth = "access") -> Endpoint:
            return Endpoint(self._world, protocol, operation, operation, handler, auth)

        return [
            route("/youtube/v3/channels", ["GET"], on("followers", self.list_channels)),
            route("/youtube/v3/videos", ["GET"], on("metrics", self.list_videos)),
            route("/youtube/v3/videos", ["PUT"], on("edit", self.update_video)),
            route("/youtube/v3/videos", ["DELETE"], on("delete", self.delete_video)),
            route("/youtube/v3/playlistItems", ["GET"], on("read", self.list_uploads)),
            route("/youtube/v3/playlistItems", ["POST"], on("prepare", self.add_to_playlist)),
            route("/upload/youtube/v3/thumbnails/set", ["POST"], on("prepare", self.set_thumbnail)),
            *self._uploads.routes(on),
            route("/token", ["POST"], on("refresh", self.refresh, "none")),
        ]

    def list_channels(self, call: Call) -> Answer:
        """GET channels?mine=true."""
        if call.query.get("mine") != "true":
            return refuse_call(400, "missingRequiredParameter", "No filter selected.")
        account = call.owner
        hidden = self._world.settings.youtube_hidden_subscribers
        channel = {
            "kind": "youtube#channel",
            "etag": "e1",
            "id": account.external_id,
            "snippet": {
                "title": account.display_name,
                "description": "A simulated channel.",
                "customUrl": f"@{account.handle}",
                "publishedAt": "2019-05-04T10:00:00Z",
            },
            "contentDetails": {"relatedPlaylists": {"likes": "", "uploads": _uploads_of(account)}},
            "statistics": {
                "viewCount": str(40 * account.followers(call.at)),
                "subscriberCount": "0" if hidden else str(account.followers(call.at)),
                "hiddenSubscriberCount": hidden,
                "videoCount": str(self._world.count_posts(account)),
            },
        }
        return Answer(
            {"kind": "youtube#channelListResponse", "etag": "e", "pageInfo": _info(1), "items": [channel]}
        )

    def list_videos(self, call: Call) -> Answer:
        """GET videos?id=: deleted videos are omitted silently."""
        ids = [item for item in call.query.get("id", "").split(",") if item]
        if not 1 <= len(ids) <= _BATCH:
            return refuse_call(400, "invalidFilters", "The request specifies an invalid filter parameter.")
        found = [self._world.find_post(Platform.YOUTUBE, item, call.owner) for item in dict.fromkeys(ids)]
        if call.page_fault == "empty_page":
            found = []
        items = [
            {**show_video(post), "statistics": self._count(post, call)} for post in found if post is not None
        ]
        return Answer(
            {
                "kind": "youtube#videoListResponse",
                "etag": "e",
                "items": items,
                "pageInfo": _info(len(items)),
            }
        )

    def update_video(self, call: Call) -> Answer:
        """PUT videos?part=: each named part is replaced as a whole; a snippet needs title and categoryId."""
        try:
            body, parts = call.json(), call.query.get("part", "").split(",")
            video_id = str(body["id"])
            named = {part: dict(body[part]) for part in parts}
        except (KeyError, TypeError, ValueError):
            return refuse_call(400, "badRequest", "id and each named part are required.")
        post = self._world.find_post(Platform.YOUTUBE, video_id, call.owner)
        if post is None or post.account is not call.owner:
            return refuse_call(404, "videoNotFound", "The video cannot be found.")
        snippet, status = named.get("snippet"), named.get("status")
        if snippet is not None and not (snippet.get("title") and snippet.get("categoryId")):
            return refuse_call(
                400, "invalidVideoMetadata", "The request metadata specifies invalid metadata."
            )
        text, options = post.text, dict(post.detail("options") or {})
        details: dict[str, Any] = {"edits": int(post.detail("edits") or 0) + 1}
        if snippet is not None:
            text, details["title"] = str(snippet.get("description") or ""), snippet["title"]
            options = {name: value for name, value in options.items() if name not in SNIPPET_OPTIONS}
            options |= {name: snippet[name] for name in SNIPPET_OPTIONS if name in snippet}
        if status is not None:
            options = {name: value for name, value in options.items() if name not in STATUS_OPTIONS}
            options |= {name: status[name] for name in STATUS_OPTIONS if name in status}
        self._world.edit_post(post, text=text, details={**details, "options": options})
        return Answer(show_video(post))

    def delete_video(self, call: Call) -> Answer:
        """DELETE videos?id=."""
        post = self._world.find_post(Platform.YOUTUBE, call.query.get("id", ""), call.owner)
        if post is None or post.account is not call.owner:
            return refuse_call(404, "videoNotFound", "The video cannot be found.")
        self._world.delete_post(post, call.at)
        return Answer(status=204, raw=b"")

    def list_uploads(self, call: Call) -> Answer:
        """GET playlistItems?playlistId=: the uploads, newest first; of other playlists one video by its id."""
        account = call.owner
        if call.query.get("videoId"):
            return self._find_in_playlist(call)
        if call.query.get("playlistId") != _uploads_of(account):
            return refuse_call(404, "playlistNotFound", "The playlist cannot be found.")
        token = call.query.get("pageToken")
        try:
            size = min(_BATCH, max(0, int(call.query.get("maxResults", "5"))))
            below = int(token, 16) if token else None
        except ValueError:
            return refuse_call(400, "invalidPageToken", "The request specifies an invalid page token.")
        found = list(islice(self._world.list_posts(account, below=below), size + 1))
        page, more = found[:size], len(found) > size
        if call.page_fault == "empty_page":
            page, more = [], False
        body: dict[str, Any] = {
            "kind": "youtube#playlistItemListResponse",
            "etag": "e",
            "pageInfo": _info(self._world.count_posts(account)),
            "items": [_show_item(post) for post in page],
        }
        if more:
            body["nextPageToken"] = f"{page[-1].number:x}"
        if call.page_fault == "repeated_cursor" and page:
            body["nextPageToken"] = token or f"{page[0].number + 1:x}"
        return Answer(body)

    def _find_in_playlist(self, call: Call) -> Answer:
        if not call.query.get("playlistId", "").startswith("PL"):
            return refuse_call(404, "playlistNotFound", "The playlist cannot be found.")
        post = self._world.find_post(Platform.YOUTUBE, call.query["videoId"], call.owner)
        lists = [] if post is None else (post.detail("options") or {}).get("playlists", [])
        items = [{"kind": "youtube#playlistItem", "etag": "e", "id": "PLI1"}] * lists.count(
            call.query["playlistId"]
        )
        return Answer(
            {
                "kind": "youtube#playlistItemListResponse",
                "etag": "e",
                "pageInfo": _info(len(items)),
                "items": items,
            }
        )

    def add_to_playlist(self, call: Call) -> Answer:
        """POST playlistItems: a playlist of the channel has an id that starts with PL."""
        try:
            snippet = call.json()["snippet"]
            playlist, video = str(snippet["playlistId"]), str(snippet["resourceId"]["videoId"])
        except (KeyError, TypeError, ValueError):
            return refuse_call(400, "badRequest", "snippet.playlistId and snippet.resourceId are required.")
        post = self._world.find_post(Platform.YOUTUBE, video, call.owner)
        if post is None or not playlist.startswith("PL"):
            return refuse_call(404, "playlistNotFound", "The playlist cannot be found.")
        options = post.detail("options") or {}
        options = {**options, "playlists": [*options.get("playlists", []), playlist]}
        self._world.edit_post(post, text=post.text, details={"options": options})
        return Answer({"kind": "youtube#playlistItem", "etag": "e", "id": "PLI1", "snippet": snippet})

    def set_thumbnail(self, call: Call) -> Answer:
        """POST thumbnails/set?videoId=: an image of at most 2 MB."""
        post = self._world.find_post(Platform.YOUTUBE, call.query.get("videoId", ""), call.owner)
        if post is None:
            return refuse_call(404, "videoNotFound", "The video cannot be found.")
        if not 0 < len(call.body) <= _THUMBNAIL_LIMIT:
            return refuse_call(400, "mediaBodyRequired", "The request does not include an image.")
        options = {**(post.detail("options") or {}), "thumbnail_bytes": len(call.body)}
        self._world.edit_post(post, text=post.text, details={"options": options})
        return Answer({"kind": "youtube#thumbnailSetResponse", "etag": "e", "items": [{}]})

    def refresh(self, call: Call) -> Answer:
        """POST /token at Google's OAuth server. The refresh token is not rotated."""
        form = call.parameters()
        if not form.get("client_id") or not form.get("client_secret"):
            return Answer(
                {"error": "invalid_client", "error_description": "The OAuth client was not found."}, 401
            )
        token = form.get("refresh_token", "")
        who = judge_token(self._world, Platform.YOUTUBE, token, kind="refresh", at=call.at)
        if form.get("grant_type") != "refresh_token" or not isinstance(who, SandboxAccount):
            words = "Token has been expired or revoked."
            return Answer({"error": "invalid_grant", "error_description": words}, 400)
        self._world.tokens.issue(who, call.at)
        return Answer(
            {
                "access_token": who.access_token,
                "expires_in": int(TOKEN_LIFETIMES[Platform.YOUTUBE, "access"] or 0),
                "scope": "https://www.googleapis.com/auth/youtube",
                "token_type": "Bearer",
            }
        )

    def _count(self, post: SandboxPost, call: Call) -> dict[str, str]:
        now = self._world.counters(post, call.at)
        return {
            "viewCount": str(now.video_views),
            "likeCount": str(now.likes),
            "favoriteCount": "0",
            "commentCount": str(now.comments),
        }


def _uploads_of(account: SandboxAccount) -> str:
    return f"UU{account.external_id[2:]}"


def _info(total: int) -> dict[str, int]:
    return {"totalResults": total, "resultsPerPage": min(total, _BATCH)}


def _show_item(post: SandboxPost) -> dict[str, Any]:
    video = show_video(post)
    snippet = video["snippet"]
    return {
        "kind": "youtube#playlistItem",
        "etag": "e",
        "id": f"VVU{post.external_id}",
        "snippet": {
            "publishedAt": snippet["publishedAt"],
            "channelId": snippet["channelId"],
            "title": snippet["title"],
            "description": snippet["description"],
            "channelTitle": snippet["channelTitle"],
            "playlistId": _uploads_of(post.account),
            "resourceId": {"kind": "youtube#video", "videoId": post.external_id},
        },
        "contentDetails": {
            "videoId": post.external_id,
            "videoPublishedAt": datetime.fromtimestamp(int(post.created), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }
