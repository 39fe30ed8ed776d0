"""`socialflow posts import`: create many posts from one file, with a report per row."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.output import JsonOption, print_json, print_records, say
from flows.cli.posts.planner import open_planner
from warehouse.errors import InvalidInputError
from warehouse.planning.bulk import create_posts, rows_need_lake
from warehouse.planning.files import FileFormat, read_post_rows
from warehouse.planning.templates import FileOptions

if TYPE_CHECKING:
    from warehouse.planning.bulk import BulkReport

_FORMATS: dict[str, FileFormat] = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json"}


def import_(
    *,
    file: Annotated[Path, typer.Argument(help="CSV (.csv), a JSON array (.json), or JSON lines.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, save nothing.")] = False,
    each: Annotated[
        bool, typer.Option("--each", help="Save the valid rows; default: nothing unless all rows are valid.")
    ] = False,
    blank_date: Annotated[
        Literal["draft", "queue", "now"], typer.Option(help="CSV: what a row with an empty date becomes.")
    ] = "draft",
    date_order: Annotated[
        Literal["dmy", "mdy", "ymd"] | None,
        typer.Option(help="CSV of other tools: order of day and month where both readings fit."),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="CSV: time zone of rows that name none; default: the workspace's.")
    ] = None,
    platform: Annotated[
        list[str] | None, typer.Option(help="CSV: platform of rows that name no account. Repeatable.")
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="CSV: account id of rows that name no account. Repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Schedule all posts of a file. It has our columns, or those of another tool's template (docs/imports.md)."""
    try:
        body = file.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"{file}: {error.strerror or type(error).__name__}", field="file") from None
    options = FileOptions(
        blank_date=blank_date,
        date_order=date_order,
        timezone=timezone,
        platforms=platform or (),
        account_ids=account or (),
    )
    rows = read_post_rows(body, _FORMATS.get(file.suffix.lower(), "json_lines"), options)
    with open_planner(with_lake=rows_need_lake(rows)) as context:
        report = create_posts(context, rows, mode="each" if each else "all", dry_run=dry_run)
    if as_json:
        print_json(asdict(report))
    else:
        _tell(report)
    if report.failed:
        raise typer.Exit(1)


def _tell(report: BulkReport) -> None:
    rows = [
        {
            "line": row.line,
            "status": row.status,
            "post_id": row.post_id,
            "scheduled_at": row.scheduled_at,
            "what": "; ".join([*row.warnings, *(str(entry["detail"]) for entry in row.errors)]),
        }
        for row in report.rows
    ]
    print_records(rows, ["line", "status", "post_id", "scheduled_at", "what"])
    saved = "nothing was saved" if not report.created else f"{report.created} saved"
    say(f"{report.total} rows, {report.failed} invalid, {saved}{' (dry run)' if report.dry_run else ''}")
