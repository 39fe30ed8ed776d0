"""Application factory: `uvicorn --factory api.app:create_app`."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from api.accounts import routes as accounts
from api.accounts import routes_connect as account_connect
from api.analytics import routes as analytics
from api.analytics import routes_accounts as analytics_accounts
from api.analytics import routes_decay as analytics_decay
from api.analytics import routes_export as analytics_export
from api.analytics import routes_posts as analytics_posts
from api.audit import routes as audit_log
from api.auth import routes as auth
from api.auth import routes_api_keys as api_keys
from api.auth import routes_sessions as sessions
from api.dashboard import accounts as dashboard_accounts
from api.dashboard import calendar as dashboard_calendar
from api.dashboard import compose as dashboard_compose
from api.dashboard import files as dashboard_files
from api.dashboard import numbers as dashboard_numbers
from api.dashboard import pages as dashboard
from api.dashboard import posts as dashboard_posts
from api.dashboard import recurrences as dashboard_recurrences
from api.dashboard import settings as dashboard_settings
from api.dashboard import sql as dashboard_sql
from api.dashboard import times as dashboard_times
from api.dashboard import today as dashboard_today
from api.dashboard import webhooks as dashboard_webhooks
from api.http.callers import Callers
from api.http.dependencies import refuse_misreadings
from api.http.errors import install_error_handlers
from api.http.grouped_writes import GroupedWrites
from api.http.import_runner import ImportRunner
from api.http.lake_cache import AnswerCache
from api.http.middleware import RequestEnvelope
from api.http.openapi import build_openapi
from api.http.rate_limits import open_rate_limiters
from api.http.request_metrics import RequestMetrics
from api.http.response_cache import RememberedAnswers
from api.http.services import Clock, Services, utc_now
from api.http.tokens import derive_signing_key
from api.imports import routes as imports
from api.media import routes as media
from api.optimal_times import routes as advice
from api.optimal_times import routes_timing_lift as timing_lift
from api.pages import routes as pages
from api.pages import routes_health as health
from api.platforms import routes as platforms
from api.posts import routes as posts
from api.posts import routes_actions as post_actions
from api.posts import routes_approvals as approvals
from api.posts import routes_bulk as bulk_posts
from api.posts import routes_check as post_checks
from api.posts import routes_export as post_exports
from api.posts import routes_unpublish as post_deletions
from api.schedules import routes as schedules
from api.schedules import routes_calendar_feeds as calendar_feeds
from api.schedules import routes_queue_slots as queue_slots
from api.schedules import routes_recurrences as recurrences
from api.settings import ApiSettings, split_origins
from api.webhooks import routes as webhooks
from api.webhooks import routes_deliveries as webhook_deliveries
from api.workspace import routes as workspace
from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from connectors.webhooks.settings import WebhookSettings
from warehouse.lake.connect import Lake
from warehouse.media_files import open_media_files
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.audit.failures import FailureCounter
from warehouse.store.database import Store

LAKE_THREADS = 1
"""DuckDB threads per query: the marts are small, so parallel execution costs more than it saves."""

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

REQUEST_HEADERS = ("Idempotency-Key", "If-Match", "If-None-Match", "X-Request-Id")
ANSWER_HEADERS = (
    *("ETag", "Idempotent-Replayed", "Link", "Location", "Retry-After", "X-Request-Id"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
)
"""CORS: headers that pages of an allowed origin may send and read besides the safelisted ones."""
COMPRESSED_FROM = 1000
"""Bytes from which a response is compressed, if the client accepts gzip."""
INCOMPRESSIBLE = (
    *DEFAULT_EXCLUDED_CONTENT_TYPES,
    "application/octet-stream",
    "application/vnd.apache.parquet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "text/csv",
)
"""Media types that are compressed already; and exports as CSV, whose Content-Length tells that a file is complete."""
VERSION = "1.0.0"
"""Version of the HTTP API, not of the product; follows semantic versioning."""


def create_app(
    settings: ApiSettings | None = None,
    *,
    warehouse: WarehouseSettings | None = None,
    connectors: ConnectorSettings | None = None,
    webhook_settings: WebhookSettings | None = None,
    clock: Clock = utc_now,
    platform_transport: httpx.AsyncBaseTransport | None = None,
) -> FastAPI:
    """Return the application. Settings that are not given are read from the environment.

    The stores are opened when the server starts (lifespan), once per process; that raises SetupError. `clock`
    and `platform_transport` (instead of the network to the platforms) are for tests.
    """
    settings = settings or ApiSettings()
    request_metrics = RequestMetrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        warehouse_settings = warehouse or WarehouseSettings()
        connector_settings = connectors or ConnectorSettings()
        pool = ConnectorPool(connector_settings, clock=clock, transport=platform_transport)
        with (
            Store.open(warehouse_settings) as store,
            Lake.open(warehouse_settings, threads=LAKE_THREADS) as lake,
            open_rate_limiters(settings, warehouse_settings) as limiters,
        ):
            with store.write() as session:
                ensure_default_workspace(session, clock())
            async with pool:
                signing_key = derive_signing_key(store.cipher)
                media_files = open_media_files(warehouse_settings)
                runner = ImportRunner(store, lake, media_files, clock)
                app.state.services = Services(
                    settings=settings,
                    store=store,
                    lake=lake,
                    connectors=pool,
                    signing_key=signing_key,
                    callers=Callers(store, signing_key),
                    grouped_writes=GroupedWrites(store),
                    key_limiter=limiters.keys,
                    auth_limiter=limiters.failures,
                    failures=FailureCounter(),
                    answers=AnswerCache(),
                    request_metrics=request_metrics,
                    media=media_files,
                    media_public_url=warehouse_settings.media_public_url,
                    allow_private_media=connector_settings.allow_private_instances,
                    max_lateness=warehouse_settings.max_lateness,
                    recurrence_horizon=warehouse_settings.recurrence_horizon,
                    webhooks=webhook_settings or WebhookSettings(),
                    imports=runner,
                    warehouse=warehouse_settings,
                    clock=clock,
                )
                runner.resume()
                try:
                    yield
                finally:
                    await app.state.services.grouped_writes.finish()
                    await app.state.services.grouped_reads.finish()
                    await asyncio.to_thread(runner.close)

    app = FastAPI(
        title="SocialFlow",
        version=VERSION,
        lifespan=lifespan,
        # /docs is a page of our own: FastAPI's page loads its scripts from a third-party server.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        # The request envelope decides which bodies are read as JSON.
        strict_content_type=False,
    )
    install_error_handlers(app)
    app.add_middleware(RememberedAnswers)
    app.add_middleware(
        GZipMiddleware, minimum_size=COMPRESSED_FROM, compresslevel=4, exclude_content_types=INCOMPRESSIBLE
    )
    app.add_middleware(
        RequestEnvelope,
        max_body_bytes=settings.max_body_bytes,
        max_upload_bytes=settings.max_upload_bytes,
        metrics=request_metrics,
    )
    if origins := split_origins(settings.cors_origins):
        # Outside the envelope, so that allowed origins can also read the errors the envelope itself returns.
        # No credentials: a cross-origin page can neither send the dashboard's cookies nor read a response to
        # them.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", *REQUEST_HEADERS],
            expose_headers=ANSWER_HEADERS,
        )
    strict = [Depends(refuse_misreadings)]
    v1 = APIRouter(prefix="/api/v1")
    # Posts first: each router that is tried before the matching one adds time to every request.
    for module in (
        auth,
        post_exports,  # before the posts: /posts/export is no post
        posts,
        post_actions,
        account_connect,
        bulk_posts,
        post_checks,
        post_deletions,
        media,
        approvals,
        recurrences,
        queue_slots,
        schedules,
        calendar_feeds,
        advice,
        analytics,
        analytics_posts,
        timing_lift,
        analytics_accounts,
        analytics_decay,
        analytics_export,
        imports,
        accounts,
        platforms,
        workspace,
        api_keys,
        sessions,
        audit_log,
        webhooks,
        webhook_deliveries,
    ):
        v1.include_router(module.router)
    v1.include_router(imports.maps_router)
    app.include_router(v1, dependencies=strict)
    app.include_router(account_connect.callback_router, prefix="/api/v1")
    app.include_router(health.router, dependencies=strict)
    app.include_router(media.public, dependencies=strict)
    app.include_router(pages.router)
    for page in (
        dashboard_today,
        dashboard_calendar,
        dashboard_compose,  # before the posts: /posts/new is no post
        dashboard_files,  # before the posts: /posts/bulk is no post
        dashboard_posts,
        dashboard_numbers,
        dashboard_times,
        dashboard_sql,
        dashboard_accounts,
        dashboard_settings,
        dashboard_recurrences,
        dashboard_webhooks,
        dashboard,
    ):
        app.include_router(page.router)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build_openapi(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
    return app
