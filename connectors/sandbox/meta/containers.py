"""Containers of Instagram and Threads, and their publication; each platform has its own error messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from connectors.sandbox.meta.protocol import is_own, no_object, pick_fields
from connectors.sandbox.wire import Answer, Call

if TYPE_CHECKING:
    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld
    from connectors.types import ContentKind, Platform

_CONTAINER_LIFETIME_S: Final = 86_400.0
QUOTA_WINDOW_S: Final = 86_400.0

ContainerStatus = Literal["IN_PROGRESS", "FINISHED", "PUBLISHED", "EXPIRED", "ERROR"]


@dataclass(slots=True)
class Container:
    """A post in preparation: created first, published once later."""

    owner: SandboxAccount
    caption: str
    kind: ContentKind
    created: float
    ready_at: float
    children: tuple[str, ...] = ()
    is_item: bool = False
    media_url: str = ""
    reply_to: str | None = None
    media: SandboxPost | None = None
    options: dict[str, str] | None = None
    """Fields of the request that say more than text and media."""

    def status(self, at: float) -> ContainerStatus:
        """Return the status. A URL that contains the word broken fails to process."""
        if self.media is not None:
            return "PUBLISHED"
        if at >= self.created + _CONTAINER_LIFETIME_S:
            return "EXPIRED"
        if at < self.ready_at:
            return "IN_PROGRESS"
        return "ERROR" if "broken" in self.media_url else "FINISHED"


class GraphContainers(ABC):
    """The containers of one platform in one world."""

    platform: ClassVar[Platform]
    quota_total: ClassVar[int]

    def __init__(self, world: SandboxWorld) -> None:
        self.world = world
        self._containers: dict[str, Container] = {}
        self._published: dict[str, deque[float]] = {}
        for post in world.published(self.platform, via="api"):
            self._restore(post)

    def __contains__(self, node: str) -> bool:
        return node in self._containers

    def get(self, call: Call) -> Answer:
        """GET /{container}?fields=."""
        node = str(call.path["node"])
        container = self._containers[node]
        if container.owner is not call.owner:
            return no_object(node)
        shown = {"id": node, **self.describe(container.status(call.at))}
        return Answer(pick_fields(shown, call, always=("id",)))

    def publish(self, call: Call) -> Answer:
        """POST /{account}/..._publish {creation_id}: a container can be published once."""
        account = call.owner
        if not is_own(call):
            return no_object(call.path["node"])
        node = call.parameters().get("creation_id", "")
        container = self._containers.get(node)
        if container is None or container.owner is not account or container.is_item:
            return self.refuse(None)
        status = container.status(call.at)
        if status != "FINISHED":
            return self.refuse(status)
        if self.is_used_up(call):
            return self.refuse_quota()
        container.media = self.put_out(call, container, node)
        return Answer({"id": container.media.external_id})

    def put_out(self, call: Call, container: Container, key: str | None) -> SandboxPost:
        """Create the post of a container, and count it."""
        self.recent(call.owner, call.at).append(call.at)
        return self.world.add_post(
            call.owner,
            text=container.caption,
            kind=container.kind,
            at=call.at,
            idempotency_key=key,
            details={
                "media_url": container.media_url,
                "children": container.children,
                "reply_to": container.reply_to,
                "options": container.options,
            },
        )

    def is_used_up(self, call: Call) -> bool:
        """Return whether the account has used up its posts of the day."""
        used = self.recent(call.owner, call.at)
        return self.world.settings.enforce_rate_limits and len(used) >= self.quota_total

    def recent(self, account: SandboxAccount, at: float) -> deque[float]:
        """Return the times of the account's posts in the last 24 hours."""
        moments = self._published.setdefault(account.key, deque())
        while moments and moments[0] <= at - QUOTA_WINDOW_S:
            moments.popleft()
        return moments

    def keep(self, call: Call, container: Container) -> Answer:
        """Store a new container and return its id."""
        container_id = str(self.world.next_number(self.platform, call.at))
        self._containers[container_id] = container
        return Answer({"id": container_id})

    def find_item(self, container_id: str, call: Call) -> Container | None:
        """Return a carousel item of the caller, once it is processed."""
        item = self._containers.get(container_id)
        fits = item is not None and item.owner is call.owner and item.is_item
        return item if item is not None and fits and item.status(call.at) == "FINISHED" else None

    @abstractmethod
    def describe(self, status: ContainerStatus) -> dict[str, str]:
        """Return the fields of a container besides its id."""

    @abstractmethod
    def refuse(self, status: ContainerStatus | None) -> Answer:
        """Return the error for publishing a container with this status (None: it does not exist)."""

    @abstractmethod
    def refuse_quota(self) -> Answer:
        """Return the error for too many posts in a day."""

    def _restore(self, post: SandboxPost) -> None:
        """Restore the container of a published post."""
        if post.idempotency_key is not None:
            self._containers[post.idempotency_key] = Container(
                owner=post.account,
                caption=post.text,
                kind=post.kind,
                created=post.created,
                ready_at=post.created,
                children=tuple(post.detail("children") or ()),
                media_url=post.detail("media_url") or "",
                reply_to=post.detail("reply_to"),
                media=post,
            )
        self._published.setdefault(post.account.key, deque()).append(post.created)
