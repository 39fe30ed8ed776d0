"""Services that the routes use, opened once per process at startup."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from api.http.grouped_reads import GroupedReads
from api.http.renderings import Renderings
from warehouse.planning.context import PlanningContext
from warehouse.store.publishing.queue_state import StatusCounter

if TYPE_CHECKING:
    from api.http.callers import Callers
    from api.http.grouped_writes import GroupedWrites
    from api.http.import_runner import ImportRunner
    from api.http.lake_cache import AnswerCache
    from api.http.rate_limits import RateLimiter
    from api.http.request_metrics import RequestMetrics
    from api.settings import ApiSettings
    from connectors.registry import ConnectorPool
    from connectors.webhooks.settings import WebhookSettings
    from warehouse.lake.connect import Lake
    from warehouse.media_files import MediaFiles
    from warehouse.settings import WarehouseSettings
    from warehouse.store.audit.failures import FailureCounter
    from warehouse.store.database import Store
    from warehouse.store.posts.idempotency import StoreSession

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time, aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """The stores, the connectors and the limits of one process."""

    settings: ApiSettings
    store: Store
    lake: Lake
    connectors: ConnectorPool
    signing_key: bytes
    callers: Callers
    grouped_writes: GroupedWrites
    key_limiter: RateLimiter
    auth_limiter: RateLimiter
    failures: FailureCounter
    """Failed sign-ins, as the audit log counts them."""
    answers: AnswerCache
    request_metrics: RequestMetrics
    media: MediaFiles
    media_public_url: str | None
    """Address from which platforms fetch uploads; None = uploads cannot be fetched."""
    allow_private_media: bool
    """Whether the URL of media may name a host on a private network."""
    max_lateness: timedelta
    """A post later than this waits for a person's decision."""
    recurrence_horizon: timedelta
    """How far ahead the posts of recurring rules are created."""
    webhooks: WebhookSettings
    imports: ImportRunner
    warehouse: WarehouseSettings
    """For a connection of its own to the lake: the SQL page."""
    clock: Clock = utc_now
    renderings: Renderings = field(default_factory=Renderings)
    grouped_reads: GroupedReads = field(default_factory=GroupedReads)
    status_counter: StatusCounter = field(default_factory=StatusCounter)

    def planning(self, session: StoreSession, workspace_id: str) -> PlanningContext:
        """Return the planning context of `warehouse.planning` for this session."""
        return PlanningContext(
            session=session,
            workspace_id=workspace_id,
            now=self.clock(),
            open_lake=lambda: self.lake,
            media_public_url=self.media_public_url,
            allow_private_media=self.allow_private_media,
            recurrence_horizon=self.recurrence_horizon,
        )
