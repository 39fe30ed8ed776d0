"""`socialflow run`: run one flow now, in this process, without Prefect or a server."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.webhooks.settings import WebhookSettings
from flows.cli.output import JsonOption, print_json, say
from flows.errors import FlowBusyError
from flows.exclusive_runs import run_exclusively
from flows.ingestion.followers import read_due_followers
from flows.ingestion.history import read_histories
from flows.ingestion.metrics import read_due_metrics
from flows.maintenance.nightly import maintain_stores
from flows.publishing.publisher import run_publisher
from flows.publishing.recurring_posts import extend_recurrences
from flows.publishing.webhook_deliverer import WebhookDeliverer
from flows.resources import Resources, open_resources
from flows.timing.refresh import compute_all_optimal_times, raise_if_failed
from flows.tokens.due_tokens import refresh_ending_tokens
from flows.work_sharing import run_shared
from warehouse.store.database import new_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from connectors.registry import ConnectorPool
    from flows.run_report import RunReport

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Run one flow now, without a server.",
)

AheadOption = Annotated[int, typer.Option(min=0, help="Include what becomes due within this many minutes.")]


@app.command()
def publish(
    *,
    seconds: Annotated[
        float, typer.Option(min=0, help="Keep running for this long; 0: only what is due now.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Publish due posts."""

    async def work() -> dict[str, Any]:
        async with open_resources() as (resources, pool):
            report = await run_publisher(
                resources.store,
                pool,
                horizon=timedelta(seconds=seconds),
                max_lateness=resources.warehouse.max_lateness,
                home=resources.warehouse.home,
            )
            return report.as_dict()

    _print(asyncio.run(work()), as_json=as_json)


@app.command()
def webhooks(*, as_json: JsonOption = False) -> None:
    """Deliver pending webhook events now."""
    with Resources.open() as resources:
        report = asyncio.run(WebhookDeliverer(resources.store, WebhookSettings()).deliver_due())
        _print(report.as_dict(), as_json=as_json)


@app.command()
def ingest(*, ahead: AheadOption = 0, as_json: JsonOption = False) -> None:
    """Read the metrics that are due."""
    _run(
        "ingest-metrics",
        lambda resources, pool: read_due_metrics(
            resources, pool, run_id=new_id("run"), ahead=timedelta(minutes=ahead)
        ),
        as_json=as_json,
    )


@app.command()
def followers(*, ahead: AheadOption = 0, as_json: JsonOption = False) -> None:
    """Read the followers of accounts whose daily reading is due."""
    _run(
        "ingest-followers",
        lambda resources, pool: read_due_followers(
            resources, pool, run_id=new_id("run"), ahead=timedelta(minutes=ahead)
        ),
        as_json=as_json,
    )


@app.command()
def backfill(*, as_json: JsonOption = False) -> None:
    """Read the history of new accounts. Continues where it stopped."""
    _run(
        "backfill-history",
        lambda resources, pool: read_histories(resources, pool, run_id=new_id("run")),
        as_json=as_json,
    )


@app.command("refresh-tokens")
def refresh_tokens(*, as_json: JsonOption = False) -> None:
    """Refresh access tokens that expire soon."""
    _run("refresh-tokens", refresh_ending_tokens, as_json=as_json, shared=False)


@app.command()
def recurrences(*, as_json: JsonOption = False) -> None:
    """Create the posts of recurring rules ahead of their time."""
    with Resources.open() as resources, _hold(resources, "extend-recurrences", as_json=as_json):
        report = extend_recurrences(resources)
        _print(report.as_dict(), as_json=as_json)
        report.raise_if_failed()


@app.command("optimal-times")
def optimal_times(*, as_json: JsonOption = False) -> None:
    """Recompute the best posting times of every account."""
    with (
        Resources.open(all_cores=True) as resources,
        _hold(resources, "refresh-optimal-times", as_json=as_json),
    ):
        summary = compute_all_optimal_times(resources)
        _print(summary, as_json=as_json)
        raise_if_failed(summary)


@app.command()
def maintain(*, as_json: JsonOption = False) -> None:
    """Merge, expire and clean up data of the lake and the store."""
    with Resources.open() as resources, _hold(resources, "maintain-lake", as_json=as_json):
        _print(maintain_stores(resources), as_json=as_json)


def _run(
    flow: str,
    work: Callable[[Resources, ConnectorPool], Awaitable[RunReport]],
    *,
    as_json: bool,
    shared: bool = True,
) -> None:
    async def run() -> None:
        started = time.monotonic()
        async with open_resources() as (resources, pool):
            with _hold(resources, flow, as_json=as_json, shared=shared):
                report = await work(resources, pool)
                _print(report.as_dict(), as_json=as_json)
                if not as_json:
                    say(f"done in {time.monotonic() - started:.1f} s")
                report.raise_if_failed()
                report.raise_if_doubtful()

    asyncio.run(run())


@contextmanager
def _hold(resources: Resources, flow: str, *, as_json: bool, shared: bool = False) -> Iterator[None]:
    """Run the block as a run of the flow; if others run it and this one may not, print it and exit with 0."""
    try:
        with (
            run_shared(resources.store, flow, most=resources.flows.ingest_runs)
            if shared
            else run_exclusively(resources.store, flow)
        ):
            yield
    except FlowBusyError as busy:
        _print(busy.as_dict(), as_json=as_json)
        raise typer.Exit(0) from None


def _print(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    for name, value in result.items():
        if isinstance(value, dict):
            for key, reason in value.items():
                say(f"  {name}: {key}: {reason}")
        else:
            say(f"{name}: {value}")
