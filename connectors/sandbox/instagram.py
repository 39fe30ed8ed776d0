"""Simulated Instagram (API with Instagram login): containers, publishing, media, insights, comments, the user.

Every path also works behind a version prefix such as /v23.0, which `app` strips. The token comes as a
parameter or in the Authorization header, parameters come in the query, a form or JSON.
"""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import urlencode

import orjson
from starlette.routing import Route

from connectors.sandbox.accounts import SandboxAccount, TokenKind
from connectors.sandbox.instagram_insights import answer_insights
from connectors.sandbox.limits import LimitState
from connectors.sandbox.tokens import judge_token
from connectors.sandbox.wire import Answer, Call, Endpoint, Handler, bearer_token, parse_iso, route
from connectors.sandbox.world import SandboxPost, SandboxWorld
from connectors.types import ContentKind, Platform

_CAPTION_LIMIT: Final = 2200
_CONTAINER_LIFETIME_S: Final = 86_400.0
_QUOTA: Final = 100
_MEDIA_TYPES: Final[dict[str, str]] = {"photo": "IMAGE", "video": "VIDEO", "text": "IMAGE", "link": "IMAGE"}

ContainerStatus = Literal["IN_PROGRESS", "FINISHED", "PUBLISHED", "EXPIRED"]


def graph_error(
    message: str, code: int, *, subcode: int | None = None, status: int = 400, transient: bool = False
) -> Answer:
    """Return an error as the Graph API words it."""
    error: dict[str, object] = {
        "message": message,
        "type": "OAuthException",
        "code": code,
        "is_transient": transient,
        "fbtrace_id": "A" + hashlib.blake2b(message.encode(), digest_size=8).hexdigest(),
    }
    if subcode is not None:
        error["error_subcode"] = subcode
    return Answer({"error": error}, status)


def no_object(node: str) -> Answer:
    """Return the Graph API's answer for an id that is unknown or not the caller's."""
    message = (
        f"Unsupported get request. Object with ID '{node}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation"
    )
    return graph_error(message, 100, subcode=33)


class InstagramDialect:
    """Tokens, refusals and headers of Instagram."""

    platform = Platform.INSTAGRAM

    def authenticate(self, call: Call, kind: TokenKind) -> SandboxAccount | Answer:
        """Return whose token it is; a bad one is a 400 with code 190, as in the Graph API."""
        token = bearer_token(call)
        if token is None:
            try:
                token = call.parameters().get("access_token")
            except ValueError:
                return graph_error("The request body is not valid JSON.", 100)
        if not token:
            return graph_error("An access token is required to request this resource.", 104)
        who = judge_token(call.world, self.platform, token, kind=kind, at=call.at)
        if isinstance(who, SandboxAccount):
            return who
        if who == "expired":
            return graph_error("Error validating access token: Session has expired.", 190, subcode=463)
        if who == "revoked":
            message = "Error validating access token: The user has not authorized application."
            return graph_error(message, 190, subcode=458)
        return graph_error("Invalid OAuth access token - Cannot parse access token", 190)

    def refuse(self, kind: str, *, reset: float, at: float) -> Answer:
        """Word a refusal. A limit names the minutes to wait; Retry-After is the sandbox's own addition."""
        if kind == "rate_limited":
            wait = max(0, int(-(-(reset - at) // 1)))
            usage = {"call_count": 100, "total_cputime": 25, "total_time": 25, "type": "instagram"}
            usage["estimated_time_to_regain_access"] = -(-wait // 60)
            answer = graph_error("(#4) Application request limit reached", 4, status=429, transient=True)
            answer.headers["x-business-use-case-usage"] = orjson.dumps(
                {"17841400000000000": [usage]}
            ).decode()
            answer.headers["retry-after"] = str(wait)
            return answer
        if kind == "unauthorized":
            return graph_error("Error validating access token: Session has expired.", 190, subcode=463)
        if kind == "forbidden":
            message = "(#10) Application does not have permission for this action"
            return graph_error(message, 10, status=403)
        message = "An unknown error has occurred."
        return graph_error(message, 1, status=500, transient=True)

    def limit_headers(self, state: LimitState) -> dict[str, str]:
        """Return X-App-Usage, in percent of the limit."""
        used = min(100, 100 * (state.limit - state.remaining) // state.limit)
        return {
            "x-app-usage": orjson.dumps({"call_count": used, "total_time": 1, "total_cputime": 1}).decode()
        }


@dataclass(slots=True)
class _Container:
    owner: SandboxAccount
    caption: str
    kind: ContentKind
    created: float
    ready_at: float
    children: tuple[str, ...] = ()
    is_item: bool = False
    media_url: str = ""
    media: SandboxPost | None = None

    def status(self, at: float) -> ContainerStatus:
        if self.media is not None:
            return "PUBLISHED"
        if at >= self.created + _CONTAINER_LIFETIME_S:
            return "EXPIRED"
        return "FINISHED" if at >= self.ready_at else "IN_PROGRESS"


class Instagram:
    """The endpoints of Instagram over one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._containers: dict[str, _Container] = {}
        self._published: dict[str, deque[float]] = {}
        self._comments: dict[str, list[dict[str, object]]] = {}

    def routes(self) -> list[Route]:
        """Return the routes. They must come last: their first part may be any id."""
        dialect = InstagramDialect()

        def on(operation: str, handler: Handler, bucket: str = "calls") -> Endpoint:
            return Endpoint(self._world, dialect, operation, bucket, handler)

        return [
            route("/{node}/media_publish", ["POST"], on("publish", self.publish)),
            route("/{node}/media", ["POST"], on("prepare", self.create_container)),
            route("/{node}/media", ["GET"], on("read", self.list_media)),
            route("/{node}/insights", ["GET"], on("metrics", self.insights)),
            route("/{node}/comments", ["POST"], on("publish", self.comment)),
            route("/{node}/comments", ["GET"], on("read", self.list_comments)),
            route("/{node}/content_publishing_limit", ["GET"], on("read", self.publishing_limit)),
            route("/refresh_access_token", ["GET"], on("refresh", self.refresh)),
            route("/me", ["GET"], on("followers", self.get_user)),
            route("/{node:int}", ["GET"], _ByNode(on, self)),
        ]

    def is_container(self, node: str) -> bool:
        """Tell whether this id names a container."""
        return node in self._containers

    def is_media(self, node: str, account: SandboxAccount | None) -> bool:
        """Tell whether this id names a published medium."""
        return self._world.find_post(Platform.INSTAGRAM, node, account) is not None

    def create_container(self, call: Call) -> Answer:
        """POST /{ig}/media."""
        if not _is_own(call):
            return no_object(call.path["node"])
        given = call.parameters()
        caption = given.get("caption", "")
        if len(caption) > _CAPTION_LIMIT:
            return graph_error("The caption is too long.", 36000, subcode=2207010)
        media_type = given.get("media_type", "")
        settings = self._world.settings
        delay, kind, children = settings.instagram_image_delay_s, "photo", ()
        if media_type == "CAROUSEL":
            children = _read_list(given.get("children", ""))
            if not 2 <= len(children) <= 10:
                return graph_error("A carousel needs 2 to 10 children.", 100, subcode=2207009)
            if any(not self._is_item(child, call) for child in children):
                return graph_error(
                    "A child of the carousel is no finished item container.", 9007, subcode=2207027
                )
            address = self._containers[children[0]].media_url
        elif media_type in ("REELS", "VIDEO", "STORIES") and "video_url" in given:
            delay, kind, address = settings.instagram_video_delay_s, "video", given["video_url"]
        else:
            address = given.get("image_url", "")
        if not address.startswith(("http://", "https://")):
            name = "video_url" if media_type in ("REELS", "VIDEO") else "image_url"
            return graph_error(f"(#100) The parameter {name} is required", 100)
        container_id = str(self._world.next_number(Platform.INSTAGRAM, call.at))
        self._containers[container_id] = _Container(
            owner=call.owner,
            caption=caption,
            kind="video" if kind == "video" else "photo",
            created=call.at,
            ready_at=call.at + delay,
            children=children,
            is_item=given.get("is_carousel_item", "").lower() == "true",
            media_url=address,
        )
        return Answer({"id": container_id})

    def get_container(self, call: Call) -> Answer:
        """GET /{container}?fields=status_code."""
        node = str(call.path["node"])
        container = self._containers[node]
        if container.owner is not call.owner:
            return no_object(node)
        status = container.status(call.at)
        values = {"id": node, "status_code": status, "status": f"{status.title()}: Media upload"}
        return Answer(_pick(values, call, always=("id",)))

    def publish(self, call: Call) -> Answer:
        """POST /{ig}/media_publish: a container can be published once."""
        account = call.owner
        if not _is_own(call):
            return no_object(call.path["node"])
        node = call.parameters().get("creation_id", "")
        container = self._containers.get(node)
        if container is None or container.owner is not account or container.is_item:
            return graph_error("Media ID is not available", 24, subcode=2207006)
        status = container.status(call.at)
        if status == "PUBLISHED":
            return graph_error("The media has already been published", 9007, subcode=2207032)
        if status == "EXPIRED":
            return graph_error("The container has expired", 24, subcode=2207020)
        if status == "IN_PROGRESS":
            return graph_error("Media ID is not available", 9007, subcode=2207027)
        used = self._recent_publications(account, call.at)
        if self._world.settings.enforce_rate_limits and len(used) >= _QUOTA:
            message = "Application request limit reached: 100 posts in 24 hours"
            return graph_error(message, 9, subcode=2207042, status=403)
        used.append(call.at)
        container.media = self._world.add_post(
            account,
            text=container.caption,
            kind=container.kind,
            at=call.at,
            idempotency_key=node,
            details={"media_url": container.media_url, "children": container.children},
        )
        return Answer({"id": container.media.external_id})

    def list_media(self, call: Call) -> Answer:
        """GET /{ig}/media, newest first."""
        if not _is_own(call):
            return no_object(call.path["node"])
        given = call.parameters()
        try:
            size = min(100, max(1, int(given.get("limit", "25"))))
            below = _read_cursor(given["after"]) if given.get("after") else None
            above = _read_cursor(given["before"]) if given.get("before") else None
            since = _read_time(given["since"]) if given.get("since") else 0.0
            until = _read_time(given["until"]) if given.get("until") else float("inf")
        except ValueError as error:
            return graph_error(f"(#100) {error}", 100)
        found: list[SandboxPost] = []
        for post in self._world.list_posts(call.owner, below=below, above=above):
            if post.created < since or len(found) > size:
                break
            if post.created <= until:
                found.append(post)
        page, more = found[:size], len(found) > size
        if call.page_fault == "empty_page" or not page:
            return Answer({"data": []})
        after = _write_cursor(page[-1].number)
        if call.page_fault == "repeated_cursor":
            after, more = given.get("after") or _write_cursor(page[0].number + 1), True
        paging: dict[str, object] = {"cursors": {"before": _write_cursor(page[0].number), "after": after}}
        if more:
            # As in the Graph API the address repeats every parameter, the token included.
            address = f"{call.base_url}{call.request.url.path}"
            paging["next"] = f"{address}?{urlencode({**call.query, 'after': after})}"
        return Answer({"data": [_pick(self._show(post, call), call) for post in page], "paging": paging})

    def get_media(self, call: Call) -> Answer:
        """GET /{media}?fields=."""
        node = str(call.path["node"])
        post = self._world.find_post(Platform.INSTAGRAM, node, call.owner)
        if post is None or post.account is not call.owner:
            return no_object(node)
        return Answer(_pick(self._show(post, call), call, always=("id",)))

    def get_user(self, call: Call) -> Answer:
        """GET /me?fields= and GET /{ig}?fields=."""
        account = call.owner
        if not _is_own(call):
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
        return Answer(_pick(values, call, always=("id",)))

    def insights(self, call: Call) -> Answer:
        """GET /{media}/insights?metric=."""
        node = call.path["node"]
        post = self._world.find_post(Platform.INSTAGRAM, node, call.owner)
        if post is None or post.account is not call.owner:
            return no_object(node)
        names = _read_list(call.parameters().get("metric", ""))
        answer = answer_insights(self._world, post, names, call.at)
        return graph_error(answer, 100) if isinstance(answer, str) else Answer(answer)

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
        comments.append({"id": comment_id, "text": message, "timestamp": _timestamp(call.at)})
        return Answer({"id": comment_id})

    def list_comments(self, call: Call) -> Answer:
        """GET /{media}/comments: only those that the API's own users wrote are kept as texts."""
        node = call.path["node"]
        if self._world.find_post(Platform.INSTAGRAM, node, call.owner) is None:
            return no_object(node)
        empty = call.page_fault == "empty_page"
        return Answer({"data": [] if empty else [_pick(item, call) for item in self._comments.get(node, [])]})

    def publishing_limit(self, call: Call) -> Answer:
        """GET /{ig}/content_publishing_limit."""
        if not _is_own(call):
            return no_object(call.path["node"])
        usage = len(self._recent_publications(call.owner, call.at))
        config = {"quota_total": _QUOTA, "quota_duration": 86_400}
        return Answer(
            {"data": [_pick({"quota_usage": usage, "config": config}, call, default=("quota_usage",))]}
        )

    def refresh(self, call: Call) -> Answer:
        """GET /refresh_access_token: a new token for 60 days; the old one works until its own end."""
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
                "permissions": "instagram_business_basic,instagram_business_content_publish,instagram_business_manage_insights",
            }
        )

    def _is_item(self, container_id: str, call: Call) -> bool:
        item = self._containers.get(container_id)
        return (
            item is not None
            and item.owner is call.owner
            and item.is_item
            and item.status(call.at) == "FINISHED"
        )

    def _recent_publications(self, account: SandboxAccount, at: float) -> deque[float]:
        moments = self._published.setdefault(account.key, deque())
        while moments and moments[0] <= at - 86_400.0:
            moments.popleft()
        return moments

    def _show(self, post: SandboxPost, call: Call) -> dict[str, object]:
        now = self._world.counters(post, call.at)
        is_album = bool(post.detail("children"))
        media_url = post.detail("media_url") or f"{call.base_url}/_sandbox/media/photo.png"
        return {
            "id": post.external_id,
            "caption": post.text,
            "media_type": "CAROUSEL_ALBUM" if is_album else _MEDIA_TYPES[post.kind],
            "media_product_type": "REELS" if post.kind == "video" else "FEED",
            "media_url": media_url,
            "permalink": f"https://www.instagram.com/{'reel' if post.kind == 'video' else 'p'}/{_shortcode(post)}/",
            "shortcode": _shortcode(post),
            "timestamp": _timestamp(post.created),
            "username": post.account.handle,
            "owner": {"id": post.account.external_id},
            "like_count": now.likes,
            "comments_count": now.comments + len(self._comments.get(post.external_id, [])),
            "is_comment_enabled": True,
            "is_shared_to_feed": True,
        }


class _ByNode:
    """GET /{id}: a user, a container or a medium, told apart by the id; each is its own operation."""

    def __init__(self, on: Any, instagram: Instagram) -> None:
        self._instagram = instagram
        self._user = on("followers", instagram.get_user)
        self._container = on("prepare", instagram.get_container)
        self._media = on("read", instagram.get_media)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        node = str(scope["path_params"]["node"])
        if self._instagram.is_container(node):
            endpoint = self._container
        elif node.startswith("17841"):
            endpoint = self._user
        else:
            endpoint = self._media
        await endpoint(scope, receive, send)


def _is_own(call: Call) -> bool:
    return str(call.path.get("node", "me")) in ("me", call.owner.external_id)


def _pick(
    values: dict[str, Any], call: Call, *, always: Iterable[str] = (), default: Iterable[str] = ("id",)
) -> dict[str, Any]:
    """Return the fields that were asked for; an unknown field is left out."""
    asked = _read_list(call.parameters().get("fields", ""))
    if not asked:
        asked = tuple(default)
    names = dict.fromkeys((*always, *(name.partition("{")[0] for name in asked)))
    # Every node of the Graph API carries its id, asked or not.
    if "id" in values:
        names["id"] = None
    return {name: values[name] for name in names if name in values}


def _read_list(text: str) -> tuple[str, ...]:
    """Read "a,b" or a JSON array of strings."""
    if text.startswith("["):
        return tuple(str(item) for item in orjson.loads(text))
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _read_time(text: str) -> float:
    return float(text) if text.isdigit() else parse_iso(text)


def _timestamp(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def _shortcode(post: SandboxPost) -> str:
    return base64.urlsafe_b64encode(post.number.to_bytes(8, "big")).decode().rstrip("=")


def _write_cursor(number: int) -> str:
    return base64.urlsafe_b64encode(str(number).encode()).decode()


def _read_cursor(cursor: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor))
    except ValueError:
        raise ValueError(f"Invalid cursor {cursor!r}") from None
