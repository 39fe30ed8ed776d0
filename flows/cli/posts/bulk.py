"""`socialflow posts import`: create many posts from one file, with a report per row."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.output import JsonOption, print_json, print_records, say
from flows.cli.posts.planner import open_planner
from warehouse.errors import InvalidInputError
from warehouse.planning.bulk import create_posts, rows_need_lake
from warehouse.planning.files import FileFormat, read_post_rows

if TYPE_CHECKING:
    from warehouse.planning.bulk import BulkReport

_FORMATS: dict[str, FileFormat] = {".csv": "csv", ".json": "json"}


def import_(
    *,
    file: Annotated[Path, typer.Argument(help="CSV (.csv), a JSON array (.json), or JSON lines.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, save nothing.")] = False,
    each: Annotated[
        bool, typer.Option("--each", help="Save the valid rows; default: nothing unless all rows are valid.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Schedule all posts of a file. Columns and fields: docs/api.md, "Many at once"."""
    try:
        body = file.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"{file}: {error.strerror or type(error).__name__}", field="file") from None
    rows = read_post_rows(body, _FORMATS.get(file.suffix.lower(), "json_lines"))
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
