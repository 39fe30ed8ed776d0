"""`socialflow posts export`: posts with their metrics, or the content calendar, as one file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import Annotated, Literal

import typer

from flows.cli.moments import FORMS, read_moment
from flows.cli.output import JsonOption, print_json, say
from warehouse.atomic_files import write_beside


def export(
    *,
    output: Annotated[Path, typer.Option(help="The file to write; it appears when it is complete.")],
    file_format: Annotated[
        Literal["csv", "xlsx", "parquet", "json", "duckdb"],
        typer.Option("--format", help="Format of the file."),
    ] = "csv",
    start: Annotated[str | None, typer.Option("--from", help=f"Published from then on: {FORMS}.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Published before then.")] = None,
    platform: Annotated[str | None, typer.Option(help="Only this platform.")] = None,
    account: Annotated[str | None, typer.Option(help="Only this account, by its id.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write posts with their metrics to a file. `import-history` reads the file back."""
    from flows.resources import Resources  # noqa: PLC0415 (DuckDB, which the other commands do not need)
    from warehouse.lake.export.posts import write_posts  # noqa: PLC0415 (same)
    from warehouse.platforms import parse_platform  # noqa: PLC0415 (same)
    from warehouse.store.access.workspaces import ensure_default_workspace, parse_timezone  # noqa: PLC0415 (same)
    from warehouse.store.accounts.accounts import get_account  # noqa: PLC0415 (same)

    with Resources.open() as resources:
        with resources.store.write() as session:
            workspace = ensure_default_workspace(session, datetime.now(UTC))
            zone = parse_timezone(workspace.timezone)
            if account is not None:
                get_account(session, workspace.id, account)
        with write_beside(output.absolute()) as path:
            count = write_posts(
                resources.lake,
                path,
                file_format,
                workspace_id=workspace.id,
                start=read_moment(start, zone, field="from"),
                end=read_moment(end, zone, field="to"),
                platform=parse_platform(platform) if platform else None,
                account_id=account,
            )
    if as_json:
        print_json({"rows": count, "file": str(output)})
    else:
        say(f"{count:,} rows in {output}")
