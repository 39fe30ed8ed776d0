"""`socialflow import-followers`: import an account's history of followers from a file."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import Annotated

import typer

from connectors.printable import printable
from flows.cli.output import JsonOption, print_json, say
from flows.resources import Resources
from warehouse.lake.import_.followers import import_followers
from warehouse.platforms import parse_platform
from warehouse.store.access.workspaces import ensure_default_workspace

app = typer.Typer(add_completion=False, rich_markup_mode=None)

SHOWN_REJECTIONS = 20


@app.command("import-followers")
def import_file(
    *,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or Parquet with followers, and date or captured_at; following, posts optional."
        ),
    ],
    platform: Annotated[str, typer.Option(help="The account's platform.")],
    account: Annotated[str, typer.Option(help="The account's name on the platform.")],
    timezone: Annotated[
        str | None,
        typer.Option(help="IANA zone of days and of times without offset; default: the account's."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Import past counts of followers; invalid rows are reported, all others are loaded once."""
    chosen = parse_platform(platform)
    now = datetime.now(UTC)
    with Resources.open() as resources:
        with resources.store.write() as session:
            workspace_id = ensure_default_workspace(session, now).id
        report = import_followers(
            resources.store,
            resources.lake,
            file,
            platform=chosen,
            account_name=account,
            timezone=timezone,
            workspace_id=workspace_id,
            now=now,
        )
    if as_json:
        print_json({**asdict(report), "rejected": [row._asdict() for row in report.rejected]})
        return
    for row in report.rejected[:SHOWN_REJECTIONS]:
        say(printable(f"line {row.line}: {row.field} {row.reason}"))
    if len(report.rejected) > SHOWN_REJECTIONS:
        say(f"... and {len(report.rejected) - SHOWN_REJECTIONS} more (--json lists all)")
    say(
        f"{report.rows} rows: {report.loaded} loaded, {report.already_there} already there, {report.different} differ "
        f"from the stored count of the same time and were not loaded, {len(report.rejected)} rejected"
    )
