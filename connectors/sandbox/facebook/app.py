"""Simulated Facebook Pages: posts, photos, videos, comments, insights, and reads of many ids at once.

The token is the Page's own, so /me is the Page. A field that the object lacks is rejected, as in the Graph
API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson
from starlette.routing import Route

from connectors.sandbox.facebook.stories import FacebookStories
from connectors.sandbox.facebook.videos import FacebookVideos
from connectors.sandbox.facebook.views import pick, show_page, show_post
from connectors.sandbox.meta.insights import answer_insights
from connectors.sandbox.meta.protocol import (
    GraphProtocol,
    graph_error,
    is_own,
    no_object,
    read_list,
    read_page,
    write_paging,
    write_time,
)
from connectors.sandbox.wire import Answer, Call, Endpoint, Handler, route
from connectors.types import ContentKind, Platform

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_MESSAGE_LIMIT: Final = 63_206
_MOST_IDS: Final = 50


class Facebook:
    """The endpoints of Facebook for one world."""

    platform = Platform.FACEBOOK

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._videos = FacebookVideos(world)
        self._photos: dict[str, str] = {}
        """Uploaded, unpublished photos: the owner's key by photo id."""
        self._stories = FacebookStories(world, self._videos, self._photos)
        self._comments: dict[str, list[dict[str, object]]] = {}

    def routes(self) -> list[Route]:
        """Return the routes; some paths are shared with Instagram and Threads."""
        protocol = GraphProtocol(self.platform)

        def on(operation: str, handler: Handler, bucket: str = "calls") -> Endpoint:
            return Endpoint(self._world, protocol, operation, bucket, handler)

        page, video = on("followers", self.get_page), on("read", self._videos.get)
        return [
            route("/", ["GET"], on("metrics", self.get_many)),
            route("/me", ["GET"], page),
            route("/{node}/feed", ["POST"], on("publish", self.post)),
            route("/{node}/photos", ["POST"], on("prepare", self.upload_photo)),
            route("/{node}/videos", ["POST"], on("publish", self._videos.create)),
            route("/{node}/videos", ["GET"], on("read", self._videos.list)),
            route("/{node}/video_reels", ["POST"], on("publish", self._stories.reel)),
            route("/{node}/video_stories", ["POST"], on("publish", self._stories.video_story)),
            route("/{node}/photo_stories", ["POST"], on("publish", self._stories.photo_story)),
            route("/{node}/stories", ["GET"], on("read", self._stories.list_stories)),
            Route(
                "/_facebook_upload/{video}",
                Endpoint(self._world, protocol, "prepare", "calls", self._stories.upload, "none"),
                methods=["POST"],
            ),
            route("/{node}/published_posts", ["GET"], on("read", self.list_posts)),
            route("/{node}/insights", ["GET"], on("metrics", self.insights)),
            route("/{node}/comments", ["POST"], on("publish", self.comment)),
            route("/{node}/comments", ["GET"], on("read", self.list_comments)),
            Route("/{node:int}", _ByNode(self._videos, page, video), methods=["GET"]),
            route("/{page:int}_{post:int}", ["GET"], on("metrics", self.get_post)),
            route("/{page:int}_{post:int}", ["POST"], on("edit", self.edit_post)),
            route("/{node:int}", ["POST"], on("edit", self._videos.edit)),
            route("/{page:int}_{post:int}", ["DELETE"], on("delete", self.delete_post)),
        ]

    def get_page(self, call: Call) -> Answer:
        """GET /me?fields= and GET /{page}?fields=."""
        if not is_own(call):
            return no_object(str(call.path["node"]))
        return _answer(
            pick(show_page(call.owner, call.at), call.parameters().get("fields", "id,name"), "Page")
        )

    def post(self, call: Call) -> Answer:
        """POST /{page}/feed: a text, a link, or photos uploaded before."""
        given = call.parameters()
        message = given.get("message", "")
        try:
            photos = [str(item["media_fbid"]) for item in orjson.loads(given.get("attached_media", "[]"))]
        except (ValueError, TypeError, KeyError):
            return graph_error("(#100) Param attached_media must be an array of {media_fbid}", 100)
        if not is_own(call):
            return no_object(call.path["node"])
        if len(message) > _MESSAGE_LIMIT:
            return graph_error("(#100) Param message is too long", 100)
        if any(self._photos.get(photo) != call.owner.key for photo in photos):
            return graph_error("(#100) The media object is not available", 100)
        if not message and not photos and not given.get("link"):
            return graph_error("(#100) Missing message or attachment", 100, subcode=1349125)
        last = next(self._world.list_posts(call.owner, lagging=False), None)
        if message and last is not None and last.text == message and call.at - last.created < self._window:
            return graph_error("(#506) Duplicate status message", 506)
        kind: ContentKind = "photo" if photos else "link" if given.get("link") or "://" in message else "text"
        post = self._world.add_post(
            call.owner,
            text=message,
            kind=kind,
            at=call.at,
            details={
                "photos": photos,
                "link": given.get("link"),
                "options": {name: given[name] for name in ("place", "targeting") if name in given},
            },
        )
        for photo in photos:
            del self._photos[photo]
        return Answer({"id": post.external_id})

    @property
    def _window(self) -> float:
        return self._world.settings.facebook_duplicate_window_s

    def upload_photo(self, call: Call) -> Answer:
        """POST /{page}/photos?published=false: a photo to attach; only unpublished photos are simulated."""
        given = call.parameters()
        if not is_own(call):
            return no_object(call.path["node"])
        if not given.get("url", "").startswith(("http://", "https://")):
            return graph_error("(#324) Missing or invalid image file", 324)
        if given.get("published") != "false":
            return graph_error("(#100) The sandbox takes photos with published=false only", 100)
        photo = str(self._world.next_number(self.platform, call.at))
        self._photos[photo] = call.owner.key
        return Answer({"id": photo})

    def list_posts(self, call: Call) -> Answer:
        """GET /{page}/published_posts, newest first; a video appears once it is processed."""
        if not is_own(call):
            return no_object(call.path["node"])
        try:
            page, more = read_page(call)
        except ValueError as error:
            return graph_error(f"(#100) {error}", 100)
        if call.page_fault == "empty_page" or not page:
            return Answer({"data": []})
        fields = call.parameters().get("fields", "id,message,created_time")
        shown = [
            pick(self._show(post, call), fields, "PagePost") for post in page if self._is_shown(post, call)
        ]
        failed = next((item for item in shown if isinstance(item, Answer)), None)
        return failed or Answer(
            {"data": shown, "paging": write_paging(call, page[0].number, page[-1].number, more=more)}
        )

    def get_post(self, call: Call) -> Answer:
        """GET /{page}_{post}?fields=."""
        node = f"{call.path['page']}_{call.path['post']}"
        return _answer(self._pick_post(node, call))

    def delete_post(self, call: Call) -> Answer:
        """DELETE /{page}_{post}."""
        node = f"{call.path['page']}_{call.path['post']}"
        post = self._find(node, call)
        if post is None:
            return no_object(node)
        self._world.delete_post(post, call.at)
        return Answer({"success": True})

    def edit_post(self, call: Call) -> Answer:
        """POST /{page}_{post} {message}."""
        node, given = f"{call.path['page']}_{call.path['post']}", call.parameters()
        post = self._find(node, call)
        if post is None:
            return no_object(node)
        message = given.get("message")
        if message is None or len(message) > _MESSAGE_LIMIT:
            return graph_error("(#100) Param message is missing or too long", 100)
        if not message and not post.detail("photos"):
            return graph_error("(#100) Missing message or attachment", 100, subcode=1349125)
        details = {"edited_at": call.at, "edits": int(post.detail("edits") or 0) + 1}
        self._world.edit_post(post, text=message, details=details)
        return Answer({"success": True})

    def get_many(self, call: Call) -> Answer:
        """GET /?ids=&fields=: one unknown id fails the whole request."""
        ids = read_list(call.parameters().get("ids", ""))
        if not 0 < len(ids) <= _MOST_IDS:
            return graph_error(f"(#100) Param ids must have 1 to {_MOST_IDS} ids", 100)
        if call.page_fault == "empty_page":
            return Answer({})
        found = {node: self._pick_post(node, call) for node in ids}
        failed = next((item for item in found.values() if isinstance(item, Answer)), None)
        return failed or Answer(found)

    def insights(self, call: Call) -> Answer:
        """GET /{post}/insights?metric=."""
        post = self._find(call.path["node"], call)
        if post is None:
            return no_object(call.path["node"])
        names = read_list(call.parameters().get("metric", ""))
        answer = answer_insights(self._world, post, names, call.at)
        return answer if isinstance(answer, Answer) else Answer(answer)

    def comment(self, call: Call) -> Answer:
        """POST /{post}/comments, as the Page."""
        given = call.parameters()
        node, message, photo = call.path["node"], given.get("message", ""), given.get("attachment_url", "")
        if self._find(node, call) is None:
            return no_object(node)
        if photo and not photo.startswith(("http://", "https://")):
            return graph_error("(#324) Missing or invalid image file", 324)
        if not message and not photo:
            return graph_error("(#100) Missing message or attachment", 100, subcode=1349125)
        number = self._world.next_number(self.platform, call.at)
        comment: dict[str, object] = {
            "id": f"{node.partition('_')[2]}_{number}",
            "message": message,
            "created_time": write_time(call.at),
            "from": {"id": call.owner.external_id, "name": call.owner.display_name},
        }
        if photo:
            comment["attachment"] = {"type": "photo", "media": {"image": {"src": photo}}}
        self._comments.setdefault(node, []).append(comment)
        return Answer({"id": comment["id"]})

    def list_comments(self, call: Call) -> Answer:
        """GET /{post}/comments: only comments created through the API have texts."""
        node = call.path["node"]
        if self._find(node, call) is None:
            return no_object(node)
        kept = [] if call.page_fault == "empty_page" else self._comments.get(node, [])
        fields = call.parameters().get("fields", "id,message,created_time,from")
        return Answer({"data": [pick(item, fields, "Comment") for item in kept]})

    def _find(self, node: str, call: Call) -> SandboxPost | None:
        post = self._world.find_post(self.platform, node, call.owner)
        return post if post is not None and post.account is call.owner else None

    def _pick_post(self, node: str, call: Call) -> dict[str, object] | Answer:
        post = self._find(node, call)
        if post is None:
            return no_object(node)
        return pick(self._show(post, call), call.parameters().get("fields", "id"), "PagePost")

    def _is_shown(self, post: SandboxPost, call: Call) -> bool:
        return call.at >= (post.detail("ready_at") or post.created) and not post.detail("story")

    def _show(self, post: SandboxPost, call: Call) -> dict[str, object]:
        return show_post(self._world, post, call.at, comments=len(self._comments.get(post.external_id, ())))


class _ByNode:
    """GET /{id}: a video or the Page, distinguished by the id; each is a separate operation."""

    def __init__(self, videos: FacebookVideos, page: Endpoint, video: Endpoint) -> None:
        self._videos, self._page, self._video = videos, page, video

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        node = str(scope["path_params"]["node"])
        await (self._video if node in self._videos else self._page)(scope, receive, send)


def _answer(content: dict[str, object] | Answer) -> Answer:
    return content if isinstance(content, Answer) else Answer(content)
