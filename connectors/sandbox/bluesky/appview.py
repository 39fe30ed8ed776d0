"""Simulated Bluesky AppView, as proxied by a PDS: posts with counters, an author's feed, profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.wire import Answer, Call, Endpoint, Handler, iso_millis, route
from connectors.types import Platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.routing import Route

    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.bluesky.records import RecordStore
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_BATCH: Final = 25
_BORN: Final = "2023-01-01T00:00:00.000Z"


class BlueskyAppView:
    """The app.bsky.* read endpoints of one world."""

    def __init__(self, world: SandboxWorld, records: RecordStore) -> None:
        self._world = world
        self._records = records

    def routes(self, on: Callable[..., Endpoint]) -> list[Route]:
        """Return the routes; `on` declares an endpoint of the PDS."""

        def guarded(handler: Callable[[Call], Answer]) -> Handler:
            def answer(call: Call) -> Answer:
                if not self._world.settings.bluesky_appview:
                    return Answer(
                        {"error": "UpstreamFailure", "message": "Upstream service unreachable"}, 502
                    )
                return handler(call)

            return answer

        feed, actor = "/xrpc/app.bsky.feed.", "/xrpc/app.bsky.actor."
        return [
            route(f"{feed}getPosts", ["GET"], on("metrics", "calls", guarded(self.get_posts), "optional")),
            route(
                f"{feed}getAuthorFeed",
                ["GET"],
                on("read", "calls", guarded(self.get_author_feed), "optional"),
            ),
            route(
                f"{actor}getProfile", ["GET"], on("followers", "calls", guarded(self.get_profile), "optional")
            ),
        ]

    def get_posts(self, call: Call) -> Answer:
        """getPosts: deleted and unknown posts are left out."""
        uris = call.query.getlist("uris") + call.query.getlist("uris[]")
        if not uris:
            return _invalid('Error: Params must have the property "uris"')
        if len(uris) > _BATCH:
            return _invalid(f"Error: uris must not have more than {_BATCH} elements")
        found = []
        for uri in dict.fromkeys(uris):
            author = self._world.find_account(Platform.BLUESKY, uri.removeprefix("at://").partition("/")[0])
            if author is None:
                continue
            uri_by_did = f"at://{author.external_id}/{uri.removeprefix('at://').partition('/')[2]}"
            post = self._world.find_post(Platform.BLUESKY, uri_by_did, author)
            if post is not None:
                found.append(self._show(post, call))
        return Answer({"posts": [] if call.page_fault == "empty_page" else found})

    def get_author_feed(self, call: Call) -> Answer:
        """getAuthorFeed, newest first."""
        query = call.query
        account = self._world.find_account(Platform.BLUESKY, query.get("actor", ""))
        if account is None:
            return _invalid("Profile not found")
        limit = query.get("limit", "50")
        if not (limit.isdigit() and 1 <= int(limit) <= 100):
            return _invalid("Error: limit must be from 1 to 100")
        try:
            below = int(query["cursor"].rpartition("::")[2]) if query.get("cursor") else None
        except ValueError:
            return _invalid("Malformed cursor")
        allowed = _FILTERS.get(query.get("filter", "posts_with_replies"), _keep_all)
        page: list[SandboxPost] = []
        for post in self._world.list_posts(account, below=below):
            if len(page) == int(limit):
                break
            if allowed(post):
                page.append(post)
        if call.page_fault == "empty_page" or not page:
            return Answer({"feed": []})
        body: dict[str, object] = {"feed": [{"post": self._show(post, call)} for post in page]}
        if call.page_fault == "repeated_cursor":
            body["cursor"] = query.get("cursor") or _write_cursor(page[0], page[0].number + 1)
        elif len(page) == int(limit):
            body["cursor"] = _write_cursor(page[-1], page[-1].number)
        return Answer(body)

    def get_profile(self, call: Call) -> Answer:
        """GetProfile."""
        account = self._world.find_account(Platform.BLUESKY, call.query.get("actor", ""))
        if account is None:
            return _invalid("Profile not found")
        profile = {
            **_show_author(account),
            "description": "A simulated account.",
            "followersCount": account.followers(call.at),
            "followsCount": 180 + account.index,
            "postsCount": self._world.count_posts(account),
            "indexedAt": _BORN,
        }
        return Answer(profile)

    def _show(self, post: SandboxPost, call: Call) -> dict[str, Any]:
        now, record = self._world.counters(post, call.at), self._records.describe(post)
        view: dict[str, Any] = {
            "uri": record.uri,
            "cid": record.cid,
            "author": _show_author(post.account),
            "record": record.value,
            "bookmarkCount": now.saves,
            "replyCount": now.comments,
            "repostCount": now.reposts,
            "likeCount": now.likes,
            "quoteCount": now.quotes,
            "indexedAt": iso_millis(post.created),
            "labels": [],
        }
        embed = _show_embed(record.value.get("embed"), post, call)
        if embed is not None:
            view["embed"] = embed
        return view


def _show_embed(embed: dict[str, Any] | None, post: SandboxPost, call: Call) -> dict[str, Any] | None:
    kind = "" if embed is None else embed.get("$type", "")
    picture = f"{call.base_url}/_sandbox/media/photo.png"
    if embed is None:
        return None
    if kind == "app.bsky.embed.images":
        images = [
            {"thumb": picture, "fullsize": picture, "alt": item.get("alt", "")} for item in embed["images"]
        ]
        return {"$type": f"{kind}#view", "images": images}
    if kind == "app.bsky.embed.external":
        external = {name: embed["external"].get(name, "") for name in ("uri", "title", "description")}
        return {"$type": f"{kind}#view", "external": external}
    if kind == "app.bsky.embed.video":
        link = embed["video"]["ref"]["$link"]
        playlist = f"{call.base_url}/_sandbox/media/{post.account.external_id}/{link}.m3u8"
        return {"$type": f"{kind}#view", "cid": link, "playlist": playlist}
    return None


def _show_author(account: SandboxAccount) -> dict[str, Any]:
    return {
        "did": account.external_id,
        "handle": account.handle,
        "displayName": account.display_name,
        "createdAt": _BORN,
        "labels": [],
    }


def _keep_all(_post: SandboxPost) -> bool:
    return True


_FILTERS: Final[dict[str, Callable[[SandboxPost], bool]]] = {
    "posts_no_replies": lambda post: post.detail("reply_to") is None,
    "posts_and_author_threads": _keep_all,
    "posts_with_media": lambda post: post.kind in ("photo", "video"),
    "posts_with_video": lambda post: post.kind == "video",
}


def _write_cursor(post: SandboxPost, number: int) -> str:
    return f"{iso_millis(post.created)}::{number}"


def _invalid(message: str) -> Answer:
    return Answer({"error": "InvalidRequest", "message": message}, 400)
