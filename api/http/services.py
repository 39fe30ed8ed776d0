"""What the routes work with: opened once in a process, at its start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from warehouse.planning.context import PlanningContext

if TYPE_CHECKING:
    from api.http.callers import Callers
    from api.http.lake_cache import AnswerCache
    from api.http.rate_limits import RateLimiter
    from api.http.request_metrics import RequestMetrics
    from api.settings import ApiSettings
    from connectors.registry import ConnectorPool
    from connectors.webhooks.settings import WebhookSettings
    from warehouse.lake.connect import Lake
    from warehouse.media_files import MediaFiles
    from warehouse.store.audit.failures import FailureCounter
    from warehouse.store.database import Store
    from warehouse.store.posts.idempotency import StoreSession

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present moment, aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """The stores, the way to the platforms, and the limits of one process."""

    settings: ApiSettings
    store: Store
    lake: Lake
    connectors: ConnectorPool
    signing_key: bytes
    callers: Callers
    key_limiter: RateLimiter
    auth_limiter: RateLimiter
    failures: FailureCounter
    """Failed sign-ins, as the audit log counts them."""
    answers: AnswerCache
    request_metrics: RequestMetrics
    media: MediaFiles
    media_public_url: str | None
    """Where platforms reach this API to fetch uploads; None = they cannot."""
    max_lateness: timedelta
    """What is later than this waits for a person."""
    recurrence_horizon: timedelta
    """How long ahead recurring posts are made."""
    webhooks: WebhookSettings
    clock: Clock = utc_now

    def planning(self, session: StoreSession, workspace_id: str) -> PlanningContext:
        """Return what `warehouse.planning` needs to plan in this session."""
        return PlanningContext(
            session=session,
            workspace_id=workspace_id,
            now=self.clock(),
            open_lake=lambda: self.lake,
            media_public_url=self.media_public_url,
            recurrence_horizon=self.recurrence_horizon,
        )
