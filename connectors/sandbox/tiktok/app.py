"""Simulated TikTok: account, videos, posting of videos in chunks and photos by URL, OAuth refresh.

A publish_id stands for one post: its upload is in `publishing`. The envelope and its errors are in
`protocol`. Listings and metrics include only videos, as documented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.accounts import TOKEN_LIFETIMES, SandboxAccount
from connectors.sandbox.tiktok.protocol import TikTokProtocol, answer_data, refuse
from connectors.sandbox.tiktok.publishing import TikTokPublishing
from connectors.sandbox.tokens import judge_token, rotate_tokens
from connectors.sandbox.wire import Answer, Auth, Call, Endpoint, Handler, route
from connectors.types import Platform

if TYPE_CHECKING:
    from starlette.routing import Route

    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_BATCH: Final = 20
_BASIC: Final = frozenset({"open_id", "union_id", "avatar_url", "display_name"})
_VIDEO_FIELDS: Final = frozenset({
    "id", "create_time", "cover_image_url", "share_url", "video_description", "duration", "height", "width",
    "title", "embed_html", "embed_link", "like_count", "comment_count", "share_count", "view_count"
})  # fmt: skip


class TikTok:
    """The endpoints of TikTok for one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._publishing = TikTokPublishing(world)

    def routes(self) -> list[Route]:
        """Return the routes."""
        protocol = TikTokProtocol()

        def on(operation: str, bucket: str, handler: Handler, auth: Auth = "access") -> Endpoint:
            return Endpoint(self._world, protocol, operation, bucket, handler, auth)

        return [
            *self._publishing.routes(on),
            route("/v2/user/info/", ["GET"], on("followers", "calls", self.get_user)),
            route("/v2/video/list/", ["POST"], on("read", "calls", self.list_videos)),
            route("/v2/video/query/", ["POST"], on("metrics", "calls", self.query_videos)),
            route("/v2/oauth/token/", ["POST"], on("refresh", "token", self.refresh, "none")),
        ]

    def get_user(self, call: Call) -> Answer:
        """GET /v2/user/info/?fields=: a field without its scope fails the whole request."""
        account, asked = call.owner, call.query.get("fields", "").split(",")
        values: dict[str, object] = {
            "open_id": account.external_id,
            "display_name": account.display_name,
            "username": account.handle,
            "follower_count": account.followers(call.at),
            "following_count": 180 + account.index,
            "video_count": self._world.count_posts(account),
        }
        unknown = [name for name in asked if name not in values]
        if unknown:
            return refuse(call, 400, "invalid_params", f"Fields is invalid: {unknown[0]!r}")
        if not self._world.settings.tiktok_statistics_scope and set(asked) - _BASIC:
            return refuse(call, 401, "scope_not_authorized", "The user did not authorize the scope required")
        return answer_data({"user": {name: values[name] for name in asked}})

    def list_videos(self, call: Call) -> Answer:
        """POST /v2/video/list/: newest first, before the moment `cursor` (Unix milliseconds)."""
        try:
            body = call.json() if call.body else {}
            size, cursor = int(body.get("max_count", 10)), int(body.get("cursor", 0))
        except (TypeError, ValueError):
            return refuse(call, 400, "invalid_params", "The body must be a JSON object")
        if not 1 <= size <= _BATCH:
            return refuse(call, 400, "invalid_params", f"max_count must be between 1 and {_BATCH}")
        if call.page_fault == "empty_page":
            return answer_data({"videos": [], "cursor": cursor, "has_more": False})
        videos = [
            post
            for post in self._world.list_posts(call.owner)
            if post.kind == "video" and (not cursor or post.created * 1000 < cursor)
        ]
        page = videos[:size]
        following = int(page[-1].created * 1000) if page else cursor
        repeated = call.page_fault == "repeated_cursor"
        return self._answer_videos(
            call,
            page,
            cursor=(cursor or int(call.at * 1000)) if repeated else following,
            has_more=repeated or len(videos) > size,
        )

    def query_videos(self, call: Call) -> Answer:
        """POST /v2/video/query/: ids that are unknown or not the caller's are omitted silently."""
        try:
            ids = call.json()["filters"]["video_ids"]
        except (KeyError, TypeError, ValueError):
            return refuse(call, 400, "invalid_params", "filters.video_ids is required")
        if not 1 <= len(ids) <= _BATCH:
            return refuse(call, 400, "invalid_params", f"video_ids must hold 1 to {_BATCH} ids")
        found = [self._world.find_post(Platform.TIKTOK, str(name), call.owner) for name in ids]
        own = [
            post for post in found if post is not None and post.account is call.owner and post.kind == "video"
        ]
        return self._answer_videos(call, [] if call.page_fault == "empty_page" else own)

    def _answer_videos(self, call: Call, posts: list[SandboxPost], **more: object) -> Answer:
        asked = [name for name in call.query.get("fields", "").split(",") if name]
        unknown = sorted(set(asked) - _VIDEO_FIELDS)
        if not asked or unknown:
            return refuse(call, 400, "invalid_params", f"Fields is invalid: {unknown or 'none given'}")
        videos = [
            {name: value for name, value in self._show(post, call).items() if name in asked} for post in posts
        ]
        return answer_data({"videos": videos, **more})

    def _show(self, post: SandboxPost, call: Call) -> dict[str, object]:
        now = self._world.counters(post, call.at)
        return {
            "id": post.external_id,
            "create_time": int(post.created),
            "share_url": f"https://www.tiktok.com/@{post.account.handle}/video/{post.external_id}",
            "video_description": post.text,
            "title": post.text[:90],
            "like_count": now.likes,
            "comment_count": now.comments,
            "share_count": now.reposts + now.quotes,
            "view_count": now.video_views,
        }

    def refresh(self, call: Call) -> Answer:
        """POST /v2/oauth/token/: rotates; an error comes with HTTP 200, as TikTok's does."""
        form = call.parameters()
        if not form.get("client_key") or not form.get("client_secret"):
            return _oauth_error("invalid_client", "Client key or secret is incorrect")
        if form.get("grant_type") != "refresh_token":
            return _oauth_error("unsupported_grant_type", "Only refresh_token is simulated")
        token = form.get("refresh_token", "")
        who = judge_token(self._world, Platform.TIKTOK, token, kind="refresh", at=call.at)
        if not isinstance(who, SandboxAccount):
            return _oauth_error("invalid_grant", "Refresh token is invalid or expired")
        rotate_tokens(self._world, who, token, call.at)
        return Answer(
            {
                "access_token": who.access_token,
                "expires_in": int(TOKEN_LIFETIMES[Platform.TIKTOK, "access"] or 0),
                "open_id": who.external_id,
                "refresh_token": who.refresh_token,
                "refresh_expires_in": int(TOKEN_LIFETIMES[Platform.TIKTOK, "refresh"] or 0),
                "scope": "user.info.basic,user.info.stats,video.list,video.publish",
                "token_type": "Bearer",
            }
        )


def _oauth_error(code: str, description: str) -> Answer:
    return Answer({"error": code, "error_description": description, "log_id": "20261124000000SANDBOX"})
