"""`socialflow sql`: ask the lake, read-only, beside everything that runs."""

from __future__ import annotations

import csv
import sys
from enum import StrEnum
from typing import Annotated

import typer

from flows.commands.output import print_json, print_rows, say
from warehouse.lake.console import run_sql
from warehouse.settings import WarehouseSettings

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@app.command()
def sql(
    *,
    statement: Annotated[str, typer.Argument(help='For example "select * from marts.publication_latest".')],
    output: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.TABLE,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many rows; table: 100.")] = None,
) -> None:
    """Run one statement on the lake and print its rows. docs/warehouse.md has the map of the tables."""
    if limit is None and output is Format.TABLE:
        limit = 100
    columns, rows = run_sql(WarehouseSettings(), statement, limit=limit)
    if output is Format.JSON:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif output is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    else:
        print_rows(columns, rows)
        if limit is not None and len(rows) == limit:
            say(f"the first {limit} rows; --limit shows more")
