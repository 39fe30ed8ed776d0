"""`socialflow import-history`: import past posts from a file, also for accounts that are not connected."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.printable import printable
from flows.cli.output import JsonOption, print_json, say, show_progress
from flows.resources import Resources
from flows.timing.refresh import compute_all_optimal_times
from warehouse.lake.import_.history import import_history
from warehouse.platforms import parse_platform
from warehouse.store.access.workspaces import ensure_default_workspace

if TYPE_CHECKING:
    from warehouse.lake.import_.history import ImportReport

app = typer.Typer(add_completion=False, rich_markup_mode=None)

SHOWN_REJECTIONS = 20


@app.command("import-history")
def import_file(
    *,
    file: Annotated[
        Path,
        typer.Argument(help="CSV or Parquet with published_at, likes, comments, shares; more is optional."),
    ],
    platform: Annotated[str, typer.Option(help="Where the posts were published.")],
    account: Annotated[
        str | None, typer.Option(help="Account of the posts; default: the file's column `account`.")
    ] = None,
    timezone: Annotated[
        str, typer.Option(help="Zone of times without offset: Europe/Berlin, -05:00, ...")
    ] = "UTC",
    as_json: JsonOption = False,
) -> None:
    """Import a file of past posts; invalid rows are reported, all others are loaded once."""
    chosen = parse_platform(platform)
    now = datetime.now(UTC)
    with Resources.open() as resources:
        with resources.store.write() as session:
            workspace_id = ensure_default_workspace(session, now).id
        with show_progress("importing") as advance:
            last = 0

            def progress(_what: str, done: int, _total: int) -> None:
                nonlocal last
                advance(done - last)
                last = done

            report = import_history(
                resources.store,
                resources.lake,
                file,
                platform=chosen,
                account_name=account,
                timezone=timezone,
                workspace_id=workspace_id,
                now=now,
                progress=progress,
            )
        if report.loaded:
            compute_all_optimal_times(resources)
    if as_json:
        print_json(_show(report))
    else:
        _tell(report)
    if report.rejected and not report.loaded and not report.already_there:
        raise typer.Exit(1)


def _show(report: ImportReport) -> dict[str, Any]:
    return {
        "rows": report.rows,
        "loaded": report.loaded,
        "already_there": report.already_there,
        "skipped": report.skipped,
        "rejected": [row._asdict() for row in report.rejected],
        "accounts": report.accounts,
        "notes": report.notes,
    }


def _tell(report: ImportReport) -> None:
    for row in report.rejected[:SHOWN_REJECTIONS]:
        say(printable(f"line {row.line}: {row.field} {row.reason}"))
    if len(report.rejected) > SHOWN_REJECTIONS:
        say(f"... and {len(report.rejected) - SHOWN_REJECTIONS} more (--json lists all)")
    for note in report.notes:
        say(f"note: {note}")
    bad_lines = len({row.line for row in report.rejected})
    say(
        f"{report.rows} rows: {report.loaded} loaded, {report.already_there} already imported, {bad_lines} rejected, "
        f"{report.skipped} left for later; {len(report.accounts)} account(s)"
    )
