"""Simulated Instagram (API with Instagram Login): containers, media, insights, comments, the user.

Every path also works with a version prefix such as /v23.0, which `connectors.sandbox.app` strips;
`graph_routes` dispatches paths shared with Facebook and Threads. The token is a parameter or in the
Authorization header; parameters are in the query, a form or JSON.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from connectors.sandbox.instagram.containers import InstagramContainers
from connectors.sandbox.meta.insights import answer_insights
from connectors.sandbox.meta.protocol import (
    GraphProtocol,
    graph_error,
    is_own,
    no_object,
    pick_fields,
    read_list,
    read_page,
    write_paging,
    write_time,
)
from connectors.sandbox.wire import Answer, Call, Endpoint, Handler, route
from connectors.types import Platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_PERMISSIONS: Final = ",".join(
    f"instagram_business_{name}"
    for name in ("basic", "content_publish", "manage_comments", "manage_insights")
)
_MEDIA_TYPES: Final[dict[str, str]] = {"photo": "IMAGE", "video": "VIDEO", "text": "IMAGE", "link": "IMAGE"}


class Instagram:
    """The endpoints of Instagram for one world."""

    platform = Platform.INSTAGRAM

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._containers = InstagramContainers(world)
        self._comments: dict[str, list[dict[str, object]]] = {}

    def routes(self) -> list[Route]:
        """Return the routes; some paths are shared with Facebook and Threads."""
        protocol = GraphProtocol(self.platform)

        def on(operation: str, handler: Handler, bucket: str = "calls") -> Endpoint:
            return Endpoint(self._world, protocol, operation, bucket, handler)

        return [
            route("/{node}/media_publish", ["POST"], on("publish", self._containers.publish)),
            route("/{node}/media", ["POST"], on("prepare", self._containers.create)),
            route("/{node}/media", ["GET"], on("read", self.list_media)),
            route("/{node}/stories", ["GET"], on("read", self.list_stories)),
            route("/{node}/insights", ["GET"], on("metrics", self.insights)),
            route("/{node}/comments", ["POST"], on("publish", self.comment)),
            route("/{node}/comments", ["GET"], on("read", self.list_comments)),
            route("/{node}/content_publishing_limit", ["GET"], on("read", self._containers.quota)),
            route("/refresh_access_token", ["GET"], on("refresh", self.refresh)),
            route("/me", ["GET"], on("followers", self.get_user)),
            Route("/{node:int}", self._by_node(on), methods=["GET"]),
        ]

    def _by_node(self, on: Callable[[str, Handler], Endpoint]) -> _ByNode:
        user, media = on("followers", self.get_user), on("read", self.get_media)
        return _ByNode(self._containers, user, on("prepare", self._containers.get), media)

    def list_media(self, call: Call) -> Answer:
        """GET /{ig}/media, newest first, without stories."""
        return self._list(call, stories=False)

    def list_stories(self, call: Call) -> Answer:
        """GET /{ig}/stories, newest first."""
        return self._list(call, stories=True)

    def _list(self, call: Call, *, stories: bool) -> Answer:
        if not is_own(call):
            return no_object(call.path["node"])
        try:
            page, more = read_page(call)
        except ValueError as error:
            return graph_error(f"(#100) {error}", 100)
        if call.page_fault == "empty_page" or not page:
            return Answer({"data": []})
        paging = write_paging(call, page[0].number, page[-1].number, more=more)
        return Answer(
            {
                "data": [
                    pick_fields(self._show(post, call), call) for post in page if _is_story(post) == stories
                ],
                "paging": paging,
            }
        )

    def get_media(self, call: Call) -> Answer:
        """GET /{media}?fields=."""
        node = str(call.path["node"])
        post = self._world.find_post(Platform.INSTAGRAM, node, call.owner)
        if post is None or post.account is not call.owner:
            return no_object(node)
        return Answer(pick_fields(self._show(post, call), call, always=("id",)))

    def get_user(self, call: Call) -> Answer:
        """GET /me?fields= and GET /{ig}?fields=."""
        account = call.owner
        if not is_own(call):
            return no_object(str(call.path["node"]))
        values: dict[str, object] = {
            "id": account.external_id,
            "user_id": int(account.external_id),
            "username": account.handle,
            "name": account.display_name,
            "account_type": "BUSINESS",
            "biography": "A simulated account.",
            "website": "https://shop.example",
            "followers_count": account.followers(call.at),
            "follows_count": 180 + account.index,
            "media_count": self._world.count_posts(account),
            "profile_picture_url": f"{call.base_url}/_sandbox/media/photo.png",
        }
        return Answer(pick_fields(values, call, always=("id",)))

    def insights(self, call: Call) -> Answer:
        """GET /{media}/insights?metric=."""
        node = call.path["node"]
        post = self._world.find_post(Platform.INSTAGRAM, node, call.owner)
        if post is None or post.account is not call.owner:
            return no_object(node)
        names = read_list(call.parameters().get("metric", ""))
        answer = answer_insights(self._world, post, names, call.at)
        return answer if isinstance(answer, Answer) else Answer(answer)

    def comment(self, call: Call) -> Answer:
        """POST /{media}/comments."""
        node = call.path["node"]
        post = self._world.find_post(Platform.INSTAGRAM, node, call.owner)
        message = call.parameters().get("message", "")
        if post is None or post.account is not call.owner:
            return no_object(node)
        if not message:
            return graph_error("(#100) The parameter message is required", 100)
        comments = self._comments.setdefault(node, [])
        comment_id = str(self._world.next_number(Platform.INSTAGRAM, call.at))
        own = {"username": call.owner.handle, "timestamp": write_time(call.at)}
        comments.append({"id": comment_id, "text": message, **own})
        return Answer({"id": comment_id})

    def list_comments(self, call: Call) -> Answer:
        """GET /{media}/comments: only comments created through the API have texts."""
        node = call.path["node"]
        if self._world.find_post(Platform.INSTAGRAM, node, call.owner) is None:
            return no_object(node)
        empty = call.page_fault == "empty_page"
        return Answer(
            {"data": [] if empty else [pick_fields(item, call) for item in self._comments.get(node, [])]}
        )

    def refresh(self, call: Call) -> Answer:
        """GET /refresh_access_token: a new token for 60 days; the old one stays valid until its expiry."""
        if call.parameters().get("grant_type") != "ig_refresh_token":
            return graph_error("(#100) grant_type must be ig_refresh_token", 100)
        account = call.owner
        self._world.tokens.issue(account, call.at)
        end = account.expires_at
        return Answer(
            {
                "access_token": account.access_token,
                "token_type": "bearer",
                "expires_in": 0 if end is None else int(end.timestamp() - call.at),
                "permissions": _PERMISSIONS,
            }
        )

    def _show(self, post: SandboxPost, call: Call) -> dict[str, object]:
        now = self._world.counters(post, call.at)
        is_album = bool(post.detail("children"))
        media_url = post.detail("media_url") or f"{call.base_url}/_sandbox/media/photo.png"
        return {
            "id": post.external_id,
            "caption": post.text,
            "media_type": "CAROUSEL_ALBUM" if is_album else _MEDIA_TYPES[post.kind],
            **(
                {"children": {"data": [{"id": child} for child in post.detail("children")]}}
                if is_album
                else {}
            ),
            "media_product_type": "STORY" if _is_story(post) else "REELS" if post.kind == "video" else "FEED",
            "media_url": media_url,
            "permalink": f"https://www.instagram.com/{'reel' if post.kind == 'video' else 'p'}/{_shortcode(post)}/",
            "shortcode": _shortcode(post),
            "timestamp": write_time(post.created),
            "username": post.account.handle,
            "owner": {"id": post.account.external_id},
            "like_count": now.likes,
            "comments_count": now.comments + len(self._comments.get(post.external_id, [])),
            "is_comment_enabled": True,
            "is_shared_to_feed": True,
        }


class _ByNode:
    """GET /{id}: a user, a container or a medium, distinguished by the id; each is a separate operation."""

    def __init__(
        self, containers: InstagramContainers, user: Endpoint, container: Endpoint, media: Endpoint
    ) -> None:
        self._containers = containers
        self._user, self._container, self._media = user, container, media

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        node = str(scope["path_params"]["node"])
        endpoint = self._user if node.startswith("17841") else self._media
        if node in self._containers:
            endpoint = self._container
        await endpoint(scope, receive, send)


def _is_story(post: SandboxPost) -> bool:
    return (post.detail("options") or {}).get("media_type") == "STORIES"


def _shortcode(post: SandboxPost) -> str:
    return base64.urlsafe_b64encode(post.number.to_bytes(8, "big")).decode().rstrip("=")
