"""What surrounds a connector in these tests: a clock, the publisher's memory, an account of the simulation."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from connectors.base import PublishRequest
from connectors.sandbox.accounts import SandboxAccount
from connectors.types import Account, Credentials, Platform, PostContent

SANDBOX = "http://sandbox.test"


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 24, 12, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class SavedState:
    """Where a publisher would keep a request's state."""

    state: Mapping[str, Any] = field(default_factory=dict)
    saves: int = 0
    on_save: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None

    async def save(self, state: Mapping[str, Any]) -> None:
        self.state, self.saves = dict(state), self.saves + 1
        if self.on_save is not None:
            await self.on_save(state)

    def request(
        self, content: PostContent, at: datetime, *, key: str = "pub_1", taken: frozenset[str] = frozenset()
    ) -> PublishRequest:
        return PublishRequest(
            content=content,
            key=key,
            first_attempt_at=at,
            state=self.state,
            save_state=self.save,
            taken=taken,
        )


def account_of(owner: SandboxAccount) -> Account:
    """Return the simulated account as a connector takes it."""
    own_server = owner.platform in {Platform.MASTODON, Platform.BLUESKY}
    refresh = SecretStr(owner.refresh_token) if owner.refresh_token else None
    password = SecretStr(owner.app_password) if owner.app_password else None
    return Account(
        id=f"acc_{owner.key}",
        platform=owner.platform,
        credentials=Credentials(SecretStr(owner.access_token), refresh, owner.expires_at, password),
        external_id=owner.external_id,
        handle=owner.handle,
        instance_url=SANDBOX if own_server else None,
    )
