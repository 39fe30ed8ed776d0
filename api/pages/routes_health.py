"""Health endpoints for supervisors and Prometheus: liveness, readiness, metrics. No token needed."""

import asyncio
import logging
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CollectorRegistry, GaugeMetricFamily
from pydantic import BaseModel, Field

from api.http.dependencies import ServicesDep
from api.http.services import Services
from api.pages.surroundings import CheckResult, SurroundingsCollector, check_address, check_lake_storage
from api.pages.work_metrics import LakeCollector, StoreWorkCollector
from warehouse.store.clock import read_time
from warehouse.store.leases.flow_leases import FlowState, find_flows_behind, list_flow_states
from warehouse.store.publishing.heartbeats import PublishersState, get_publishers_state
from warehouse.store.publishing.queue_state import QUEUE, QueueState, get_queue_state
from warehouse.store.webhooks.state import WebhookState, get_webhook_state

router = APIRouter(tags=["Health"])
logger = logging.getLogger(__name__)


class HealthOut(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class ReadyOut(BaseModel):
    """Readiness of the process, per component."""

    status: Literal["ready", "degraded", "not_ready"] = Field(
        description="degraded: all components work, but a scheduled flow has not succeeded for three periods."
    )
    store: CheckResult
    lake: CheckResult
    orchestrator: CheckResult
    publisher: CheckResult
    behind: list[str] = Field(description="The flows that are behind, such as ingest-metrics.")


@router.get("/healthz", operation_id="get_health", summary="Check that the process is alive")
async def get_health() -> HealthOut:
    """Check that the process is alive."""
    return HealthOut()


@router.get(
    "/readyz",
    operation_id="get_readiness",
    summary="Check that the API can serve requests",
    responses={503: {"model": ReadyOut, "description": "A component is unavailable."}},
)
async def get_readiness(services: ServicesDep, response: Response) -> ReadyOut:
    """Check store, lake, orchestrator and publisher, and list the scheduled flows that are behind."""
    (store, behind), publisher, lake, orchestrator = await asyncio.gather(
        asyncio.to_thread(_check_store, services),
        asyncio.to_thread(_check_publisher, services),
        asyncio.to_thread(_check_lake, services),
        _check_orchestrator(services.settings.orchestrator_url),
    )
    ready = "failed" not in (store, publisher, lake, orchestrator)
    if not ready:
        response.status_code = 503
    status: Literal["ready", "degraded", "not_ready"] = "degraded" if behind else "ready"
    return ReadyOut(
        status=status if ready else "not_ready",
        store=store,
        lake=lake,
        orchestrator=orchestrator,
        publisher=publisher,
        behind=behind,
    )


@router.get("/metrics", operation_id="get_metrics", summary="Get Prometheus metrics", response_class=Response)
async def get_metrics(services: ServicesDep) -> Response:
    """Return Prometheus metrics of the work, of the lake, of what it needs, and of this process."""
    text, bucket, orchestrator = await asyncio.gather(
        asyncio.to_thread(_write_metrics, services),
        check_lake_storage(services.warehouse),
        _check_orchestrator(services.settings.orchestrator_url),
    )
    registry = CollectorRegistry()
    registry.register(SurroundingsCollector(services.warehouse.home, bucket, orchestrator))
    return Response(text + generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _write_metrics(services: Services) -> bytes:
    registry = CollectorRegistry()
    try:
        with services.store.read() as session:
            now = services.clock()
            collectors: tuple[Any, ...] = (
                _QueueCollector(
                    get_queue_state(session, now), services.status_counter.read(session, services.store)
                ),
                _WebhookCollector(get_webhook_state(session, now)),
                _PublisherCollector(get_publishers_state(session, read_time(session))),
                _FlowCollector(
                    list_flow_states(session), {flow.name for flow in find_flows_behind(session, now)}
                ),
            )
        collectors += (StoreWorkCollector(services),)
    except Exception:  # any driver error: the store is away, and what this process knows is told nevertheless
        logger.exception("the store cannot be read")
        registry.register(_StoreCollector(is_up=False))
    else:
        registry.register(_StoreCollector(is_up=True))
        for collector in collectors:
            registry.register(collector)
    registry.register(LakeCollector(services))
    return generate_latest(registry) + generate_latest(services.request_metrics.registry)


class _StoreCollector:
    """Prometheus collector of whether the store answers."""

    def __init__(self, *, is_up: bool) -> None:
        self._is_up = is_up

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauge."""
        yield GaugeMetricFamily(
            "socialflow_store_up",
            "1 = the store answers; 0 = it does not, and gauges of queue, webhooks, publishers and flows are left out.",
            int(self._is_up),
        )


class _QueueCollector:
    """Prometheus collector of the publishing queue."""

    def __init__(self, state: QueueState, by_status: dict[str, int]) -> None:
        self._state = state
        self._by_status = by_status

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        by_status = GaugeMetricFamily(
            "socialflow_publications", "Publications by status.", labels=("status",)
        )
        for status, count in sorted((dict.fromkeys(QUEUE, 0) | self._by_status).items()):
            by_status.add_metric((status,), count)
        yield by_status
        yield GaugeMetricFamily(
            "socialflow_publications_late",
            "Publications more than a minute late, except paused ones.",
            self._state.late,
        )
        yield GaugeMetricFamily(
            "socialflow_publications_oldest_late_seconds",
            "How late the oldest late publication is.",
            self._state.oldest_late_seconds,
        )
        yield GaugeMetricFamily(
            "socialflow_publications_unknown",
            "Publications sent with an unknown outcome.",
            self._state.unknown,
        )
        yield GaugeMetricFamily(
            "socialflow_publications_unknown_stale",
            "Publications with an unknown outcome for over ten minutes.",
            self._state.stale_unknown,
        )
        yield GaugeMetricFamily(
            "socialflow_publications_retrying",
            "Publications that were tried, did not reach their platform, and wait for the next attempt.",
            self._state.retrying,
        )
        yield GaugeMetricFamily(
            "socialflow_accounts_revoked", "Accounts whose token the platform rejects.", self._state.revoked
        )


class _FlowCollector:
    """Prometheus collector of the scheduled flows' last runs."""

    def __init__(self, flows: Sequence[FlowState], behind: Collection[str]) -> None:
        self._flows, self._behind = flows, behind

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges; a flow without such a run has no sample."""
        for kind, words in (
            ("start", "Time the flow's last run started."),
            ("success", "Time of the flow's last success."),
            ("failure", "Time of the flow's last failure, even if only for some accounts."),
        ):
            family = GaugeMetricFamily(
                f"socialflow_flow_last_{kind}_timestamp_seconds", words, labels=("flow",)
            )
            for flow in self._flows:
                moments = {
                    "start": flow.last_started_at,
                    "success": flow.last_succeeded_at,
                    "failure": flow.last_failed_at,
                }
                if (at := moments[kind]) is not None:
                    family.add_metric((flow.name,), at.timestamp())
            yield family
        family = GaugeMetricFamily(
            "socialflow_flow_behind",
            "Whether a scheduled flow has not succeeded for three periods (1) or has (0).",
            labels=("flow",),
        )
        for flow in self._flows:
            family.add_metric((flow.name,), float(flow.name in self._behind))
        yield family


class _WebhookCollector:
    """Prometheus collector of the webhook outbox."""

    def __init__(self, state: WebhookState) -> None:
        self._state = state

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        state = self._state
        gauges = (
            ("backlog", "Due deliveries, except those to disabled endpoints.", state.backlog),
            ("oldest_seconds", "How long the oldest due delivery has waited.", state.oldest_seconds),
            ("retrying", "Deliveries that failed and wait for their next attempt.", state.retrying),
            ("exhausted", "Exhausted deliveries, which can be replayed.", state.exhausted),
            ("disabled", "Disabled endpoints.", state.disabled),
        )
        for name, words, value in gauges:
            yield GaugeMetricFamily(f"socialflow_webhook_{name}", words, value)


class _PublisherCollector:
    """Prometheus collector of the publishers' heartbeats."""

    def __init__(self, state: PublishersState) -> None:
        self._state = state

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        yield GaugeMetricFamily(
            "socialflow_publishers_awake",
            "Publishers with a fresh heartbeat and a clock that agrees with the store's.",
            self._state.awake,
        )
        yield GaugeMetricFamily(
            "socialflow_publisher_clock_skew_seconds",
            "Largest difference between a live publisher's clock and the store's; beyond 2 s it publishes nothing.",
            self._state.clock_skew_seconds,
        )
        yield GaugeMetricFamily(
            "socialflow_publisher_errors",
            "Turns and steps that failed in the publishers that run now, since each began: usually the store's fault.",
            self._state.errors,
        )


def _check_publisher(services: Services) -> CheckResult:
    try:
        with services.store.read() as session:
            state = get_publishers_state(session, read_time(session))
    except Exception:  # any driver error means not ready; the log has the reason
        logger.exception("the publishers' heartbeats cannot be read")
        return "failed"
    if state.awake:
        return "ok"
    return "failed" if services.settings.publisher_expected else "not_checked"


def _check_store(services: Services) -> tuple[CheckResult, list[str]]:
    """Return whether the store can be read, and which flows are behind."""
    try:
        with services.store.read() as session:
            get_queue_state(session, services.clock())
            behind = find_flows_behind(session, services.clock())
            outdated = services.store.is_outdated(session)
    except Exception:  # any driver error means not ready; the log has the reason
        logger.exception("the store cannot be read")
        return "failed", []
    if outdated:
        logger.error(
            "another version updated the store while this process ran: update this program, and restart it"
        )
        return "failed", []
    return "ok", [one.name for one in behind]


def _check_lake(services: Services) -> CheckResult:
    try:
        services.lake.snapshot_id()
    except Exception:  # any driver error means not ready; the log has the reason
        logger.exception("the lake cannot be read")
        return "failed"
    return "ok"


async def _check_orchestrator(url: str | None) -> CheckResult:
    """Check that Prefect's server says of itself that it is healthy."""
    return "not_checked" if url is None else await check_address(url, what="the orchestrator", below=400)
