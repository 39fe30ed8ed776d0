"""Simulated Threads: posts and replies, containers, insights, the profile.

Every path also works with a version prefix such as /v1.0; `graph_routes` dispatches paths shared with
Facebook and Instagram.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from starlette.routing import Route

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
from connectors.sandbox.threads.containers import ThreadsContainers
from connectors.sandbox.wire import Answer, Call, Endpoint, Handler, route
from connectors.types import Platform

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_MEDIA_TYPES: Final = {"photo": "IMAGE", "video": "VIDEO", "text": "TEXT_POST", "link": "TEXT_POST"}


class Threads:
    """The endpoints of Threads for one world."""

    platform = Platform.THREADS

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._containers = ThreadsContainers(world)

    def routes(self) -> list[Route]:
        """Return the routes; some paths are shared with Instagram and Facebook."""
        protocol = GraphProtocol(self.platform)

        def on(operation: str, handler: Handler, bucket: str = "calls") -> Endpoint:
            return Endpoint(self._world, protocol, operation, bucket, handler)

        container, post = on("read", self._containers.get), on("read", self.get_post)
        create = _ByPurpose(on("publish", self._containers.create), on("prepare", self._containers.create))
        return [
            route("/me", ["GET"], on("read", self.get_profile)),
            Route("/{node}/threads", create, methods=["POST"]),
            route("/{node}/threads", ["GET"], on("read", self.list_posts)),
            route("/{node}/replies", ["GET"], on("read", self.list_replies)),
            route("/{node}/threads_publish", ["POST"], on("publish", self._containers.publish)),
            route("/{node}/threads_publishing_limit", ["GET"], on("read", self._containers.quota)),
            route("/{node}/threads_insights", ["GET"], on("followers", self.account_insights)),
            route("/{node}/insights", ["GET"], on("metrics", self.insights)),
            route("/refresh_access_token", ["GET"], on("refresh", self.refresh)),
            Route("/{node:int}", _ByNode(self._containers, container, post), methods=["GET"]),
            route("/{node:int}", ["DELETE"], on("delete", self.delete_post)),
        ]

    def get_profile(self, call: Call) -> Answer:
        """GET /me?fields=."""
        account = call.owner
        values: dict[str, object] = {
            "id": account.external_id,
            "username": account.handle,
            "name": account.display_name,
            "threads_profile_picture_url": f"{call.base_url}/_sandbox/media/photo.png",
            "threads_biography": "A simulated account.",
            "is_verified": False,
        }
        return Answer(pick_fields(values, call))

    def list_posts(self, call: Call) -> Answer:
        """GET /me/threads, newest first, without replies."""
        return self._list(call, replies=False)

    def list_replies(self, call: Call) -> Answer:
        """GET /me/replies: the account's own replies."""
        return self._list(call, replies=True)

    def _list(self, call: Call, *, replies: bool) -> Answer:
        if not is_own(call):
            return no_object(call.path["node"])
        try:
            page, more = read_page(call)
        except ValueError as error:
            return graph_error(f"(#100) {error}", 100)
        if call.page_fault == "empty_page" or not page:
            return Answer({"data": []})
        shown = [
            pick_fields(self._show(post, call), call)
            for post in page
            if (post.detail("reply_to") is not None) == replies
        ]
        paging = write_paging(call, page[0].number, page[-1].number, more=more)
        return Answer({"data": shown, "paging": paging})

    def get_post(self, call: Call) -> Answer:
        """GET /{post}?fields=."""
        node = str(call.path["node"])
        post = self._find(node, call)
        return no_object(node) if post is None else Answer(pick_fields(self._show(post, call), call))

    def delete_post(self, call: Call) -> Answer:
        """DELETE /{post}."""
        node = str(call.path["node"])
        post = self._find(node, call)
        if post is None:
            return no_object(node)
        self._world.delete_post(post, call.at)
        return Answer({"success": True, "deleted_id": node})

    def insights(self, call: Call) -> Answer:
        """GET /{post}/insights?metric=."""
        post = self._find(call.path["node"], call)
        if post is None:
            return no_object(call.path["node"])
        names = read_list(call.parameters().get("metric", ""))
        answer = answer_insights(self._world, post, names, call.at)
        return answer if isinstance(answer, Answer) else Answer(answer)

    def account_insights(self, call: Call) -> Answer:
        """GET /me/threads_insights?metric=followers_count: the only simulated account metric."""
        if not is_own(call):
            return no_object(call.path["node"])
        if read_list(call.parameters().get("metric", "")) != ("followers_count",):
            return graph_error("(#100) metric[0] must be one of the following values: followers_count", 100)
        account = call.owner
        item = {
            "name": "followers_count",
            "period": "day",
            "title": "followers_count",
            "description": "This is your total number of followers on Threads.",
            "total_value": {"value": account.followers(call.at)},
            "id": f"{account.external_id}/insights/followers_count/day",
        }
        return Answer({"data": [item]})

    def refresh(self, call: Call) -> Answer:
        """GET /refresh_access_token: a new token for 60 days; the old one stays valid until its expiry."""
        if call.parameters().get("grant_type") != "th_refresh_token":
            return graph_error("(#100) grant_type must be th_refresh_token", 100)
        account = call.owner
        self._world.tokens.issue(account, call.at)
        end = account.expires_at
        seconds = 0 if end is None else int(end.timestamp() - call.at)
        return Answer({"access_token": account.access_token, "token_type": "bearer", "expires_in": seconds})

    def _find(self, node: str, call: Call) -> SandboxPost | None:
        post = self._world.find_post(self.platform, node, call.owner)
        return post if post is not None and post.account is call.owner else None

    def _show(self, post: SandboxPost, call: Call) -> dict[str, object]:
        shortcode = base64.urlsafe_b64encode(post.number.to_bytes(8, "big")).decode().rstrip("=")
        reply_to = post.detail("reply_to")
        is_album = bool(post.detail("children"))
        shown: dict[str, object] = {
            "id": post.external_id,
            "media_product_type": "THREADS",
            "media_type": "CAROUSEL_ALBUM" if is_album else _MEDIA_TYPES[post.kind],
            **(
                {"children": {"data": [{"id": child} for child in post.detail("children")]}}
                if is_album
                else {}
            ),
            "permalink": f"https://www.threads.net/@{post.account.handle}/post/{shortcode}",
            "owner": {"id": post.account.external_id},
            "username": post.account.handle,
            "text": post.text,
            "timestamp": write_time(post.created),
            "shortcode": shortcode,
            "is_quote_post": False,
            "has_replies": self._world.counters(post, call.at).comments > 0,
            "is_reply": reply_to is not None,
        }
        if not post.text:
            del shown["text"]
        if post.kind in ("photo", "video"):
            shown["media_url"] = post.detail("media_url") or f"{call.base_url}/_sandbox/media/photo.png"
        if reply_to is not None:
            shown["is_reply_owned_by_me"] = True
            shown["replied_to"] = {"id": reply_to}
        return shown


class _ByPurpose:
    """POST /{user}/threads: publishes with auto_publish_text, otherwise prepares a container."""

    def __init__(self, publish: Endpoint, prepare: Endpoint) -> None:
        self._publish, self._prepare = publish, prepare

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        read: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return read.pop() if read else await receive()

        publishes = b"auto_publish_text" in scope["query_string"] + body
        await (self._publish if publishes else self._prepare)(scope, replay, send)


class _ByNode:
    """GET /{id}: a container or a post, distinguished by the id."""

    def __init__(self, containers: ThreadsContainers, container: Endpoint, post: Endpoint) -> None:
        self._containers, self._container, self._post = containers, container, post

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_container = str(scope["path_params"]["node"]) in self._containers
        await (self._container if is_container else self._post)(scope, receive, send)
