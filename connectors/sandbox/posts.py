"""One post of the simulated world, and its form in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from connectors.sandbox.accounts import SandboxAccount
    from connectors.types import ContentKind, Platform

Via = Literal["history", "api"]
_WRITTEN = ("external_id", "number", "created", "text", "kind", "idempotency_key", "details")


@dataclass(slots=True, eq=False)
class SandboxPost:
    """One published or deleted post. `number` sorts the posts of an account by time."""

    account: SandboxAccount
    external_id: str
    number: int
    created: float
    text: str
    kind: ContentKind
    via: Via
    idempotency_key: str | None = None
    """The client's idempotency value: a header, a record key, a container id."""
    details: dict[str, Any] | None = None
    """Platform-specific data: the record, media ids, the post it replies to."""
    deleted: float | None = None
    final: float | None = None
    """Engagement at 48 h, once computed."""

    @property
    def platform(self) -> Platform:
        """The platform it is on."""
        return self.account.platform

    @property
    def published_at(self) -> datetime:
        """Publication time (UTC)."""
        return datetime.fromtimestamp(self.created, UTC)

    def detail(self, name: str) -> Any:  # noqa: ANN401  each platform keeps its own JSON here
        """Return one of `details`, or None."""
        return None if self.details is None else self.details.get(name)

    def describe(self) -> dict[str, Any]:
        """Return the event that `restore_post` reads."""
        return {"account": self.account.key, **{name: getattr(self, name) for name in _WRITTEN}}


def restore_post(account: SandboxAccount, event: dict[str, Any]) -> SandboxPost:
    """Return the post that an event of the journal describes."""
    return SandboxPost(account=account, via="api", **{name: event[name] for name in _WRITTEN})
