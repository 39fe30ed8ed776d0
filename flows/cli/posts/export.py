"""`socialflow posts export`: posts with their metrics, or the content calendar, as one file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import Annotated, Literal

import typer

from flows.cli.output import JsonOption, print_json, say
from warehouse.atomic_files import write_beside


def export(
    *,
    output: Annotated[Path, typer.Option(help="The file to write; it appears when it is complete.")],
    file_format: Annotated[
        Literal["csv", "xlsx", "parquet", "json", "duckdb"],
        typer.Option("--format", help="Format of the file."),
    ] = "csv",
    start: Annotated[str | None, typer.Option("--from", help="Published from then on, ISO 8601.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Published before then.")] = None,
    platform: Annotated[str | None, typer.Option(help="Only this platform.")] = None,
    account: Annotated[str | None, typer.Option(help="Only this account, by its id.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write posts with their latest and equal-age metrics; `import-history` reads the file back."""
    from flows.resources import Resources  # noqa: PLC0415 (DuckDB, which the other commands do not need)
    from warehouse.lake.export.posts import write_posts  # noqa: PLC0415 (same)
    from warehouse.platforms import parse_platform  # noqa: PLC0415 (same)
    from warehouse.scheduling.local_times import resolve_time  # noqa: PLC0415 (same)
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
                start=resolve_time(start, zone, field="from").at if start else None,
                end=resolve_time(end, zone, field="to").at if end else None,
                platform=parse_platform(platform) if platform else None,
                account_id=account,
            )
    if as_json:
        print_json({"rows": count, "file": str(output)})
    else:
        say(f"{count:,} rows in {output}")
