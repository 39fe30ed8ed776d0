"""Simulated Instagram: the containers that a post is prepared in, and publishing them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from connectors.sandbox.graph_manners import graph_error, is_own, no_object, pick_fields, read_list
from connectors.sandbox.wire import Answer, Call
from connectors.types import ContentKind, Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_CAPTION_LIMIT: Final = 2200
_CONTAINER_LIFETIME_S: Final = 86_400.0
_QUOTA: Final = 100
_VIDEO_TYPES: Final = frozenset({"REELS", "VIDEO", "STORIES"})

ContainerStatus = Literal["IN_PROGRESS", "FINISHED", "PUBLISHED", "EXPIRED"]


@dataclass(slots=True)
class Container:
    """A post in preparation: made first, published later, once."""

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
        """Return how far it is."""
        if self.media is not None:
            return "PUBLISHED"
        if at >= self.created + _CONTAINER_LIFETIME_S:
            return "EXPIRED"
        return "FINISHED" if at >= self.ready_at else "IN_PROGRESS"


class InstagramContainers:
    """The containers of one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._containers: dict[str, Container] = {}
        self._published: dict[str, deque[float]] = {}
        for post in world.published(Platform.INSTAGRAM, via="api"):
            self._restore(post)

    def __contains__(self, node: str) -> bool:
        return node in self._containers

    def create(self, call: Call) -> Answer:
        """POST /{ig}/media."""
        if not is_own(call):
            return no_object(call.path["node"])
        given = call.parameters()
        caption = given.get("caption", "")
        if len(caption) > _CAPTION_LIMIT:
            return graph_error("The caption is too long.", 36000, subcode=2207010)
        if given.get("media_type") == "CAROUSEL":
            return self._create_album(call, given, caption)
        settings = self._world.settings
        is_video = given.get("media_type", "") in _VIDEO_TYPES and "video_url" in given
        address = given.get("video_url" if is_video else "image_url", "")
        if not address.startswith(("http://", "https://")):
            name = "video_url" if given.get("media_type") in {"REELS", "VIDEO"} else "image_url"
            return graph_error(f"(#100) The parameter {name} is required", 100)
        delay = settings.instagram_video_delay_s if is_video else settings.instagram_image_delay_s
        return self._keep(
            call,
            Container(
                owner=call.owner,
                caption=caption,
                kind="video" if is_video else "photo",
                created=call.at,
                ready_at=call.at + delay,
                is_item=given.get("is_carousel_item", "").lower() == "true",
                media_url=address,
            ),
        )

    def get(self, call: Call) -> Answer:
        """GET /{container}?fields=status_code."""
        node = str(call.path["node"])
        container = self._containers[node]
        if container.owner is not call.owner:
            return no_object(node)
        status = container.status(call.at)
        values = {"id": node, "status_code": status, "status": f"{status.title()}: Media upload"}
        return Answer(pick_fields(values, call, always=("id",)))

    def publish(self, call: Call) -> Answer:
        """POST /{ig}/media_publish: a container can be published once."""
        account = call.owner
        if not is_own(call):
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

    def quota(self, call: Call) -> Answer:
        """GET /{ig}/content_publishing_limit."""
        if not is_own(call):
            return no_object(call.path["node"])
        usage = len(self._recent_publications(call.owner, call.at))
        config = {"quota_total": _QUOTA, "quota_duration": 86_400}
        return Answer(
            {"data": [pick_fields({"quota_usage": usage, "config": config}, call, default=("quota_usage",))]}
        )

    def _restore(self, post: SandboxPost) -> None:
        """Know the container again that the post was published from."""
        if post.idempotency_key is not None:
            self._containers[post.idempotency_key] = Container(
                owner=post.account,
                caption=post.text,
                kind=post.kind,
                created=post.created,
                ready_at=post.created,
                children=tuple(post.detail("children") or ()),
                media_url=post.detail("media_url") or "",
                media=post,
            )
            self._published.setdefault(post.account.key, deque()).append(post.created)

    def _create_album(self, call: Call, given: Mapping[str, str], caption: str) -> Answer:
        children = read_list(given.get("children", ""))
        if not 2 <= len(children) <= 10:
            return graph_error("A carousel needs 2 to 10 children.", 100, subcode=2207009)
        if any(not self._is_item(child, call) for child in children):
            message = "A child of the carousel is no finished item container."
            return graph_error(message, 9007, subcode=2207027)
        return self._keep(
            call,
            Container(
                owner=call.owner,
                caption=caption,
                kind="photo",
                created=call.at,
                ready_at=call.at + self._world.settings.instagram_image_delay_s,
                children=children,
                media_url=self._containers[children[0]].media_url,
            ),
        )

    def _keep(self, call: Call, container: Container) -> Answer:
        container_id = str(self._world.next_number(Platform.INSTAGRAM, call.at))
        self._containers[container_id] = container
        return Answer({"id": container_id})

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
