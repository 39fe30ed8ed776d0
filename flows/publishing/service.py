"""Run one publisher with its stores, connectors, webhook deliverer and notifications.

Used by the process that `socialflow up` runs (`python -m flows.publishing`) and by the Prefect flow.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from connectors.webhooks.settings import WebhookSettings
from flows.notifications.starter import keep_notifying
from flows.publishing.publisher import Publisher
from flows.publishing.settings import PublisherSettings
from flows.publishing.webhook_deliverer import deliver_beside
from warehouse.store.clock import StoreClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from connectors.registry import ConnectorPool
    from flows.publishing.report import PublishReport
    from flows.resources import Resources

logger = logging.getLogger(__name__)


async def publish_for(
    resources: Resources,
    pool: ConnectorPool,
    duration: timedelta,
    *,
    on_awake: Callable[[], None] = lambda: None,
    on_start: Callable[[Publisher], None] = lambda _publisher: None,
) -> PublishReport:
    """Publish and deliver webhooks for `duration`, then finish what is in progress.

    `on_start` receives the publisher; its `stop` ends the run earlier.
    """
    clock = StoreClock(resources.store)
    await asyncio.to_thread(clock.sync)
    publisher = Publisher(
        resources.store,
        pool,
        settings=PublisherSettings(),
        max_lateness=resources.warehouse.max_lateness,
        home=resources.warehouse.home,
        clock=clock,
        on_awake=on_awake,
    )
    on_start(publisher)
    async with (
        keep_notifying(resources.store, clock=clock),
        deliver_beside(resources.store, WebhookSettings(), clock=clock) as deliverer,
    ):
        report = await publisher.run(clock() + duration)
    logger.info("publisher: %s; webhooks: %s", report.as_dict(), deliverer.report.as_dict())
    return report
