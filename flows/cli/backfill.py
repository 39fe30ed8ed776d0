"""`socialflow backfill`: read the history of connected accounts now, with progress."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.output import JsonOption, print_json, say, show_progress
from flows.ingestion.history import read_histories
from flows.resources import open_resources
from flows.work_sharing import run_shared
from warehouse.store.accounts.choice import resolve_accounts
from warehouse.store.database import new_id

if TYPE_CHECKING:
    from flows.run_report import RunReport

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def backfill(
    *,
    account: Annotated[
        list[str] | None,
        typer.Option(help="One account by its id; repeat the option. Default: all due accounts."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="How many days a first reading goes back.")
    ] = None,
    anew: Annotated[bool, typer.Option(help="Read again from the start; nothing is stored twice.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read the history of connected accounts; an interrupted backfill continues where it stopped."""

    async def work() -> None:
        async with open_resources() as (resources, pool):
            with resources.store.read() as session:
                chosen = resolve_accounts(session, account, None)
            most = resources.flows.ingest_runs
            with (
                run_shared(resources.store, "backfill-history", most=most),
                show_progress("posts read") as advance,
            ):
                report = await read_histories(
                    resources,
                    pool,
                    run_id=new_id("run"),
                    account_ids=chosen,
                    days=days,
                    anew=anew,
                    on_posts=lambda _account, posts: advance(posts),
                )
                _show(report, as_json=as_json)
                report.raise_if_failed()

    asyncio.run(work())


def _show(report: RunReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report.as_dict())
    else:
        counts = report.counts
        say(
            f"{report.accounts} account(s): {counts['posts']} posts read, {counts['new_posts']} of them new, "
            f"{counts['snapshots']} snapshots saved"
        )
        for name, reason in report.deferred.items():
            say(f"{name} is waiting: {reason}")
        for name, reason in report.elsewhere.items():
            say(f"{name}: {reason}")
