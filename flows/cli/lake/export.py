"""`socialflow export`: write the marts and dimensions to files."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import Annotated

import typer

from flows.cli.arguments import AsOfOption, ChangedSinceOption, parse_as_of
from flows.cli.lake.settings import read_lake_settings
from flows.cli.output import JsonOption, print_json, say, show_progress
from flows.cli.workspace_session import open_workspace
from warehouse.lake.export.tables import ExportFormat, export_lake
from warehouse.store.audit.log import record
from warehouse.store.measuring.export_cursors import note_cursor

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def export(
    *,
    kind: Annotated[
        ExportFormat,
        typer.Option("--format", help="duckdb and xlsx = one file with all tables; the others: a folder."),
    ],
    output: Annotated[
        Path, typer.Option(help="A new folder; for duckdb and xlsx a file, which may replace an old one.")
    ],
    workspace: Annotated[str | None, typer.Option(help="Only the rows of this workspace.")] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Also the raw snapshots, with the platforms' answers.")
    ] = False,
    quality: Annotated[bool, typer.Option("--quality", help="Also the findings of the data checks.")] = False,
    as_of: AsOfOption = None,
    changed_since: ChangedSinceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write every mart and dimension from one snapshot of the lake. The output appears when complete.

    Prints the snapshot: the cursor to give as --changed-since next time.
    """
    settings = read_lake_settings()
    with open_workspace() as opened:
        said = {"table": "all", "format": kind, "of_workspace": workspace}
        record(opened.session, "data_exported", opened.workspace_id, opened.now, None, said)
    with show_progress("exporting", total=None) as advance:

        def progress(_table: str, _number: int, _of: int) -> None:
            advance(1)

        report = export_lake(
            settings,
            output.absolute(),
            kind,
            workspace_id=workspace,
            as_of=parse_as_of(as_of),
            changed_since=changed_since,
            more=[name for name, chosen in (("raw", raw), ("quality", quality)) if chosen],
            progress=progress,
        )
    with open_workspace() as opened:
        note_cursor(opened.session, report.snapshot_id, opened.now)
    if as_json:
        print_json(
            {
                "output": str(output.absolute()),
                "snapshot_id": report.snapshot_id,
                "snapshot_time": report.snapshot_time,
                "workspace_id": report.workspace_id,
                "changed_since": changed_since,
                "rows": report.rows,
            }
        )
        return
    for name, rows in report.rows.items():
        say(f"{rows:>10} rows  {name}")
    say(f"{output}: snapshot {report.snapshot_id} of {report.snapshot_time:%Y-%m-%d %H:%M:%S} UTC")
